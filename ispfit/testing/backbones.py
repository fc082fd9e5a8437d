"""`check_backbone`: measures every promise of the backbone contract.

The docstring of a check completes the sentence "... while checking that", which is reported if a plugin raises an
unexpected error. It therefore begins in lower case.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ispfit.backbone import Backbone
from ispfit.errors import BackboneError
from ispfit.testing import describe, parameters, rendering, std, training
from ispfit.testing.subject import Subject

__all__ = ["check_backbone"]

Check = Callable[[Subject], Iterator[str]]

_STAGES: tuple[tuple[Check, ...], ...] = (
    (parameters.check_parameters, parameters.check_build),
    (describe.check_scene, rendering.check_shape),
    (rendering.check_inputs,),
    (rendering.check_repeats,),
    (
        parameters.check_pickle,
        describe.check_rows,
        describe.check_memory,
        describe.check_parts,
        rendering.check_halo,
        rendering.check_batch,
        rendering.check_samples,
        std.check_std,
        training.check_learns,
        training.check_saves,
        training.check_inverse,
    ),
)
"""The checks of a stage run only if all earlier stages found nothing."""


def check_backbone(backbone: Backbone) -> None:
    """Measure every promise of the backbone contract, which `ispfit.backbone` states.

    - Hyper-parameters are stored as given, cloned, and survive JSON.
    - `describe` returns a scene of fixed size for each image alone, in memory that does not grow with the image.
    - `scene_parts` names values of the scene; `complete_scene` leaves a complete scene as it is.
    - `render` returns the right shape, reads no more than the halo, and renders tiles as it renders the whole.
    - `render_samples` returns the pixels of `render`; `render_std`, if there is one, keeps the rules of `render`.
    - Neither uses statistics of the batch or the window, state, or random numbers, and neither changes its inputs.
    - Networks can be pickled, saved and loaded; training lowers the loss; a declared inverse inverts.

    A small network takes a second or two. torch's global random state is restored.

    Parameters
    ----------
    backbone : an object with the hyper-parameters to check, such as ``ItsBackbone()``.

    Raises
    ------
    BackboneError
        With one sentence for each broken promise, which says what to change.

    Examples
    --------
    >>> from ispfit import get_backbone
    >>> check_backbone(get_backbone("mlp")(hidden=4))
    """
    if not isinstance(backbone, Backbone):
        raise BackboneError(f"check_backbone: expected an object of a subclass of Backbone, got {backbone!r}.")
    subject = Subject(backbone)
    for stage in _STAGES:
        problems = [problem for check in stage for problem in _run(check, subject)]
        if problems:
            raise BackboneError("\n".join(f"{type(backbone).__name__}: {problem}" for problem in problems))


def _run(check: Check, subject: Subject) -> list[str]:
    found: list[str] = []
    try:
        found.extend(subject.seeded(lambda: list(check(subject))))
    except Exception as error:  # noqa: BLE001 - third-party code may raise anything
        promise = (check.__doc__ or check.__name__).strip().rstrip(".")
        found.append(f"{type(error).__name__} while checking that {promise}: {error}")
    return found
