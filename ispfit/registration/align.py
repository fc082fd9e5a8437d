"""Put the two images of a shot on one pixel grid: register, resample, crop, reduce."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ispfit.errors import InputWarning
from ispfit.images import Image, check_image
from ispfit.registration.crop import Mask, shared_box
from ispfit.registration.geometry import LensTransform, pixel_grid, resample
from ispfit.registration.register import MAX_RESIDUAL, WORKING_SIZE, Registration, register
from ispfit.resize import Size, check_size, reduce_image, target_shape

__all__ = ["AlignedPair", "Tolerances", "align_pair"]

_Shape: TypeAlias = tuple[int, ...]

_OVERSAMPLING = 2  # images are resampled at twice the final size, so that interpolation does not blur the result
_MIN_SHIFT_PX = 0.1  # at working size: registration cannot tell a smaller shift from none
_MAX_ASPECT_DIFFERENCE = 0.01  # relative
_EQUAL_SCALE = 0.999  # raw pixels per srgb pixel above which the raw is at least as fine, despite measuring errors


@dataclass(frozen=True)
class Tolerances:
    """Limits beyond which a registration is rejected.

    Parameters
    ----------
    max_residual : largest expected error of the registration, rms in pixels at working size.
    min_overlap : smallest share of the srgb, in [0, 1], that the raw must show too.
    """

    max_residual: float = MAX_RESIDUAL
    min_overlap: float = 0.5


@dataclass(frozen=True)
class AlignedPair:
    """The result of `align_pair`.

    Parameters
    ----------
    raw, srgb : float32 images of one shape on one pixel grid; None if the pair was rejected.
    reason : why the pair was rejected; empty if it was not.
    registration : the registration of the two images as they were passed; None if `align_pair` did not register them.
    resampled : the image that was interpolated, "raw" or "srgb"; empty if neither was.
    zoom : field width of the srgb relative to that of the largest crop of the raw with the same aspect ratio.
    """

    raw: Image | None
    srgb: Image | None
    reason: str = ""
    registration: Registration | None = None
    resampled: str = ""
    zoom: float = 1.0


def align_pair(
    raw: Image,
    srgb: Image,
    size: Size | None = None,
    tolerances: Tolerances | None = None,
    register: bool = True,
) -> AlignedPair:
    """Return the two images of a shot on one pixel grid, cropped to the part that both show.

    If registration finds that both images show the same field of view, the finer one is reduced to the grid of the
    coarser one and nothing is interpolated. Otherwise the image with the finer grid is resampled onto the coarser
    grid. Of two equal grids the raw is resampled, because it is linear and has no sharpening or JPEG blocks.

    If one image lies and the other stands, the raw is turned to whichever side fits, with an `InputWarning`.

    Parameters
    ----------
    raw, srgb : float32 H x W x 3 in [0, 1], upright; their sizes may differ.
    size : the longer side of the result in pixels; or its height and width, to which both images are cropped around
        the middle. They are reduced by area averaging in linear light. A side on which they share fewer pixels keeps
        those: nothing is enlarged. None keeps all that they share, at the coarser of their resolutions.
    tolerances : limits of the registration's uncertainty and of the overlap; None takes the defaults.
    register : False assumes that the two show the same field of view: nothing is searched, shifted or interpolated.

    Returns
    -------
    AlignedPair, without images but with a reason if the two could not be registered within `tolerances`, or if
    `register` is False and their proportions differ by more than 1 %.

    Raises
    ------
    InputError
        If one of the two is not an image, or `size` is not one or two positive integers.
    """
    raw, srgb = check_image(raw, "raw"), check_image(srgb, "srgb")
    target = None if size is None else check_size(size)
    if register:
        return _registered_pair(raw, srgb, target, tolerances or Tolerances())
    reason = _proportions_reason(raw.shape, srgb.shape)
    return AlignedPair(None, None, reason) if reason else AlignedPair(*_reduced_pair(raw, srgb, target))


def _proportions_reason(raw: _Shape, srgb: _Shape) -> str:
    """Why the two cannot show the same field of view, or "" if they can."""
    if abs(raw[1] * srgb[0] / (raw[0] * srgb[1]) - 1) <= _MAX_ASPECT_DIFFERENCE:
        return ""
    return (
        f"the raw has {raw[1]} x {raw[0]} pixels and the srgb {srgb[1]} x {srgb[0]}: their proportions differ by more "
        f"than {_MAX_ASPECT_DIFFERENCE:.0%}, so they do not show the same field of view and must be registered"
    )


def _reduced_pair(raw: Image, srgb: Image, target: Size | None) -> tuple[Image, Image]:
    """Both images of one field of view, reduced to the coarser of their grids and to at most `target`."""
    height, width = np.minimum(raw.shape[:2], srgb.shape[:2]).tolist()
    wanted = (height, width) if target is None else target_shape((height, width), target)
    grid = (min(height, wanted[0]), min(width, wanted[1]))
    return reduce_image(raw, grid, linear=True), reduce_image(srgb, grid, linear=False)


def _registered_pair(raw: Image, srgb: Image, target: Size | None, tolerances: Tolerances) -> AlignedPair:
    """Register the pair; if one lies and the other stands, the raw is turned, for the srgb is how people see it."""
    if (raw.shape[0] - raw.shape[1]) * (srgb.shape[0] - srgb.shape[1]) < 0:
        for quarters in (1, 3):
            turned = _pair_as_it_lies(Image(np.rot90(raw, quarters), raw.shot), srgb, target, tolerances)
            if not turned.reason:
                message = f"the raw was turned by {90 * quarters} degrees to the left: it lay otherwise than the srgb."
                warnings.warn(message, InputWarning, stacklevel=4)
                return turned
    return _pair_as_it_lies(raw, srgb, target, tolerances)


def _pair_as_it_lies(raw: Image, srgb: Image, target: Size | None, tolerances: Tolerances) -> AlignedPair:
    small_raw = _reduced_for(target, raw, linear=True)
    small_srgb = _reduced_for(target, srgb, linear=False)
    found = register(small_raw, small_srgb, max_residual=tolerances.max_residual)
    transform = found.transform
    nominal = LensTransform.centred(small_srgb.shape, small_raw.shape)
    zoom = transform.scale / nominal.scale
    registration = replace(found, transform=_between_originals(transform, small_raw, small_srgb, raw, srgb))
    reason = _rejection_reason(found, tolerances)
    if reason:
        return AlignedPair(None, None, reason, registration, zoom=zoom)
    shift = _largest_shift(transform, nominal, small_srgb.shape)
    if shift < _MIN_SHIFT_PX and _same_aspect(small_raw.shape, small_srgb.shape):
        return AlignedPair(*_reduced_pair(raw, srgb, target), "", registration, zoom=zoom)
    raw, srgb, valid, resampled = _on_coarser_grid(small_raw, small_srgb, transform)
    box = shared_box(valid, target if isinstance(target, tuple) else None)
    return AlignedPair(*_reduced_pair(Image(raw[box]), Image(srgb[box]), target), "", registration, resampled, zoom)


def _rejection_reason(found: Registration, tolerances: Tolerances) -> str:
    """Why a registration makes no pair, or "" if it does."""
    if not found.ok:
        return f"not registered: {found.reason}"
    if found.overlap < tolerances.min_overlap:
        return f"the raw shows {found.overlap:.0%} of the srgb, less than {tolerances.min_overlap:.0%}"
    return ""


def _reduced_for(target: Size | None, image: Image, *, linear: bool) -> Image:
    """`image` at `_OVERSAMPLING` times the size `target`, or at working size if that is larger.

    Resampling more pixels gains nothing; registering fewer is less exact.
    """
    if target is None:
        return image
    wanted = target_shape(image.shape, target)
    factor = min(side / (_OVERSAMPLING * least) for side, least in zip(image.shape[:2], wanted, strict=True))
    factor = min(factor, max(image.shape[:2]) / WORKING_SIZE)
    if factor <= 1:
        return image
    height, width = (round(side / factor) for side in image.shape[:2])
    return reduce_image(image, (height, width), linear=linear)


def _between_originals(
    transform: LensTransform, small_raw: Image, small_srgb: Image, raw: Image, srgb: Image
) -> LensTransform:
    """Convert `transform` from pixels of the reduced images to pixels of the original ones."""
    raw_step, raw_start = _reduction(raw.shape, small_raw.shape)
    srgb_step, srgb_start = _reduction(srgb.shape, small_srgb.shape)
    return transform.scaled(srgb_step, raw_step).cropped(-srgb_start, -raw_start)


def _reduction(shape: _Shape, small: _Shape) -> tuple[float, npt.NDArray[np.float64]]:
    """Pixels per pixel of the reduced image, and the (x, y) of the corner of the part that `reduce_image` keeps."""
    sides, small_sides = np.array(shape[1::-1]), np.array(small[1::-1])
    step = float((sides / small_sides).min())
    return step, (sides - step * small_sides) / 2


def _on_coarser_grid(raw: Image, srgb: Image, transform: LensTransform) -> tuple[Image, Image, Mask, str]:
    """Both images on the coarser of their grids, the mask of the pixels that both show, and the interpolated image."""
    if transform.scale > _EQUAL_SCALE:
        resampled, valid = resample(raw, transform, srgb.shape[:2], linear=True)
        return resampled, srgb, valid, "raw"
    resampled, valid = resample(srgb, transform.inverse(), raw.shape[:2], linear=False)
    return raw, resampled, valid, "srgb"


def _largest_shift(transform: LensTransform, nominal: LensTransform, srgb: _Shape) -> float:
    """Largest distance between two maps over the pixels of an srgb, in pixels at working size."""
    points = pixel_grid(*srgb[:2])[:: max(1, srgb[0] // 16), :: max(1, srgb[1] // 16)].reshape(-1, 2)
    raw_pixels = np.linalg.norm(transform(points) - nominal(points), axis=1).max()
    return float(raw_pixels / transform.scale * min(1.0, WORKING_SIZE / max(srgb[:2])))


def _same_aspect(first: _Shape, second: _Shape) -> bool:
    """Whether the finer grid, made coarser, covers the other one to less than a pixel at the edge."""
    coarse, fine = sorted((first[:2], second[:2]))
    scale = min(fine[0] / coarse[0], fine[1] / coarse[1])
    return all(side / scale - small < 1 for side, small in zip(fine, coarse, strict=True))
