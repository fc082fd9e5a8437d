"""Read the TIFF tags of a DNG that describe its raw image, wherever they are.

The raw image of a DNG is described by one directory (IFD), often a SubIFD of the first one, which then describes a
thumbnail. Names and meanings of tags are those of the Adobe DNG Specification 1.7.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from ispfit.errors import FileError, decoding

__all__ = ["CFA", "LINEAR_RAW", "Tags", "read_dng_tags"]

CFA, LINEAR_RAW = 32803, 34892
"""Values of the tag PhotometricInterpretation: a mosaic, and pixels that have all of their colours."""

_Values = tuple[float, ...] | bytes
_Directory = dict[str, _Values]

_TIFF_MAGICS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_MAX_DIRECTORIES = 64
_MAX_DEPTH = 3  # of SubIFDs of SubIFDs
_MASK = 4  # bit of the tag NewSubfileType
_RATIONALS = (5, 10)  # TIFF types RATIONAL and SRATIONAL
_WANTED = frozenset(
    (
        *("NewSubfileType", "PhotometricInterpretation", "ImageWidth", "ImageLength", "SamplesPerPixel"),
        *("SampleFormat", "Compression", "JPEGTables", "RowsPerStrip", "StripOffsets", "StripByteCounts"),
        *("TileWidth", "TileLength", "TileOffsets", "TileByteCounts"),
        *("CFARepeatPatternDim", "CFAPattern", "CFAPlaneColor", "CFALayout"),
        *("BlackLevelRepeatDim", "BlackLevel", "BlackLevelDeltaH", "BlackLevelDeltaV", "WhiteLevel", "MaskedAreas"),
        *("ActiveArea", "DefaultScale", "DefaultCropOrigin", "DefaultCropSize", "DefaultUserCrop"),
        *("AsShotNeutral", "AsShotWhiteXY", "AnalogBalance", "ColorMatrix1", "ColorMatrix2"),
        *("CameraCalibration1", "CameraCalibration2", "CalibrationIlluminant1", "CalibrationIlluminant2"),
        *("OpcodeList1", "OpcodeList2", "OpcodeList3", "DNGVersion"),
        *("RawImageDigest", "NewRawImageDigest"),
        *("LinearizationTable", "RowInterleaveFactor", "ColumnInterleaveFactor"),
    )
)


@dataclass(frozen=True)
class Tags:
    """Tags by name: numbers as a tuple of floats, those of type BYTE and UNDEFINED as bytes; invalid ones are left out.

    Parameters
    ----------
    raw : of the directory of the raw image.
    first : of the first directory, where a tag that `raw` lacks is looked up.
    """

    raw: _Directory
    first: _Directory

    def numbers(self, name: str, length: int | None = None) -> tuple[float, ...]:
        """Return the numbers of a tag; none if it is missing, or if it has not `length` of them."""
        values = tuple(float(value) for value in self.raw.get(name) or self.first.get(name) or ())
        return values if length is None or len(values) == length else ()

    def integers(self, name: str, default: tuple[int, ...]) -> tuple[int, ...]:
        """Return the numbers of a tag, rounded; `default` if it is missing or has another length."""
        return tuple(round(number) for number in self.numbers(name, len(default))) or default

    def layout(self, name: str, default: int) -> int:
        """Return the first number of a tag that counts only in the directory of the raw image itself."""
        values = self.raw.get(name)
        return round(values[0]) if values else default

    def data(self, name: str) -> bytes:
        """Return the bytes of a tag; none if it is missing or of another type."""
        value = self.raw.get(name) or self.first.get(name)
        return value if isinstance(value, bytes) else b""

    def segments(self) -> list[tuple[int, int]]:
        """Return offset and number of bytes of each tile of the raw image, or of each strip; 0 where one is missing."""
        kind = "Tile" if "TileOffsets" in self.raw else "Strip"
        offsets, sizes = (self.raw.get(f"{kind}{part}", ()) for part in ("Offsets", "ByteCounts"))
        return [(round(offset), round(size)) for offset, size in itertools.zip_longest(offsets, sizes, fillvalue=0)]


def read_dng_tags(source: Path) -> Tags | None:
    """Return the tags of a DNG's raw image; None if the file is not a DNG.

    Raises
    ------
    FileError
        If the file has the suffix of a DNG, but its directories cannot be read or none describes a raw image.
    """
    with source.open("rb") as file:
        if file.read(4) not in _TIFF_MAGICS:
            return None
    try:
        with decoding(source, "the DNG is damaged: its directories cannot be read"), tifffile.TiffFile(source) as file:
            first = _read_directory(file.pages[0])
            if "DNGVersion" not in first:
                return None
            directories = [_read_directory(page) for page in itertools.islice(_walk(file.pages), _MAX_DIRECTORIES)]
            if any(round(tags.get("NewSubfileType", (0,))[0]) & _MASK for tags in directories):
                for tags in (first, *directories):
                    tags.pop("NewRawImageDigest", None)  # it includes the mask, which is not read
            return Tags(_main_raw(directories), first)
    except FileError:
        if source.suffix.lower() == ".dng":
            raise
        return None  # a TIFF-like RAW file of another kind: LibRaw reads it or says why not


def _walk(pages: Any, depth: int = 0) -> Iterator[Any]:
    """Yield the directories of a file and their SubIFDs."""
    for index in range(_MAX_DIRECTORIES):
        try:
            page = pages[index]
        except IndexError:
            return
        yield page
        if page.subifds and depth < _MAX_DEPTH:
            yield from _walk(page.pages, depth + 1)


def _main_raw(directories: list[_Directory]) -> _Directory:
    """Return the directory of the camera's own raw image: not that of a thumbnail, a mask or an enhanced version."""
    raw = [tags for tags in directories if tags.get("PhotometricInterpretation") in ((CFA,), (LINEAR_RAW,))]
    main = [tags for tags in raw if tags.get("NewSubfileType", (0,)) == (0,)]
    if not main:
        raise ValueError("none describes a raw image")
    return max(main, key=lambda tags: tags.get("ImageWidth", (0,))[0] * tags.get("ImageLength", (0,))[0])


def _read_directory(page: Any) -> _Directory:
    tags = [tag for tag in page.tags if tag.name in _WANTED]
    found = {tag.name: _read_values(tag) for tag in reversed(tags)}  # of a tag that is there twice, the first counts
    return {name: values for name, values in found.items() if values}


def _read_values(tag: Any) -> _Values:
    """Return the values of a tag; none if they are no finite numbers."""
    value = tag.value
    if isinstance(value, bytes):
        return value
    numbers = tuple(value) if isinstance(value, tuple | list | np.ndarray) else (value,)
    try:
        if int(tag.dtype) in _RATIONALS:
            numbers = tuple(above / below for above, below in zip(numbers[::2], numbers[1::2], strict=True))
        numbers = tuple(float(number) for number in numbers)
    except (TypeError, ValueError, ArithmeticError):
        return ()
    return numbers if all(math.isfinite(number) for number in numbers) else ()
