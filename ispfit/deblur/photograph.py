"""Deblur a photograph where blur happens: derender it, deblur the raw, render it (Nam & Kim 2017, section 5.4)."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ispfit.color import BT601_LUMA
from ispfit.deblur.blind import DEFAULT_PRIOR, ScaleRecord, estimate_kernel
from ispfit.deblur.deconvolution import deconvolve_light
from ispfit.deblur.kernels import Kernel, check_kernel
from ispfit.deblur.noise import noise_of
from ispfit.errors import InputError, InputWarning
from ispfit.images import FloatImage, Image, check_image

__all__ = ["SCENES", "SPACES", "CameraModel", "Deblurred", "deblur"]

SPACES = ("raw", "srgb")
SCENES = ("blurred", "deblurred")

_CLIPPED = 0.99  # value of an srgb from which it counts as clipped
_WHITE_QUANTILE = 0.995  # of the luma of a raw that is scaled to 1 for the deconvolution, whose weights expect that
_SHARP_PX = 1.3  # spread of a kernel, rms, below which it is none: photographs that are sharp have up to that
_NOISY = 0.05  # standard deviation of the noise above which a kernel is hardly found


class CameraModel(Protocol):
    """What `deblur` needs of a model: an `ispfit.ISPModel` that is fitted in both directions has it."""

    camera_: str | None

    def inverse_transform(self, Y: Any) -> list[Image]: ...
    def transform(self, X: Any, scenes: Any = None) -> list[Image]: ...
    def describe(self, X: Any) -> list[Any]: ...


@dataclass(frozen=True)
class Deblurred:
    """A deblurred photograph.

    Parameters
    ----------
    image : the sharp srgb, float32 H x W x 3 in [0, 1].
    kernel : the kernel that was found or given.
    record : how the kernel was found, scale by scale; empty if it was given.
    changed : False if no blur was found and the image was returned as it was.
    """

    image: Image
    kernel: Kernel
    record: list[ScaleRecord]
    changed: bool


def deblur(
    image: FloatImage,
    model: CameraModel | None = None,
    *,
    space: str = "raw",
    kernel_size: int = 25,
    kernel: npt.NDArray[np.floating] | None = None,
    prior: str = DEFAULT_PRIOR,
    region: Sequence[int] | None = None,
    scene: str = "blurred",
    tv: float | None = None,
    device: str = "auto",
    verbose: int = 0,
) -> Deblurred:
    """Take the blur of a moving camera out of a photograph.

    Parameters
    ----------
    image : float32 H x W x 3 in [0, 1], srgb.
    model : a fitted `ispfit.ISPModel` of the camera; not needed in ``"srgb"`` space.
    space : where to deblur: ``"raw"`` derenders the photograph, deblurs the linear raw and renders it; ``"srgb"``
        deblurs the photograph as it is.
    kernel_size : side of the kernel in pixels, odd; somewhat larger than the blur.
    kernel : the kernel, if it is known; it is then not searched for.
    prior, region : as for `estimate_kernel`.
    scene : what the model renders with: the scene of the ``"blurred"`` raw or of the ``"deblurred"`` one.
    tv : weight of the total variation, as for `deconvolve`; None takes more for a noisy photograph.
    device : ``"auto"``, ``"cpu"``, ``"cuda"``, ...; the model has one of its own.
    verbose : 1 shows a progress bar on a terminal.

    Returns
    -------
    Deblurred. In ``"raw"`` space the photograph gets what deblurring changes in its rendering, so that errors of the
    model do not show where nothing changes. Values that are clipped stay as they are.

    Warns
    -----
    InputWarning
        If no blur is found, the photograph is very noisy, or the model is that of another camera.

    Raises
    ------
    InputError
        If a parameter is not as above.
    """
    photo = check_image(image, "image")
    _check_choices(space, scene, model)
    _warn_of(photo, model if space == "raw" else None)
    over = np.asarray(photo) >= _CLIPPED
    source = photo if space == "srgb" or model is None else model.inverse_transform([photo])[0]
    gain = 1.0 if source is photo else _gain(source)
    light = np.asarray(source) * np.float32(gain)
    record: list[ScaleRecord] = []
    if kernel is None:
        # Not the scaled raw: in a darker picture fewer gradients are strong, and kernels were found better.
        found = estimate_kernel(source, kernel_size, prior=prior, region=region, device=device, verbose=verbose)
        weights, record = found.kernel, found.record
        if _spread(weights) < _SHARP_PX:
            _warn(
                "no blur was found: the photograph is returned as it was; pass kernel= if you know how it is blurred."
            )
            return Deblurred(photo, weights, record, False)
    else:
        weights = check_kernel(kernel)
    sharp = deconvolve_light(light, weights, over, tv=tv, device=device)
    if source is not photo and model is not None:
        raw = Image(np.clip(sharp / np.float32(gain), 0, 1), source.shot)
        sharp = np.asarray(photo) + _change(model, source, raw, scene)
    return Deblurred(Image(np.where(over, photo, np.clip(sharp, 0, 1)), photo.shot), weights, record, True)


def _change(model: CameraModel, before: Image, after: Image, scene: str) -> FloatImage:
    """Return how the rendering of a raw changes with the raw."""
    own = model.describe([before])
    [old] = model.transform([before], own)
    [new] = model.transform([after], own if scene == "blurred" else None)
    return np.asarray(new) - np.asarray(old)


def _gain(raw: Image) -> float:
    """Return the factor that makes the bright parts of a raw white."""
    white = float(np.quantile(np.asarray(raw) @ BT601_LUMA, _WHITE_QUANTILE))
    return 1 / white if white > 0 else 1.0


def _spread(kernel: Kernel) -> float:
    """Return the rms distance of a kernel from its centre of mass, in pixels."""
    places = np.indices(kernel.shape)
    centre = (kernel * places).sum((1, 2))
    return float(np.sqrt((kernel * ((places - centre[:, None, None]) ** 2).sum(0)).sum()))


def _check_choices(space: str, scene: str, model: CameraModel | None) -> None:
    if space not in SPACES:
        raise InputError(f"space: expected 'raw' or 'srgb', got {space!r}.")
    if scene not in SCENES:
        raise InputError(f"scene: expected 'blurred' or 'deblurred', got {scene!r}.")
    if space == "raw" and model is None:
        raise InputError("model: expected a fitted ISPModel to deblur in raw space, got None; or pass space='srgb'.")


def _warn_of(photo: Image, model: CameraModel | None) -> None:
    """Warn of a model of another camera, and of noise."""
    camera = photo.shot.camera
    if model is not None and camera and model.camera_ and camera != model.camera_:
        _warn(f"the photograph is from {camera}, the model of {model.camera_}: its raw will be wrong.")
    if (noise := noise_of(np.asarray(photo))) > _NOISY:
        _warn(
            f"the photograph has noise of {noise:.2f} (1 is white), and kernels are hardly found above {_NOISY:g}; "
            "make it smaller first."
        )


def _warn(message: str) -> None:
    warnings.warn(message, InputWarning, stacklevel=4)
