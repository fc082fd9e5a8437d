"""Digests of the samples of a DNG, by which damage is noticed (Adobe DNG Specification 1.7, NewRawImageDigest)."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ispfit.errors import FileError
from ispfit.io.dng_facts import DngFacts

__all__ = ["check_raw_digest", "new_raw_image_digest"]

_TILE = 256  # pixels on a side
_DIGEST_BYTES = 16
_SPOILT = b"\x08\0\0\0"  # how Lightroom 1.4 begins the old digest that it spoils
_CHANGES_SAMPLES = ("LinearizationTable", "RowInterleaveFactor", "ColumnInterleaveFactor")  # before LibRaw returns them


def new_raw_image_digest(samples: npt.NDArray[np.uint16]) -> bytes:
    """Return the MD5 of the MD5s of tiles of 256 x 256 pixels, row by row; in a tile, plane after plane.

    Parameters
    ----------
    samples : H x W, or H x W x planes, as stored: before any linearisation table.

    Notes
    -----
    The samples are hashed as 16-bit little-endian integers, as by ``dng_negative::FindNewRawImageDigest`` of Adobe's
    DNG SDK.
    """
    tiles = hashlib.md5(usedforsecurity=False)
    for top in range(0, samples.shape[0], _TILE):
        for left in range(0, samples.shape[1], _TILE):
            tile = samples[top : top + _TILE, left : left + _TILE].astype("<u2", copy=False)
            planes = np.moveaxis(tile, -1, 0) if tile.ndim == 3 else tile
            tiles.update(_md5(planes))
    return tiles.digest()


def check_raw_digest(raw: Any, source: Path, facts: DngFacts) -> bool:
    """Return whether the samples of an open DNG match its digest; False if there is none, as most cameras write none.

    Parameters
    ----------
    raw : an open `rawpy.RawPy`; its samples are decoded.
    source : path of the file, for the message.
    facts : of the DNG.

    Raises
    ------
    FileError
        If they do not match it.
    """
    if any(facts.tags.numbers(name) not in ((), (1.0,)) for name in _CHANGES_SAMPLES):
        return False
    samples = raw.raw_image
    samples = samples[..., : facts.n_samples] if samples.ndim == 3 else samples
    if samples.shape[:2] != (facts.height, facts.width) or samples[0, 0].size != facts.n_samples:
        return False
    for name in ("NewRawImageDigest", "RawImageDigest"):
        told = facts.tags.data(name)
        if len(told) == _DIGEST_BYTES and any(told):
            matches = told == new_raw_image_digest(samples) if name.startswith("New") else _matches_old(told, samples)
            if matches:
                return True
            raise FileError(f"{source}: the file is damaged: its samples do not match its digest ({name}).")
    return False


def _matches_old(told: bytes, samples: npt.NDArray[np.uint16]) -> bool:
    """Compare without the first four bytes, which Lightroom 1.4 got wrong; so does Adobe's DNG SDK."""
    return told.startswith(_SPOILT) or told[4:] == _md5(samples.astype("<u2", copy=False))[4:]


def _md5(samples: npt.NDArray[np.uint16]) -> bytes:
    return hashlib.md5(np.ascontiguousarray(samples).data, usedforsecurity=False).digest()
