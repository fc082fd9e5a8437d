"""Whether scene exchange shows what a camera would do, where the truth is known, and what the paper found with it.

    python benchmarks/accuracy/scene_exchange.py -o OUTPUT CAMERA ... [--backbones photofinish,histpyramid] [--pairs 60]

A camera is what `ispfit compare` takes. Backbones are fitted to its training pairs with the seed 0; fitted models are
kept. A virtual camera can itself render a test shot B with what its auto mode decides on another one, A. For `--pairs`
pairs of test shots, its change of B is compared with the model's: of the mean luma of all pixels, of the darkest and of
the brightest quarter, in 8-bit codes, and of the mean chroma C*. The paper's finding, that the scene of a high-contrast
picture brightens shadows and darkens highlights, is tested on every camera: each test shot is rendered with the scenes
of itself at low and at high contrast, and the shots of the lowest contrast with the scenes of those of the highest.
Prints tables, and writes them and the figures to OUTPUT. Figures 6 and 7 exchange the whole scene of a virtual camera,
and of others the luminance and the chrominance alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import click
import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from ispfit.analysis import STATISTICS, SceneSweep, mix_scenes, scene_parts, with_statistic
from ispfit.backbone import Scene
from ispfit.cli import run
from ispfit.cli.compare import budgets_of, chosen_backbones
from ispfit.cli.compare_options import backbone_options, budget_options, pair_set_options
from ispfit.cli.options import device_options
from ispfit.color import BT601_LUMA
from ispfit.comparison import Budget, markdown_table, plan_runs, prepare_pair_sets
from ispfit.displays import SceneExchangeDisplay, ToneCurveDisplay
from ispfit.estimator import ISPModel
from ispfit.images import FloatImage, Image
from ispfit.synthetic import CAMERAS

QUANTITIES = ("luma of all pixels", "luma of shadows", "luma of highlights", "chroma C*")
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")  # M. Okabe and K. Ito, 2008
LOW, HIGH = 0.8, 2.5  # contrast of the scenes of the finding, stops
_SMALL = 0.5  # change, in codes or units of C*, below which its sign says nothing

_Array: TypeAlias = npt.NDArray[np.float64]
Render: TypeAlias = Callable[[int, FloatImage], FloatImage]
"""Renders the test shot of a number with the scene of a raw."""


class Exchanger:
    """Renders test shots with the scenes of other raws, by a fitted model."""

    def __init__(self, model: ISPModel, raws: Sequence[FloatImage], parts: Sequence[str] | None = None) -> None:
        self.model, self.raws, self.parts = model, raws, parts
        self._scenes: list[Scene] = model.describe(raws)

    def __call__(self, shot: int, scene_from: FloatImage) -> FloatImage:
        [other] = self.model.describe([scene_from])
        scene = mix_scenes(self.model, self._scenes[shot], other, 1.0, parts=self.parts)
        return np.asarray(self.model.transform([self.raws[shot]], scenes=[scene])[0])


def changes(raw: FloatImage, before: FloatImage, after: FloatImage) -> list[float]:
    """Return how an srgb changed: the `QUANTITIES`; shadows and highlights are the quarters of the raw by L."""
    from skimage.color import rgb2lab

    light = raw.mean(2)
    change = 255 * (after - before) @ BT601_LUMA
    shadows, highlights = light <= np.quantile(light, 0.25), light >= np.quantile(light, 0.75)
    chroma = [float(np.hypot(*np.moveaxis(rgb2lab(image)[..., 1:], 2, 0)).mean()) for image in (before, after)]
    found = (change.mean(), change[shadows].mean(), change[highlights].mean(), chroma[1] - chroma[0])
    return [float(value) for value in found]


def pairs_of(n_shots: int, n_pairs: int) -> list[tuple[int, int]]:
    """Return pairs (B, A) of different shots, each shot about as often as any other."""
    shifted = [(shot, (shot + shift) % n_shots) for shift in range(1, n_shots) for shot in range(n_shots)]
    return shifted[:n_pairs]


def measured(render: Render, raws: Sequence[FloatImage], pairs: Sequence[tuple[int, int]]) -> _Array:
    """Return the changes of each pair, (n_pairs, 4)."""
    own = {shot: render(shot, raws[shot]) for shot in {shot for shot, _ in pairs}}
    return np.array([changes(raws[shot], own[shot], render(shot, raws[other])) for shot, other in pairs])


def agreement(truth: _Array, found: _Array) -> tuple[float, float, float, float]:
    """Return correlation, slope of found by true changes, share of equal signs, and rms of the differences.

    Signs are those of the pairs whose true change is not small.
    """
    large = np.abs(truth) > _SMALL
    signs = float(np.mean(np.sign(truth[large]) == np.sign(found[large]))) if large.any() else np.nan
    slope = float(truth @ found / (truth @ truth))
    return float(np.corrcoef(truth, found)[0, 1]), slope, signs, float(np.sqrt(np.mean((found - truth) ** 2)))


def agreement_rows(name: str, truth: _Array, found: _Array) -> Iterator[list[str]]:
    for column, quantity in enumerate(QUANTITIES):
        correlation, slope, signs, rms = agreement(truth[:, column], found[:, column])
        size = np.sqrt(np.mean(truth[:, column] ** 2))
        numbers = (f"{size:.1f}", f"{rms:.1f}", f"{correlation:.2f}", f"{slope:.2f}", f"{100 * signs:.0f} %")
        yield [name, quantity, *numbers]


def finding_rows(name: str, render: Render, raws: Sequence[FloatImage]) -> Iterator[list[str]]:
    """Yield what scenes of high contrast do to shadows and highlights, by a sweep and by exchange."""
    sweep = []
    for shot, raw in enumerate(raws):
        low, high = (render(shot, np.asarray(with_statistic(raw, "contrast", value))) for value in (LOW, HIGH))
        sweep.append(changes(raw, low, high))
    order = np.argsort([STATISTICS["contrast"].of(raw) for raw in raws])
    quarter = max(1, len(raws) // 4)
    pairs = [(int(shot), int(other)) for shot in order[:quarter] for other in order[-quarter:]]
    for what, found in (
        (f"contrast {LOW} to {HIGH} stops", np.array(sweep)),
        ("scenes of the highest contrast", measured(render, raws, pairs)),
    ):
        cells = [
            f"{found[:, column].mean():+.1f} ({100 * np.mean(sign * found[:, column] > 0):.0f} % {way})"
            for column, sign, way in ((1, 1, "brighter"), (2, -1, "darker"))
        ]
        yield [name, what, str(len(found)), *cells]


def plot(truth: _Array, found: dict[str, _Array]) -> Figure:
    """Draw the model's change against the camera's, a panel for each quantity and a colour for each backbone."""
    figure = Figure(figsize=(13, 3.6), layout="constrained")
    for column, axis in enumerate(figure.subplots(1, len(QUANTITIES))):
        values = np.concatenate([truth[:, column], *(each[:, column] for each in found.values())])
        ends = [values.min(), values.max()]
        axis.plot(ends, ends, color="#999999", linewidth=1)
        for color, (name, each) in zip(COLORS, found.items(), strict=False):
            axis.scatter(truth[:, column], each[:, column], s=14, color=color, alpha=0.7, label=name)
        axis.set_title(QUANTITIES[column], fontsize=10)
        axis.set_xlabel("change by the camera, " + ("C*" if column == 3 else "codes"))
        axis.grid(alpha=0.3)
    figure.axes[0].set_ylabel("change by the model")
    figure.axes[0].legend(frameon=False, fontsize=8)
    return figure


def draw_figures(
    folder: Path, camera: str, number: int, renders: dict[str, Render], raws: Sequence[FloatImage]
) -> None:
    """Draw figure 6 or 7 of the paper: with the scene of the highest contrast, or with the one with the most green."""
    contrast, green = ([STATISTICS[name].of(raw) for raw in raws] for name in ("contrast", "green"))
    colorful = [(raw.max(2) - raw.min(2)).mean() / (raw.mean() + 1e-3) for raw in raws]
    other = int(np.argmax(contrast if number == 6 else green))
    colorful[other] = 0
    shot = int(np.argmin(contrast) if number == 6 else np.argmax(colorful))
    for name, render in renders.items():
        own, exchanged = render(shot, raws[shot]), render(shot, raws[other])
        axes = Figure(figsize=(11.7, 5.8), layout="constrained").subplots(2, 3)
        display = SceneExchangeDisplay(raws[shot], raws[other], own, exchanged, number == 7).plot(axes)
        display.figure_.savefig(folder / f"figure{number}-{camera}-{name}.jpg", dpi=80)


def plot_sweeps(renders: dict[str, Render], raws: Sequence[FloatImage]) -> Figure:
    """Draw the tone curves of the shot of median contrast, in scenes of low to high contrast, a panel for each."""
    of = STATISTICS["contrast"]
    shot = int(np.argsort([of.of(raw) for raw in raws])[len(raws) // 2])
    figure = Figure(figsize=(5.2 * len(renders), 3.8), layout="constrained")
    scenes = [np.asarray(with_statistic(raws[shot], "contrast", value)) for value in np.linspace(LOW, HIGH, 6)]
    values = np.array([of.of(scene) for scene in scenes])
    for axis, (name, render) in zip(figure.subplots(1, len(renders), squeeze=False)[0], renders.items(), strict=True):
        raw, own = Image(raws[shot]), Image(render(shot, raws[shot]))
        swept = SceneSweep(of.label, values, raw, own, [Image(render(shot, scene)) for scene in scenes])
        ToneCurveDisplay.from_sweep(swept, ax=axis)
        axis.set_title(name, fontsize=10)
    return figure


def camera_renders(name: str, raws: Sequence[FloatImage]) -> Render | None:
    """Return what a virtual camera does; None for another camera."""
    cameras = {model.lower().replace(" ", "-"): camera for model, camera in CAMERAS.items()}
    if name not in cameras:
        return None
    return lambda shot, scene_from: cameras[name].render(raws[shot], scene_from=scene_from)


def global_parts(model: ISPModel) -> list[str]:
    """Return the parts of a scene that hold for the whole image."""
    return [part for part in scene_parts(model) if part.endswith("/global")]


@click.command(help=__doc__)
@click.argument("cameras", nargs=-1, required=True)
@click.option("--pairs", "n_pairs", type=click.IntRange(2), default=60, show_default=True, help="Exchange N pairs.")
@backbone_options("photofinish,histpyramid")
@pair_set_options
@budget_options(max_steps=300, learning_rate=3e-3, batch_size=8, windows_per_image=4)
@device_options
def scene_exchange(
    cameras: tuple[str, ...],
    n_pairs: int,
    backbones: str,
    settings: tuple[str, ...],
    output: Path,
    seconds: float | None,
    n_samples: int,
    image_size: int,
    no_register: bool,
    device: str,
    **parameters: Any,
) -> None:
    families, rates = chosen_backbones(backbones, settings)
    budgets = budgets_of(Budget(parameters, seconds), families, rates)
    (output / "models").mkdir(parents=True, exist_ok=True)
    text = []
    for pair_set in prepare_pair_sets(cameras, output / "data", n_samples, image_size, register=not no_register):
        models = {
            planned.label: planned.fitted_model(output / "models")
            for planned in plan_runs([pair_set], families, budgets, device=device)
        }
        raws = [np.asarray(raw) for raw in pair_set.load()[1][0]]
        for table in tables(output, pair_set.name, models, raws, n_pairs):
            print(table, flush=True)
            text.append(table)
    (output / "scene-exchange.md").write_text("\n".join(text), encoding="utf-8")


def tables(
    output: Path, camera: str, models: dict[str, ISPModel], raws: Sequence[FloatImage], n_pairs: int
) -> Iterator[str]:
    """Draw the figures of a camera, and yield its tables."""
    truth = camera_renders(camera, raws)
    renders: dict[str, Render] = {name: Exchanger(model, raws) for name, model in models.items()}
    if truth:
        pairs = pairs_of(len(raws), n_pairs)
        changed, found, rows = measured(truth, raws, pairs), {}, []
        for name, model in models.items():
            found[name] = measured(renders[name], raws, pairs)
            rows += agreement_rows(name, changed, found[name])
            in_part = measured(Exchanger(model, raws, global_parts(model)), raws, pairs)
            rows += agreement_rows(f"{name}, global parts", changed, in_part)
        plot(changed, found).savefig(output / f"agreement-{camera}.png", dpi=80)
        header = [f"{camera}, {len(pairs)} pairs", "change of", "rms by the camera", "rms error", "correlation"]
        yield markdown_table([*header, "slope", "equal signs"], rows)
    everyone = ({"camera": truth} if truth else {}) | renders
    rows = [row for name, render in everyone.items() for row in finding_rows(name, render, raws)]
    yield markdown_table([camera, "scene", "renderings", "shadows, codes", "highlights, codes"], rows)
    for number, part in ((6, "luminance"), (7, "chrominance")):
        shown = everyone if truth else {name: Exchanger(model, raws, [part]) for name, model in models.items()}
        draw_figures(output, camera, number, shown, raws)
    plot_sweeps(everyone, raws).savefig(output / f"sweep-{camera}.png", dpi=80)


if __name__ == "__main__":
    run(scene_exchange)
