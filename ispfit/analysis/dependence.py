"""How much of each image's rendering depends on its scene."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ispfit.analysis.frames import data_frame
from ispfit.estimator import ISPModel
from ispfit.images import check_images
from ispfit.io import read_raw
from ispfit.metrics import ciede2000_map, psnr_from_mse

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["SceneDependence", "scene_dependence"]


@dataclass(frozen=True)
class SceneDependence:
    """How far the renderings of n images spread over the scenes of the other images.

    Parameters
    ----------
    names : list of n str
        Names of the shots, or their numbers.
    rms : float64 (n,)
        Root mean square difference from the rendering with the image's own scene, over all pixels and the scenes of all
        other images, in 8-bit codes. 0 if the scene does not matter.
    psnr : float64 (n,)
        The same as a PSNR in dB, at most 100: the higher, the less the scene matters.
    ciede2000 : float64 (n,)
        Mean CIEDE2000 from the rendering with the image's own scene. 0 if the scene does not matter.
    maps : list of n float32 (H, W)
        The CIEDE2000 of each pixel, averaged over the scenes.
    """

    names: list[str]
    rms: npt.NDArray[np.float64]
    psnr: npt.NDArray[np.float64]
    ciede2000: npt.NDArray[np.float64]
    maps: list[npt.NDArray[np.float32]]

    def frame(self) -> DataFrame:
        """Return a table with one row for each image: its name, rms in codes, PSNR in dB, and CIEDE2000."""
        return data_frame({"shot": self.names, "rms": self.rms, "psnr": self.psnr, "ciede2000": self.ciede2000})


def scene_dependence(model: ISPModel, X: Any) -> SceneDependence:
    """Measure how far the rendering of each raw spreads over the scenes of the others.

    Each raw is rendered with the scene of each other one, n (n - 1) renderings in all, and compared with its rendering
    by its own scene. A backbone that does not look at the scene has no spread.

    Parameters
    ----------
    model : ISPModel
        A model that is fitted in the forward direction.
    X : sequence of raws or paths
        One or more; a single raw has no spread.

    Raises
    ------
    InputError
        If X is not a sequence of images.
    NotFittedError
        If the forward direction is not fitted.

    Examples
    --------
    >>> from ispfit import ISPModel
    >>> from ispfit.datasets import make_camera_pairs
    >>> X, Y = make_camera_pairs(3, image_size=32, random_state=0)
    >>> scene_dependence(ISPModel("parametric").fit(X, Y), X).ciede2000.tolist()
    [0.0, 0.0, 0.0]
    """
    raws = check_images(X, "X", read_raw)
    scenes = model.describe(X)
    squares, maps, names = [], [], []
    for index, raw in enumerate(raws):
        [own] = model.transform([raw])
        total, difference = 0.0, np.zeros(own.shape[:2], np.float32)
        others = [scene for number, scene in enumerate(scenes) if number != index and scene]
        for scene in others:
            [rendering] = model.transform([raw], scenes=[scene])
            total += float(np.mean(np.square(np.asarray(rendering) - own, dtype=np.float64)))
            difference += ciede2000_map(own, rendering).astype(np.float32)
        squares.append(total / max(1, len(others)))
        maps.append(np.asarray(difference / max(1, len(others)), np.float32))
        names.append(raw.shot.name or str(index))
    return SceneDependence(
        names,
        255 * np.sqrt(squares),
        np.array([psnr_from_mse(square) for square in squares]),
        np.array([each.mean(dtype=float) for each in maps]),
        maps,
    )
