"""Bringing the two images of a shot onto one pixel grid: register, resample, crop, reduce."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ispfit.errors import InputError
from ispfit.images import Image
from ispfit.registration.geometry import LensTransform, pixel_grid, resample
from ispfit.registration.register import MAX_RESIDUAL, WORKING_SIZE, Registration, register
from ispfit.resize import reduce_image

__all__ = ["AlignedPair", "Tolerances", "align_pair"]

_SPARE = 2  # times the wanted size at which images are resampled, so that interpolation does not blur the result
_NO_SHIFT = 0.1  # px at working size: below it registration cannot tell a shift from none


@dataclass(frozen=True)
class Tolerances:
    """What a pair must come up to, or it is rejected.

    Parameters
    ----------
    max_residual : expected error of the registration, rms in pixels at working resolution.
    min_overlap : share of the srgb that the raw shows too.
    """

    max_residual: float = MAX_RESIDUAL
    min_overlap: float = 0.5


@dataclass(frozen=True)
class AlignedPair:
    """What came of a pair.

    Parameters
    ----------
    raw, srgb : images of one shape, on one pixel grid; None if the pair was rejected.
    reason : why it was rejected, else empty.
    registration : how srgb pixels map to raw pixels, of the images as they were registered.
    resampled : "raw", "srgb" or "", which of them was interpolated.
    zoom : how many times as much of the scene's width the srgb shows as the largest box of its proportions in the raw.
    """

    raw: Image | None
    srgb: Image | None
    reason: str
    registration: Registration
    resampled: str = ""
    zoom: float = 1.0


def align_pair(
    raw: Image, srgb: Image, size: int | tuple[int, int] | None = None, tolerances: Tolerances | None = None
) -> AlignedPair:
    """Register the two images of a shot, resample the one that loses less, and crop both to what they share.

    Nothing is interpolated where registration finds that the two lie on one grid already, but for their sizes. Else
    the image of the finer grid is resampled onto the coarser one, the raw where they are equal: it lacks the JPEG's
    sharpening and blocks, and it is in linear light.

    Parameters
    ----------
    raw, srgb : float32 H x W x 3 in [0, 1], upright; their sizes may differ.
    size : of the result, (height, width) or one number for a square, by area averaging in linear light of the middle of
        what the two share; None keeps all of it, at the coarser of their resolutions.
    tolerances : see `Tolerances`.
    """
    tolerances = tolerances or Tolerances()
    target = (size, size) if isinstance(size, int) else size
    raw, srgb = (_spared(image, target, linear) for image, linear in ((raw, True), (srgb, False)))
    found = register(raw, srgb, max_residual=tolerances.max_residual)
    zoom = found.transform.scale / LensTransform.centred(srgb.shape, raw.shape).scale
    reason = _refusal(found, tolerances)
    if reason:
        return AlignedPair(None, None, reason, found, zoom=zoom)
    raw, srgb, valid, resampled = _on_one_grid(raw, srgb, found.transform)
    box = _largest_box(valid, target or valid.shape)
    height, width = (side.stop - side.start for side in box)
    if target is not None and (height < target[0] or width < target[1]):
        reason = (
            f"the raw and the srgb share {width} x {height} pixels, fewer than the {target[1]} x {target[0]} that were "
            "asked for; take a smaller size"
        )
        return AlignedPair(None, None, reason, found, resampled, zoom)
    raw, srgb = (
        reduce_image(Image(image[box]), target, linear=linear) for image, linear in ((raw, True), (srgb, False))
    )
    return AlignedPair(raw, srgb, "", found, resampled, zoom)


def _refusal(found: Registration, tolerances: Tolerances) -> str:
    if not found.ok:
        return f"not registered: {found.reason}".rstrip(".")
    if found.overlap < tolerances.min_overlap:
        return f"the raw shows {found.overlap:.0%} of the srgb, less than {tolerances.min_overlap:.0%}"
    return ""


def _spared(image: Image, target: tuple[int, int] | None, linear: bool) -> Image:
    """The image reduced as far as the result allows: registering and resampling more pixels gains nothing."""
    if target is None:
        return image
    factor = min(side / (_SPARE * wanted) for side, wanted in zip(image.shape[:2], target, strict=True))
    if factor <= 1:
        return image
    height, width = (round(side / factor) for side in image.shape[:2])
    return reduce_image(image, (height, width), linear=linear)


def _on_one_grid(raw: Image, srgb: Image, transform: LensTransform) -> tuple[Image, Image, npt.NDArray[np.bool_], str]:
    """Both images on the coarser of their grids, where they show the same, and which of them was interpolated."""
    nominal = LensTransform.centred(srgb.shape, raw.shape)
    coarser = min(raw.shape[:2], srgb.shape[:2])
    if _distance(transform, nominal, srgb.shape) < _NO_SHIFT and _same_aspect(raw.shape, srgb.shape):
        first, second = (reduce_image(image, coarser, linear=linear) for image, linear in ((raw, True), (srgb, False)))
        return first, second, np.ones(coarser, bool), ""
    if transform.scale > 0.999:
        moved, valid = resample(raw, transform, srgb.shape[:2], linear=True)
        return Image(moved, raw.shot), srgb, valid, "raw"
    moved, valid = resample(srgb, transform.inverse(), raw.shape[:2], linear=False)
    return raw, Image(moved, srgb.shot), valid, "srgb"


def _distance(first: LensTransform, second: LensTransform, shape: tuple[int, ...]) -> float:
    """Largest distance between two maps of the pixels of an srgb, in pixels of its working size."""
    points = pixel_grid(*shape[:2])[:: max(1, shape[0] // 16), :: max(1, shape[1] // 16)].reshape(-1, 2)
    apart = np.linalg.norm(first(points) - second(points), axis=1).max() / first.scale
    return float(apart * min(1.0, WORKING_SIZE / max(shape[:2])))


def _same_aspect(first: tuple[int, ...], second: tuple[int, ...]) -> bool:
    """Whether one grid is the other made coarser, to a pixel at the edge."""
    coarse, fine = sorted((first[:2], second[:2]))
    scale = min(fine[0] / coarse[0], fine[1] / coarse[1])
    return all(side / scale - small < 1 for side, small in zip(fine, coarse, strict=True))


def _largest_box(valid: npt.NDArray[np.bool_], aspect: tuple[int, ...]) -> tuple[slice, slice]:
    """The largest box of the proportions `aspect` about the middle of the valid area that is wholly valid."""
    rows, columns = np.flatnonzero(valid.any(axis=1)), np.flatnonzero(valid.any(axis=0))
    if not len(rows):
        raise InputError("the raw and the srgb share no pixels.")
    centre = ((rows[0] + rows[-1] + 1) / 2, (columns[0] + columns[-1] + 1) / 2)
    holes = np.pad(np.cumsum(np.cumsum(~valid, axis=0), axis=1), ((1, 0), (1, 0)))

    def box(scale: float) -> tuple[slice, slice]:
        sides = [max(1, int(scale * side)) for side in aspect]
        starts = [round(middle - side / 2) for middle, side in zip(centre, sides, strict=True)]
        first, second = (slice(start, start + side) for start, side in zip(starts, sides, strict=True))
        return first, second

    def whole(candidate: tuple[slice, slice]) -> bool:
        (top, bottom), (left, right) = ((side.start, side.stop) for side in candidate)
        if top < 0 or left < 0 or bottom > valid.shape[0] or right > valid.shape[1]:
            return False
        return bool(holes[bottom, right] - holes[top, right] - holes[bottom, left] + holes[top, left] == 0)

    low, high = 0.0, min(side / length for side, length in zip(valid.shape, aspect, strict=True)) * (1 + 1e-9)
    if whole(box(high)):
        return box(high)
    while (high - low) * max(aspect) > 0.5:
        middle = (low + high) / 2
        low, high = (middle, high) if whole(box(middle)) else (low, middle)
    return box(low)
