"""Whether deblurring in raw space beats deblurring the JPEG (Nam & Kim 2017, section 5.4 and figure 8).

    python benchmarks/accuracy/deblur_raw.py -o OUTPUT CAMERA ... [--pairs 30]

A camera is what `ispfit compare` takes. Models are fitted to its training pairs. Its sharp test raws are blurred in
linear light, get noise, and are rendered to 8-bit JPEGs by a rendering that is known: that of the virtual camera, or,
of other cameras, a photofinish model that is fitted to the test pairs. The JPEGs are then deblurred as they are, in
their true raw, in the raw that each model recovers, and after the inverse of the sRGB curve alone. All use the same way
back, the known rendering's or the model's own. Prints PSNR and SSIM against the sharp rendering, kernel similarity, and
differences to the sRGB space, pair by pair, with 95 % bootstrap intervals; writes them to OUTPUT/deblur_raw.md, and a
figure like figure 8 to OUTPUT/deblur_raw.jpg.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import click
import numpy as np
import numpy.typing as npt
from deblur import make_kernel, middle, scores
from matplotlib.figure import Figure
from PIL import Image as PILImage

import ispfit
from ispfit import ISPModel
from ispfit.cli import run
from ispfit.cli.compare_options import pair_set_options
from ispfit.color import linear_to_srgb, srgb_to_linear
from ispfit.comparison import PairSet, markdown_table, prepare_pair_sets
from ispfit.deblur import Deblurred, blur, deblur, kernel_similarity
from ispfit.images import Image
from ispfit.synthetic import CAMERAS

BACKBONES = ("photofinish", "parametric", "mlp", "histpyramid")
TRAINING: dict[str, Any] = {"max_steps": 300, "batch_size": 4, "windows_per_image": 8, "learning_rate": 3e-3}
MARGIN = 16  # that is cut off, so that borders are true ones
SHOT_NOISE, READ_NOISE = 2e-5, 3e-4  # variance per signal, and standard deviation
QUALITY = 95
SRGB, TRUE, CURVE = "srgb", "true raw", "sRGB curve"

_Array: TypeAlias = npt.NDArray[Any]


class Known:
    """A camera whose raw and rendering are known: what `ispfit.deblur.deblur` takes for a model."""

    camera_ = None

    def __init__(self, render: Any, raw: Image) -> None:
        self._render, self._raw = render, raw

    def inverse_transform(self, Y: Any) -> list[Image]:
        return [self._raw]

    def transform(self, X: Any, scenes: Any = None) -> list[Image]:
        return [Image(self._render(each, scenes)) for each in X]

    def describe(self, X: Any) -> list[Any]:
        return [self._raw]


class Curve:
    """The sRGB curve as a model of a camera."""

    camera_ = None

    def inverse_transform(self, Y: Any) -> list[Image]:
        return [Image(srgb_to_linear(np.asarray(each))) for each in Y]

    def transform(self, X: Any, scenes: Any = None) -> list[Image]:
        return [Image(linear_to_srgb(np.asarray(each))) for each in X]

    def describe(self, X: Any) -> list[Any]:
        return [None]


@dataclass
class Shot:
    """A sharp rendering, what blur makes of raw and rendering, and the ways to deblur it."""

    sharp: _Array
    photo: Image
    raw: Image
    kernel: _Array
    size: int
    render: Any
    results: dict[str, Deblurred] = field(default_factory=dict)


def jpeg(srgb: _Array) -> Image:
    """Return a rendering after 8 bits and a JPEG file."""
    file = io.BytesIO()
    codes = np.rint(np.clip(srgb, 0, 1) * 255).astype(np.uint8)
    PILImage.fromarray(codes).save(file, "JPEG", quality=QUALITY, subsampling=0)
    return Image(np.asarray(PILImage.open(file), np.float32) / 255)


def known_rendering(pair_set: PairSet) -> Any:
    """Return a function of a raw and of the scene's raw (or None) that renders as the camera does."""
    by_name = {camera.model.lower().replace(" ", "-"): camera for camera in CAMERAS.values()}
    if pair_set.name in by_name:
        camera = by_name[pair_set.name]
        return lambda raw, scene: camera.render(np.asarray(raw))
    model = ISPModel("photofinish", direction="forward", random_state=1).fit(*pair_set.load()[1])
    return lambda raw, scene: model.transform([raw], model.describe(scene) if scene else None)[0]


def make_shot(raw: Image, number: int, render: Any) -> Shot:
    kernel, size = make_kernel(number)
    rng = np.random.default_rng(number)
    seen = np.asarray(blur(raw, kernel))
    seen = seen + np.sqrt(SHOT_NOISE * seen + READ_NOISE**2) * rng.normal(size=seen.shape)
    inside = (slice(MARGIN, -MARGIN), slice(MARGIN, -MARGIN))
    blurred = Image(np.clip(seen, 0, 1).astype(np.float32)[inside], raw.shot)
    return Shot(render(raw[inside], None), jpeg(render(blurred, None)), blurred, kernel, size, render)


def fit_models(pair_set: PairSet, folder: Path) -> dict[str, Any]:
    """Return the models by backbone; those that an earlier run has fitted are loaded."""
    folder.mkdir(parents=True, exist_ok=True)
    models = {}
    for name in BACKBONES:
        path = folder / f"{name}.ispfit"
        if not path.exists():
            ISPModel(name, random_state=0, **TRAINING).fit(*pair_set.load()[0]).save(path)
        models[name] = ispfit.load(path)
    return models


def deblur_all(shot: Shot, models: dict[str, Any], prior: str) -> dict[str, Deblurred]:
    options: dict[str, Any] = {"kernel_size": shot.size, "prior": prior}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = {SRGB: deblur(shot.photo, space="srgb", **options)}
        ways = {TRUE: Known(shot.render, shot.raw)} | models | {CURVE: Curve()}
        for name, model in ways.items():
            found[name] = deblur(shot.photo, model, **options)
        for name in (TRUE, BACKBONES[0]):
            found[f"{name}, scene of the deblurred raw"] = deblur(
                shot.photo, ways[name], kernel=found[name].kernel, scene="deblurred"
            )
        found[f"{SRGB}, true kernel"] = deblur(shot.photo, space="srgb", kernel=shot.kernel)
        for name in (TRUE, BACKBONES[0]):
            found[f"{name}, true kernel"] = deblur(shot.photo, ways[name], kernel=shot.kernel)
    return found


def interval(differences: _Array) -> str:
    """Return a mean and its 95 % bootstrap interval."""
    rng = np.random.default_rng(0)
    means = rng.choice(differences, (2000, len(differences))).mean(1)
    low, high = np.quantile(means, [0.025, 0.975])
    return f"{differences.mean():+.2f} [{low:+.2f}, {high:+.2f}]"


def table(shots: Sequence[Shot]) -> str:
    figures = {
        name: np.array(
            [
                (
                    *scores(shot.sharp, shot.results[name].image),
                    kernel_similarity(shot.kernel, shot.results[name].kernel),
                )
                for shot in shots
            ]
        )
        for name in shots[0].results
    }
    blurred = np.array([scores(shot.sharp, shot.photo) for shot in shots])
    rows = [["blurred", *(f"{value:.{2 + index}f}" for index, value in enumerate(blurred.mean(0))), "", "", "", ""]]
    for name, values in figures.items():
        against = figures[f"{SRGB}, true kernel" if "true kernel" in name else SRGB]
        difference = values[:, 0] - against[:, 0]
        cells = [f"{values[:, 0].mean():.2f}", f"{values[:, 1].mean():.3f}", f"{np.median(values[:, 2]):.3f}"]
        wins = f"{int((difference > 0).sum())} of {len(shots)}" if values is not against else ""
        rows.append(
            [name, *cells, interval(difference) if wins else "", wins, f"{int((values[:, 0] < blurred[:, 0]).sum())}"]
        )
    header = [
        "deblurred in",
        "PSNR, dB",
        "SSIM",
        "kernel similarity, median",
        "PSNR less that of sRGB, dB",
        "better in",
    ]
    return markdown_table([*header, "worse than blurred"], rows)


def figure(shots: Sequence[Shot], names: Sequence[str]) -> Figure:
    """Draw a row for each shot: sharp, blurred, deblurred in each space, with true and found kernels inset."""
    drawn = Figure(figsize=(3 * (2 + len(names)), 3.1 * len(shots)), layout="constrained")
    axes = drawn.subplots(len(shots), 2 + len(names), squeeze=False)
    for row, shot in zip(axes, shots, strict=True):
        panels = {"sharp": (shot.sharp, None), "blurred": (shot.photo, shot.kernel)}
        panels |= {name: (shot.results[name].image, shot.results[name].kernel) for name in names}
        for axis, (name, (picture, kernel)) in zip(row, panels.items(), strict=True):
            axis.imshow(np.asarray(picture))
            gain = "" if name == "sharp" else f", {scores(shot.sharp, picture)[0]:.1f} dB"
            axis.set_title(f"{name}{gain}", fontsize=10)
            axis.set_axis_off()
            if kernel is not None:
                inset = axis.inset_axes((0.0, 0.0, 0.24, 0.24))
                inset.imshow(kernel, cmap="gray")
                inset.set_axis_off()
    return drawn


@click.command(help=__doc__)
@click.argument("cameras", nargs=-1, required=True)
@click.option("--pairs", "n_pairs", type=click.IntRange(1), default=30, show_default=True, help="Blur so many raws.")
@click.option("--side", type=click.IntRange(96), default=224, show_default=True, help="Use so many pixels of each raw.")
@click.option("--prior", default="gradient", show_default=True, help="Find kernels with this prior.")
@pair_set_options
def deblur_raw(
    cameras: Sequence[str],
    n_pairs: int,
    side: int,
    prior: str,
    output: Path,
    n_samples: int,
    image_size: int,
    no_register: bool,
) -> None:
    output.mkdir(parents=True, exist_ok=True)
    texts = []
    for pair_set in prepare_pair_sets(cameras, output / "data", n_samples, image_size, register=not no_register):
        models, render = fit_models(pair_set, output / pair_set.name), known_rendering(pair_set)
        raws = [Image(middle(np.asarray(raw), side + 2 * MARGIN), raw.shot) for raw in pair_set.load()[1][0]]
        shots = [make_shot(raws[number % len(raws)], number, render) for number in range(n_pairs)]
        for number, shot in enumerate(shots):
            shot.results = deblur_all(shot, models, prior)
            print(f"{pair_set.name}: {number + 1} of {n_pairs}", flush=True)
        texts.append(f"## {pair_set.name}\n\n{table(shots)}")
        print(texts[-1], flush=True)
        best = sorted(shots, key=lambda shot: -kernel_similarity(shot.kernel, shot.results[TRUE].kernel))[:3]
        drawn = figure(best, [SRGB, BACKBONES[0], TRUE])
        drawn.savefig(output / f"{pair_set.name}.jpg", dpi=80, pil_kwargs={"quality": 90})
    (output / "deblur_raw.md").write_text("\n".join(texts), encoding="utf-8")


if __name__ == "__main__":
    run(deblur_raw)
