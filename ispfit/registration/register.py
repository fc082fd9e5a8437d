"""Register a raw with the srgb of the same shot, whatever the camera did to tone and colour.

A rough similarity by exhaustive search on thumbnails; then, from coarse to fine, local shifts of patches and a
robust fit of similarity plus radial distortion to them; then a verdict.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ispfit.images import FloatImage, check_image
from ispfit.registration.fitting import Fit, fit_lens
from ispfit.registration.geometry import LensTransform
from ispfit.registration.matching import Matches
from ispfit.registration.pyramid import MIN_SIDE, THUMBNAIL, View, pyramid, reduced
from ispfit.registration.search import search_similarity
from ispfit.registration.tone import luma
from ispfit.registration.validation import objection

__all__ = ["MAX_RESIDUAL", "WORKING_SIZE", "Registration", "register"]

WORKING_SIZE = 768
"""Longer side, in pixels, to which the srgb is reduced for registration; a smaller one is taken as it is."""

MAX_RESIDUAL = 0.05
"""Expected error, rms in pixels at working size, up to which a registration is accepted. Of 309 known ones (most
of them of real pictures) that it accepts the worst was 0.099 px off, the median one 0.007 px."""

_MIN_PATCHES = 24
_MIN_OVERLAP = 0.3
_MAX_ROTATION = 4.0  # degrees
_ROUNDS, _STILL = 4, 0.01  # iterations of a level at most; px of movement that end them


@dataclass(frozen=True)
class Registration:
    """How the pixels of an srgb lie on those of its raw, and whether to believe it.

    Parameters
    ----------
    transform : map from pixels of the srgb to pixels of the raw, at their full sizes; a guess where not `ok`.
    residual : expected error of `transform`, rms over the overlap, in pixels at `WORKING_SIZE`. It is estimated by
        leaving out blocks of patches and predicting them, and from the uncertainty of each patch; infinite where
        nothing could be fitted.
    overlap : share of the srgb, in [0, 1], that the raw shows too.
    n_patches : patches that determine `transform`, those discarded as outliers not counted.
    ok : whether the two show the same and `transform` is as exact as was asked for.
    reason : why not, else empty.
    """

    transform: LensTransform
    residual: float
    overlap: float
    n_patches: int
    ok: bool
    reason: str


class _NoMatchError(Exception):
    """Registration cannot go on: the reason, the map so far, and the number of patches."""

    def __init__(self, reason: str, transform: LensTransform, patches: int = 0) -> None:
        super().__init__(reason)
        self.reason, self.transform, self.patches = reason, transform, patches


def register(raw: FloatImage, srgb: FloatImage, *, max_residual: float = MAX_RESIDUAL) -> Registration:
    """Find where each pixel of `srgb` lies in `raw`.

    Finds shifts, rescaling up to 16 % (or a crop of the raw's own pixels), rotation to 3 degrees and radial distortion
    to 4 %, in any combination, on top of any difference in size. Both must be upright: an image that is mirrored or on
    its side is not found, and reported as such.

    Parameters
    ----------
    raw : float32 H x W x 3 in [0, 1], linear, white-balanced.
    srgb : float32 h x w x 3 in [0, 1], the camera's rendering.
    max_residual : expected error, rms in pixels at `WORKING_SIZE`, above which the result is not `ok`.

    Raises
    ------
    InputError
        If one of the two is not an image. Images that do not match raise nothing: the result says so.
    """
    raw, srgb = check_image(raw, "raw"), check_image(srgb, "srgb")
    nominal = LensTransform.centred(srgb.shape, raw.shape).scale
    scales = [nominal, 1.0] if nominal / 2 < 1 < nominal else [nominal]
    to_srgb = max(1.0, 1 / min(scales), max(srgb.shape[:2]) / WORKING_SIZE)
    to_raw = max(1.0, min(scales) * to_srgb)
    view = View(reduced(luma(np.sqrt(raw.clip(0))), to_raw), reduced(luma(srgb), to_srgb))
    try:
        fit = _fitted(pyramid(view), [scale * to_srgb / to_raw for scale in scales])
    except _NoMatchError as failure:
        transform, residual, patches, reason = failure.transform, float("inf"), failure.patches, failure.reason
    else:
        transform, patches = fit.transform, int((fit.weights > 0).sum())
        residual = fit.expected_error(view.grid()[view.shared(transform)])
        reason = _objection(view, transform) or _inexact(residual, max_residual)
    overlap = float(view.shared(transform).mean())
    return Registration(transform.scaled(to_srgb, to_raw), residual, overlap, patches, not reason, reason)


def _fitted(views: Sequence[View], scales: Sequence[float]) -> Fit:
    """The map that the finest view and the next one ask for, found by way of the coarser ones."""
    finest, coarsest = views[0], views[-1]
    if min(finest.srgb.shape + finest.raw.shape) < MIN_SIDE:
        reason = f"too small: fewer than {MIN_SIDE} pixels on a side where both are equally fine"
        raise _NoMatchError(reason, LensTransform.centred(finest.srgb.shape, finest.raw.shape, scales[0]))
    thumbnail = coarsest.coarser(max(1.0, max(coarsest.srgb.shape) / THUMBNAIL))
    transform = search_similarity(thumbnail.raw, thumbnail.srgb, scales).scaled(thumbnail.factor, thumbnail.factor)
    fit = _fit(transform, coarsest.correlated(transform))
    for level in reversed(range(len(views))):
        for _ in range(_ROUNDS):
            before = fit.transform
            fit = _fit(before, Matches.joined([view.refined(before) for view in views[level : level + 2]]))
            if _distance(before, fit.transform, finest) < _STILL * views[level].factor:
                break
    return fit


def _fit(transform: LensTransform, matches: Matches) -> Fit:
    if len(matches) < _MIN_PATCHES:
        reason = f"no detail in common: {len(matches)} patches match, {_MIN_PATCHES} are needed"
        raise _NoMatchError(reason, transform, len(matches))
    fit = fit_lens(transform, matches)
    if abs(fit.transform.k1) + abs(fit.transform.k2) > 0.5 or not 0.5 < fit.transform.scale / transform.scale < 2:
        reason = "the images do not show the same: no lens maps one to the other"
        raise _NoMatchError(reason, transform, len(matches))
    return fit


def _distance(first: LensTransform, second: LensTransform, view: View) -> float:
    """Between two maps, rms over the srgb in its pixels."""
    points = view.grid()
    return float(np.sqrt(((first(points) - second(points)) ** 2).sum(1).mean())) / first.scale


def _objection(view: View, transform: LensTransform) -> str:
    """Why the two images cannot be of one shot; empty if they can."""
    overlap = float(view.shared(transform).mean())
    if overlap < _MIN_OVERLAP:
        return f"the raw shows {overlap:.0%} of the srgb, {_MIN_OVERLAP:.0%} are needed"
    if abs(transform.rotation) > _MAX_ROTATION:
        return f"turned by {transform.rotation:.1f} degrees, at most {_MAX_ROTATION:g} are believed"
    return objection(*view.aligned(transform))


def _inexact(residual: float, limit: float) -> str:
    if residual <= limit:
        return ""
    return (
        f"too uncertain: the expected error is {residual:.3g} px at working size, more than {limit:g}; "
        "where the picture is right and just lacks detail, raise max_residual"
    )
