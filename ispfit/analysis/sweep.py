"""What a model does to one image while its scene is changed step by step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ispfit.analysis.exchange import Parts, mix_scenes
from ispfit.analysis.frames import data_frame
from ispfit.analysis.statistics import STATISTICS, with_statistic
from ispfit.analysis.tone import TONE_LEVELS, ColorShift, color_shift, tone_curve
from ispfit.errors import InputError
from ispfit.estimator import ISPModel
from ispfit.images import Image, ImageLike, check_images
from ispfit.io import read_raw

if TYPE_CHECKING:
    from pandas import DataFrame

    from ispfit.backbone import Scene

__all__ = ["SceneSweep", "sweep_scenes", "sweep_statistic"]

_SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
_N_VALUES = 7
_SPANS = {"mean_l": (0.03, 0.5), "contrast": (0.5, 3.0), "dark": (0.0, 0.8), "green": (0.0, 0.8)}


@dataclass(frozen=True)
class SceneSweep:
    """One image rendered with several scenes.

    Parameters
    ----------
    label : what is swept, with its unit.
    values : float64 (n,)
        The value of each scene.
    raw : Image H x W x 3
        The image that was rendered.
    own : Image H x W x 3
        Its rendering with its own scene.
    renderings : list of n Image H x W x 3
        Its renderings with the scenes.
    """

    label: str
    values: npt.NDArray[np.float64]
    raw: Image
    own: Image
    renderings: list[Image]

    @property
    def tone_curves(self) -> npt.NDArray[np.float64]:
        """The effective tone curve of each rendering, (n, 17): luma at `TONE_LEVELS`, see `tone_curve`."""
        return np.array([tone_curve(self.raw, rendering) for rendering in self.renderings])

    @property
    def color_shifts(self) -> list[ColorShift]:
        """How the colours of each rendering differ from those with the image's own scene."""
        return [color_shift(self.own, rendering) for rendering in self.renderings]

    def frame(self) -> DataFrame:
        """Return a table with one row for each scene: its value, its colour shift, and its tone curve by stops."""
        curves = {f"luma at {level:g} stops": self.tone_curves[:, i] for i, level in enumerate(TONE_LEVELS)}
        shifts = [asdict(shift) for shift in self.color_shifts]
        columns = {name: [shift[name] for shift in shifts] for name in shifts[0]}
        return data_frame({self.label: self.values, **columns, **curves})


def sweep_scenes(
    model: ISPModel,
    image: ImageLike,
    scene_from: ImageLike,
    *,
    shares: Sequence[float] = _SHARES,
    parts: Parts = None,
) -> SceneSweep:
    """Render a raw with scenes between its own and that of another raw.

    Parameters
    ----------
    model, image, scene_from, parts : as for `exchange_scene`.
    shares : how much of the other scene is in each, from 0 to 1.

    Raises
    ------
    InputError
        As from `exchange_scene`, or if there are no shares.
    """
    own, other = model.describe([image])[0], model.describe([scene_from])[0]
    scenes = [mix_scenes(model, own, other, share, parts=parts) for share in shares]
    return _swept(model, image, "share of the other scene", shares, scenes)


def sweep_statistic(
    model: ISPModel,
    image: ImageLike,
    statistic: str,
    values: Sequence[float] | None = None,
    *,
    parts: Parts = None,
) -> SceneSweep:
    """Render a raw with the scenes of raws that differ from it in one statistic.

    What is rendered stays the same. What is described is the raw, changed by `with_statistic`: so the scene is one that
    the model could meet, and all that it reads from it fits together.

    Parameters
    ----------
    model, image, parts : as for `exchange_scene`.
    statistic : {"mean_l", "contrast", "dark", "green"}
        Mean L, contrast in stops, share of dark pixels, share of green pixels; see `with_statistic`.
    values : sequence of float, optional
        Values of the statistic; by default seven that cover most photographs.

    Returns
    -------
    SceneSweep, whose values are those that the changed raws have.

    Raises
    ------
    InputError
        As from `exchange_scene` and `with_statistic`, or if there are no values.
    """
    [raw] = check_images([image], "image", read_raw).in_memory()
    if values is None:
        values = np.linspace(*_SPANS.get(statistic, (0, 1)), _N_VALUES).tolist()
    changed = [with_statistic(raw, statistic, value) for value in values]
    own, *others = model.describe([raw, *changed])
    scenes = [mix_scenes(model, own, other, 1.0, parts=parts) for other in others]
    measured = [STATISTICS[statistic].of(np.asarray(each)) for each in changed]
    return _swept(model, raw, STATISTICS[statistic].label, measured, scenes)


def _swept(model: ISPModel, image: Any, label: str, values: Sequence[float], scenes: Sequence[Scene]) -> SceneSweep:
    if not scenes:
        raise InputError(f"expected at least one value of the {label}, got none.")
    [raw] = check_images([image], "image", read_raw).in_memory()
    [own] = model.transform([raw])
    return SceneSweep(label, np.array(values, float), raw, own, model.transform([raw] * len(scenes), scenes=scenes))
