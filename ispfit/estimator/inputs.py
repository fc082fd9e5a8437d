"""Validate X and Y: equal lengths, and equal shapes within each pair."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import Any, TypeAlias

from ispfit.errors import InputError, InputWarning, MixedCamerasWarning
from ispfit.estimator.decoded import cache_decoded
from ispfit.images import Image, ImageList, check_images, shots_of
from ispfit.io import RAW_SUFFIXES, read_raw, read_srgb

__all__ = ["check_pairs", "check_validation", "in_direction", "iterate_pairs", "warn_of_mixed_cameras"]

_NAMED = 5  # cameras that a message names

_Pairs: TypeAlias = tuple[ImageList, ImageList]


def check_pairs(X: Any, Y: Any) -> _Pairs:
    """Return raws and srgbs with all paths read, or raise an `InputError` that names what does not match."""
    raws, srgbs = _check_lengths(X, Y)
    raws, srgbs = raws.in_memory(), srgbs.in_memory()
    for index, (raw, srgb) in enumerate(zip(raws.shapes, srgbs.shapes, strict=True)):
        _check_shapes(index, raw, srgb)
    return raws, srgbs


def check_validation(validation: Any) -> _Pairs:
    """Return the raws and srgbs of ``validation=(X, Y)``, or raise an `InputError` that names what does not match."""
    if not (isinstance(validation, tuple | list) and len(validation) == 2):
        raise InputError(f"validation: expected a tuple (X, Y) of raws and srgbs, got {type(validation).__name__}.")
    try:
        return check_pairs(*validation)
    except InputError as error:
        raise InputError(f"validation: {error}") from error


def in_direction(direction: str, pairs: _Pairs) -> _Pairs:
    """Return (inputs, targets) of a direction, "forward" or "inverse", for (raws, srgbs)."""
    return pairs if direction == "forward" else (pairs[1], pairs[0])


def iterate_pairs(X: Any, Y: Any) -> Iterator[tuple[Image, Image]]:
    """Yield (raw, srgb), each read when its turn comes, or raise an `InputError` that names what does not match."""
    for index, (raw, srgb) in enumerate(zip(*_check_lengths(X, Y), strict=True)):
        _check_shapes(index, raw.shape, srgb.shape)
        yield raw, srgb


def _check_lengths(X: Any, Y: Any) -> tuple[ImageList, ImageList]:
    raws = check_images(X, "X", cache_decoded(read_raw))
    srgbs = check_images(Y, "Y", cache_decoded(read_srgb))
    _warn_of_camera_files(X)
    if len(raws) != len(srgbs):
        raise InputError(f"X and Y: expected one srgb for each raw, got {len(raws)} raws and {len(srgbs)} srgbs.")
    return raws, srgbs


def warn_of_mixed_cameras(raws: ImageList) -> None:
    """Warn if raws are known to be of several cameras or styles: one model would render the mean of them."""
    shots = shots_of(raws)
    for what, attribute in (("cameras", "camera"), ("picture styles", "style")):
        names = sorted({name for shot in shots if (name := getattr(shot, attribute))})
        if len(names) > 1:
            warnings.warn(
                f"X: its shots are of {len(names)} {what} ({', '.join(names[:_NAMED])}); one model fits the mean of "
                "them. Fit a model to each.",
                MixedCamerasWarning,
                stacklevel=3,
            )


def _warn_of_camera_files(X: Any) -> None:
    """Warn if X holds RAW files of a camera: their srgb may lie elsewhere, and nothing registers them here."""
    paths = (path for path in X if isinstance(path, str | PathLike) and Path(path).suffix.lower() in RAW_SUFFIXES)
    if (path := next(paths, None)) is not None:
        message = (
            f"X: {path} is a camera's RAW file, which is not registered with its srgb here; load pairs of camera files "
            "by ispfit.datasets.load_pairs."
        )
        warnings.warn(message, InputWarning, stacklevel=4)


def _check_shapes(index: int, raw: tuple[int, ...], srgb: tuple[int, ...]) -> None:
    if raw != srgb:
        raise InputError(
            f"X[{index}] and Y[{index}]: expected a raw and an srgb of one shape, got {raw} and {srgb}; "
            "register them first."
        )
