"""Notice bytes behind all that the tags of a TIFF or DNG account for: inserted bytes push its last ones there."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from ispfit.errors import InputWarning
from ispfit.io.ifd import Directory, open_tiff

__all__ = ["warn_of_tail"]

_BLOCKS = ((273, 279), (324, 325), (513, 514))  # offsets and byte counts of strips, of tiles, and of a JPEG
_DIRECTORIES = (330, 34665, 34853, 40965)  # SubIFDs, EXIF, GPS, interoperability
_MAX_DIRECTORIES = 64
_SLACK = 32  # bytes: the end of a directory, and padding
_PADDED_TO = (128, 512, 4096)  # bytes: some cameras write whole blocks, the last with odd bytes at its end
_MAX_TAIL = 1 << 16  # bytes: what is longer is a file of its own, such as a film behind a phone's picture


def warn_of_tail(source: Path, stacklevel: int = 3) -> None:
    """Warn if some bytes follow the last block of a TIFF structure: its samples may be shifted from some place on.

    Padding (bytes of one value, or up to the end of a block) does not count, nor what is too long for the end of a
    shifted picture.

    Parameters
    ----------
    source : a file that is a TIFF structure.
    stacklevel : of the warning.
    """
    with source.open("rb") as file:
        end = _end(file)
        if end is None:
            return
        file.seek(end)
        tail = file.read(_MAX_TAIL + 1)
    padding = len(set(tail)) <= 1 or any(end % size + len(tail) == size for size in _PADDED_TO)
    if _SLACK < len(tail) <= _MAX_TAIL and not padding:
        warnings.warn(
            f"{source}: {len(tail)} bytes follow the last part that its tags know. If no program added them, bytes "
            "were inserted in the file, and its picture is shifted from there on: compare it with the original.",
            InputWarning,
            stacklevel=stacklevel,
        )


def _end(file: BinaryIO) -> int | None:
    """Return the end of all values and blocks of the directories of a file; None if some are unknown."""
    end = 0
    for directory in _directories(open_tiff(file)):
        end = max([end, *(found.position + found.size for found in directory.fields.values())])
        for offsets, counts in _BLOCKS:
            starts, sizes = directory.numbers(offsets), directory.numbers(counts)
            if len(starts) != len(sizes) or (offsets in directory.fields and not starts):
                return None
            end = max([end, *(int(start + size) for start, size in zip(starts, sizes, strict=True))])
    return end or None


def _directories(first: Directory) -> Iterator[Directory]:
    waiting = [first]
    seen: set[int] = set()
    while waiting and len(seen) < _MAX_DIRECTORIES:
        directory = waiting.pop()
        yield directory
        for tag in _DIRECTORIES:
            waiting += [directory.at(at) for at in _new(directory.numbers(tag), seen)]
        waiting += [directory.at(at) for at in _new((directory.following,), seen)]


def _new(offsets: tuple[float, ...], seen: set[int]) -> list[int]:
    """Return the offsets of directories that were not seen yet, and note them."""
    found = [int(at) for at in offsets if at > 0 and int(at) not in seen][:_MAX_DIRECTORIES]
    seen.update(found)
    return found
