"""Write the report of a model."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from os import PathLike
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from ispfit._version import __version__
from ispfit.comparison.baseline import BASELINE, Baseline
from ispfit.comparison.shots import ShotMeasures, choose_shots, estimate, measure_shots, summary_rows
from ispfit.directions import DIRECTIONS
from ispfit.errors import FileError
from ispfit.estimator import ISPModel
from ispfit.estimator.inputs import iterate_pairs
from ispfit.files import atomic_path
from ispfit.images import Image
from ispfit.pairs.record import group_by_cause
from ispfit.report.charts import ChartSample, make_charts
from ispfit.report.pictures import ERROR_SHOWN, Comparison, compare_images

__all__ = ["write_report"]

_N_EACH = 4  # shots of the worst, the median and the best that are shown with pictures
_SIZE = 720  # longer side of a picture in pixels
_PACKAGES = ("torch", "numpy", "scikit-learn", "rawpy")


@dataclass(frozen=True)
class _ShownShot:
    measures: ShotMeasures
    pictures: dict[str, Comparison]  # by direction


def write_report(
    path: str | PathLike[str],
    model: ISPModel,
    X: Sequence[Any],
    Y: Sequence[Any],
    *,
    baseline: Baseline | None = None,
    data: Mapping[str, str] | None = None,
    left_out: Sequence[str] = (),
    on_shot: Callable[[], None] = lambda: None,
) -> None:
    """Write a report on a fitted model: one HTML file that needs no network and no other file.

    It holds the PSNR in each direction with intervals, the worst, median and best shots with sliders and maps of the
    error, what the error depends on, the course of training, and what was measured on what.

    Parameters
    ----------
    path : the HTML file to write; replaced if it exists.
    model : the fitted model.
    X, Y : raws and srgbs to measure on, as in `ISPModel.fit`; they are read one by one.
    baseline : `ispfit.comparison.baseline.baseline_of` these pairs, to compare with.
    data : facts about the pairs by name, such as ``{"split": "test"}``.
    left_out : a sentence for each pair that was not used; they are shown by cause.
    on_shot : called after each shot that was measured.

    Raises
    ------
    NotFittedError
        If the model is not fitted.
    InputError
        If X or Y is not a sequence of images, or the sizes of a pair differ.
    FileError
        If the file cannot be written.
    """
    sample = ChartSample(len(X))

    def keep(raw: Image, srgb: Image, found: dict[str, Image]) -> None:
        sample.add(raw, srgb, found)
        on_shot()

    shots = measure_shots(model, X, Y, baseline, keep)
    shown = _show(model, X, Y, choose_shots(shots, _N_EACH))
    environment = Environment(loader=PackageLoader("ispfit.report"), autoescape=True, undefined=StrictUndefined)
    environment.filters |= {"db": "{:.2f}".format, "signed": "{:+.2f}".format}
    text = environment.get_template("report.html").render(
        model=model,
        title=f"{model.backbone_.name}, {model.camera_}" if model.camera_ else model.backbone_.name,
        summary=summary_rows(shots, model.backbone_.name, BASELINE if baseline else None),
        baseline=baseline,
        n_shots=len(shots),
        shown=shown,
        shots=shots,
        charts=make_charts(model, sample),
        error_shown=ERROR_SHOWN,
        directions=DIRECTIONS,
        facts=_facts(model, shots) | dict(data or {}),
        left_out=left_out,
        causes=group_by_cause(left_out),
    )
    try:
        with atomic_path(Path(path)) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except OSError as error:
        raise FileError(f"{path}: cannot be written ({error.strerror}).") from error


def _show(
    model: ISPModel, X: Sequence[Any], Y: Sequence[Any], chosen: Mapping[str, Sequence[ShotMeasures]]
) -> dict[str, list[_ShownShot]]:
    """Return the chosen shots with their pictures."""
    shown: dict[str, list[_ShownShot]] = {}
    for title, shots in chosen.items():
        shown[title] = []
        for shot in shots:
            [(raw, srgb)] = iterate_pairs([X[shot.index]], [Y[shot.index]])
            pictures = {}
            for direction in model.networks_:
                truth = srgb if direction == "forward" else raw
                found = estimate(model, direction, raw, srgb)
                pictures[direction] = compare_images(truth, found, _SIZE, linear=direction == "inverse")
            shown[title].append(_ShownShot(shot, pictures))
    return shown


def _facts(model: ISPModel, shots: Sequence[ShotMeasures]) -> dict[str, str]:
    """Return facts about the model and the pairs by name."""
    cameras = Counter(shot.shot.camera or "unknown" for shot in shots)
    styles = Counter(shot.shot.style for shot in shots if shot.shot.style)
    isos = sorted({round(shot.shot.iso) for shot in shots if shot.shot.iso})
    settings = ", ".join(f"{name}={value!r}" for name, value in model.backbone_.settings().items())
    facts = {
        "camera of the training": model.camera_ or "unknown",
        "backbone": f"{model.backbone_.name}({settings})",
        "cameras of these shots": ", ".join(f"{camera} ({n})" for camera, n in cameras.items()),
    }
    if styles:
        facts["picture styles"] = ", ".join(f"{style} ({n})" for style, n in styles.items())
    if isos:
        facts["ISO"] = f"{isos[0]} to {isos[-1]}" if len(isos) > 1 else str(isos[0])
    for direction, record in model.records_.items():
        steps = f", {record.steps} steps" if record.steps else ""
        facts[f"fit, {DIRECTIONS[direction]}"] = " ".join(
            [f"{record.n_train} pairs{steps} in {record.seconds:.0f} s.", *record.notes]
        )
    packages = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    facts["written"] = f"{datetime.now().astimezone():%Y-%m-%d %H:%M} by ispfit {__version__}"
    facts["versions"] = f"Python {platform.python_version()}, {packages}"
    return facts
