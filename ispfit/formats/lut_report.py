"""Measure what a LUT loses of the model it was made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np

from ispfit.estimator import ISPModel
from ispfit.formats.bake import LutSpace, bake_lut
from ispfit.formats.lut import Interpolation, Lut
from ispfit.images import FloatImage
from ispfit.metrics import ciede2000, psnr

__all__ = ["LutLoss", "measure_lut"]

_MAX_OWN_NODES = 65  # a LUT for each shot's own scene takes too long beyond


@dataclass(frozen=True)
class LutLoss:
    """How close a LUT is to its model and to the camera: means over the shots.

    PSNR is that of the model's output in dB. CIEDE2000 is that of srgb; for the inverse direction, of the raws
    developed by the camera's matrix, without tone curve.

    Parameters
    ----------
    interpolation : how the LUT was looked up.
    psnr, ciede2000 : LUT against model.
    own_psnr, own_ciede2000 : the same for a LUT of each shot's own scene, whose loss is that of the table alone; None
        if it was not measured.
    camera_psnr, model_camera_psnr : PSNR of the LUT and of the model against the camera.
    """

    interpolation: Interpolation
    psnr: float
    ciede2000: float
    own_psnr: float | None
    own_ciede2000: float | None
    camera_psnr: float
    model_camera_psnr: float


def measure_lut(
    model: ISPModel, lut: Lut, space: LutSpace, inputs: Sequence[FloatImage], targets: Sequence[FloatImage]
) -> list[LutLoss]:
    """Compare a LUT with its model on shots that neither has seen, for each way of interpolation.

    Parameters
    ----------
    model : the model that `lut` was made of, see `bake_lut`.
    space : the encodings of the LUT.
    inputs, targets : raws and srgbs, or srgbs and raws for the inverse direction.
    """
    rows: dict[Interpolation, list[list[float]]] = {way: [] for way in get_args(Interpolation)}
    for image, target in zip(inputs, targets, strict=True):
        source, truth = np.asarray(image, np.float32), np.asarray(target, np.float32)
        render = model.transform if space.direction == "forward" else model.inverse_transform
        reference = np.asarray(render([source])[0])
        luts = [lut]
        if lut.size <= _MAX_OWN_NODES:
            luts.append(bake_lut(model, [source], space, size=lut.size, shaper=lut.shaper is not None))
        encoded = space.encode_input(source)
        for way, losses in rows.items():
            found = [space.decode_output(each.apply(encoded, way)) for each in luts]
            against_model = [value for each in found for value in _losses(reference, each, space)]
            losses.append([psnr(truth, found[0]), psnr(truth, reference), *against_model])
    return [_mean(way, losses) for way, losses in rows.items()]


def _losses(reference: FloatImage, found: FloatImage, space: LutSpace) -> tuple[float, float]:
    shown = [each if space.direction == "forward" else space.develop(each) for each in (reference, found)]
    return psnr(reference, found), ciede2000(*shown)


def _mean(way: Interpolation, losses: Sequence[Sequence[float]]) -> LutLoss:
    camera, model_camera, value, difference, *own = np.mean(losses, axis=0).tolist()
    own_value, own_difference = own or (None, None)
    return LutLoss(way, value, difference, own_value, own_difference, camera, model_camera)
