"""Register a raw with the srgb of the same shot, whatever the camera did to tone and colour.

An exhaustive search on thumbnails gives a similarity. From coarse to fine, local shifts of patches are measured, and a
similarity with radial distortion is fitted to them. Finally, checks decide whether the map can be trusted.

Units: `register` takes and returns full-size pixels, but gives residuals in pixels at working size. In between,
everything is in pixels of the finest level: the srgb at working size and the raw at about the same resolution.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ispfit.images import FloatImage, check_image
from ispfit.registration.fitting import Fit, fit_lens
from ispfit.registration.geometry import LensTransform
from ispfit.registration.matching import Matches
from ispfit.registration.pyramid import MIN_SIDE_PX, THUMBNAIL_PX, PyramidLevel, make_pyramid, reduce_luma
from ispfit.registration.search import search_similarity
from ispfit.registration.tone import luma
from ispfit.registration.validation import mismatch_reason

__all__ = ["MAX_RESIDUAL", "WORKING_SIZE", "Registration", "register"]

WORKING_SIZE = 768
"""Longer side, in pixels, to which the srgb is reduced for registration; a smaller srgb keeps its size."""

MAX_RESIDUAL = 0.05
"""Expected error, rms in pixels at working size, up to which a registration is accepted. Of 309 accepted registrations
whose true map was known, most of them of photographs, the worst was off by 0.099 px and the median by 0.007 px."""

_MIN_PATCHES = 24
_MIN_PLACES = 32  # of patches on the coarsest level; some lie at the border, where they are not known
_SMALL_PX = 2 * THUMBNAIL_PX  # longer side below which a sound pair may be too uncertain
_USE_A_LARGER_ONE = "use a larger picture, or do not register"
_MIN_OVERLAP = 0.3
_MAX_ROTATION_DEGREES = 4.0
_MAX_DISTORTION = 0.5
_MAX_ITERATIONS = 4  # of each level
_CONVERGED_PX = 0.01  # change of the map, in pixels of the level, that ends the iterations


@dataclass(frozen=True)
class Registration:
    """The map from the pixels of an srgb to those of its raw, and whether to trust it.

    Parameters
    ----------
    transform : map from pixels of the srgb to pixels of the raw, both at full size; a guess if not `ok`.
    residual : expected error of `transform`, rms over the overlap, in pixels of the srgb at working size
        (`WORKING_SIZE`). It is estimated by leaving out blocks of patches and from the uncertainty of each patch;
        infinite if nothing could be fitted.
    overlap : share of the srgb, in [0, 1], that the raw shows too.
    n_patches : number of patches that determine `transform`, without the outliers.
    ok : whether the two show the same and `residual` is at most the `max_residual` of `register`.
    reason : why not `ok`; empty if `ok`.
    """

    transform: LensTransform
    residual: float
    overlap: float
    n_patches: int
    ok: bool
    reason: str


class _NoMatchError(Exception):
    """Registration failed: the reason, the map so far, and the number of patches."""

    def __init__(self, reason: str, transform: LensTransform, n_patches: int = 0) -> None:
        super().__init__(reason)
        self.reason, self.transform, self.n_patches = reason, transform, n_patches


def register(raw: FloatImage, srgb: FloatImage, *, max_residual: float = MAX_RESIDUAL) -> Registration:
    """Return the map from the pixels of `srgb` to those of `raw`.

    Finds shifts, rescaling up to 16 % (or a crop of the raw's own pixels), rotation up to 3 degrees and radial
    distortion up to 4 %, in any combination and with any difference in size. Both images must be upright: a mirrored or
    turned image is reported as not matching.

    Parameters
    ----------
    raw : float32 H x W x 3 in [0, 1], linear, white-balanced.
    srgb : float32 h x w x 3 in [0, 1], the camera's rendering.
    max_residual : expected error, rms in pixels at working size, above which the result is not `ok`.

    Returns
    -------
    Registration; not `ok` and with a reason if the images do not match.

    Raises
    ------
    InputError
        If one of the two is not an image.
    """
    raw, srgb = check_image(raw, "raw"), check_image(srgb, "srgb")
    nominal = LensTransform.centred(srgb.shape, raw.shape).scale
    scales = [nominal, 1.0] if nominal / 2 < 1 < nominal else [nominal]
    to_srgb = max(1.0, 1 / min(scales), max(srgb.shape[:2]) / WORKING_SIZE)
    to_raw = max(1.0, min(scales) * to_srgb)
    finest = PyramidLevel(reduce_luma(luma(np.sqrt(raw.clip(0))), to_raw), reduce_luma(luma(srgb), to_srgb))
    try:
        fit = _coarse_to_fine(make_pyramid(finest), [scale * to_srgb / to_raw for scale in scales])
    except _NoMatchError as failure:
        transform, residual, n_patches, reason = failure.transform, float("inf"), failure.n_patches, failure.reason
    else:
        transform, n_patches = fit.transform, int((fit.weights > 0).sum())
        residual = fit.expected_error(finest.grid()[finest.shared(transform)])
        reason = (
            _implausibility_reason(finest, transform)
            or mismatch_reason(*finest.aligned(transform))
            or _uncertainty_reason(finest, residual, max_residual)
        )
    overlap = float(finest.shared(transform).mean())
    return Registration(transform.scaled(to_srgb, to_raw), residual, overlap, n_patches, not reason, reason)


def _coarse_to_fine(levels: Sequence[PyramidLevel], scales: Sequence[float]) -> Fit:
    """The fit to the matches of the two finest levels, found by way of the coarser ones."""
    finest, coarsest = levels[0], levels[-1]
    if reason := _smallness_reason(finest, coarsest):
        raise _NoMatchError(reason, LensTransform.centred(finest.srgb.shape, finest.raw.shape, scales[0]))
    thumbnail = coarsest.coarser(max(1.0, max(coarsest.srgb.shape) / THUMBNAIL_PX))
    transform = search_similarity(thumbnail.raw, thumbnail.srgb, scales).scaled(thumbnail.factor, thumbnail.factor)
    fit = _fit(transform, coarsest.correlated(transform))
    for index in reversed(range(len(levels))):
        for _ in range(_MAX_ITERATIONS):
            before = fit.transform
            matches = [level.refined(before) for level in levels[index : index + 2]]
            fit = _fit(before, Matches.concatenated(matches))
            if _distance(before, fit.transform, finest) < _CONVERGED_PX * levels[index].factor:
                break
    return fit


def _smallness_reason(finest: PyramidLevel, coarsest: PyramidLevel) -> str:
    """Why the images are too small to be registered, or "" if they are not."""
    height, width = np.minimum(finest.srgb.shape, finest.raw.shape)
    if min(height, width) < MIN_SIDE_PX:
        return (
            f"too small: {width} x {height} pixels at the coarser of the two resolutions, {MIN_SIDE_PX} on the shorter "
            f"side are needed; {_USE_A_LARGER_ONE}"
        )
    if coarsest.n_places < _MIN_PLACES:
        return (
            f"too small: {width} x {height} pixels hold {coarsest.n_places} patches, {_MIN_PLACES} are needed; "
            f"{_USE_A_LARGER_ONE}"
        )
    return ""


def _fit(transform: LensTransform, matches: Matches) -> Fit:
    if len(matches) < _MIN_PATCHES:
        reason = f"no detail in common: {len(matches)} patches match, {_MIN_PATCHES} are needed"
        raise _NoMatchError(reason, transform, len(matches))
    fit = fit_lens(transform, matches)
    distortion = abs(fit.transform.k1) + abs(fit.transform.k2)
    if distortion > _MAX_DISTORTION or not 0.5 < fit.transform.scale / transform.scale < 2:
        reason = "the images do not show the same view: no lens maps the srgb to the raw"
        raise _NoMatchError(reason, transform, len(matches))
    return fit


def _distance(first: LensTransform, second: LensTransform, finest: PyramidLevel) -> float:
    """Distance between two maps, rms over the srgb, in its pixels."""
    points = finest.grid()
    return float(np.sqrt(((first(points) - second(points)) ** 2).sum(1).mean())) / first.scale


def _implausibility_reason(finest: PyramidLevel, transform: LensTransform) -> str:
    """Why the map cannot be that of one shot, or "" if it can."""
    overlap = float(finest.shared(transform).mean())
    if overlap < _MIN_OVERLAP:
        return f"the raw shows {overlap:.0%} of the srgb, {_MIN_OVERLAP:.0%} are needed"
    if abs(transform.rotation) > _MAX_ROTATION_DEGREES:
        return (
            f"turned against each other by {abs(transform.rotation):.1f} degrees, more than {_MAX_ROTATION_DEGREES:g}"
        )
    return ""


def _uncertainty_reason(finest: PyramidLevel, residual: float, max_residual: float) -> str:
    """Why the map is too uncertain, or "" if it is not."""
    if residual <= max_residual:
        return ""
    height, width = finest.srgb.shape
    if max(height, width) < _SMALL_PX:
        return (
            f"too small: for {width} x {height} pixels the expected error is {residual:.3g} px, more than "
            f"{max_residual:g}; {_USE_A_LARGER_ONE}"
        )
    return (
        f"too uncertain: the expected error is {residual:.3g} px at working size, more than {max_residual:g}; "
        "if the picture is right but lacks detail, allow a larger residual or do not register"
    )
