"""What `fit` and its kin are given: raws and srgbs, one of each for a shot and of one shape."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ispfit.errors import InputError
from ispfit.estimator.decoded import remember
from ispfit.images import Image, ImageList, check_images
from ispfit.io import read_raw, read_srgb

__all__ = ["read_pairs", "same_lengths", "same_shapes"]


def same_lengths(X: Any, Y: Any) -> tuple[ImageList, ImageList]:
    raws, srgbs = check_images(X, "X", remember(read_raw)), check_images(Y, "Y", remember(read_srgb))
    if len(raws) != len(srgbs):
        raise InputError(f"X and Y: expected one srgb for each raw, got {len(raws)} raws and {len(srgbs)} srgbs.")
    return raws, srgbs


def same_shapes(raws: ImageList, srgbs: ImageList) -> Iterator[tuple[Image, Image]]:
    for index, (raw, srgb) in enumerate(zip(raws, srgbs, strict=True)):
        _check_shapes(index, raw.shape, srgb.shape)
        yield raw, srgb


def read_pairs(X: Any, Y: Any) -> tuple[ImageList, ImageList]:
    raws, srgbs = (images.in_memory() for images in same_lengths(X, Y))
    for index, shapes in enumerate(zip(raws.shapes, srgbs.shapes, strict=True)):
        _check_shapes(index, *shapes)
    return raws, srgbs


def _check_shapes(index: int, raw: tuple[int, ...], srgb: tuple[int, ...]) -> None:
    if raw != srgb:
        raise InputError(
            f"X[{index}] and Y[{index}]: expected a raw and an srgb of one shape, got {raw} and {srgb}; "
            "register them first."
        )
