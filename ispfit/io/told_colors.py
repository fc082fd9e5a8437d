"""The colour space that a file tells for its picture, by an ICC profile or otherwise, and the conversion to sRGB."""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

from ispfit.errors import FileError, InputWarning
from ispfit.images import FloatImage
from ispfit.io.color_spaces import ADOBE_RGB, SRGB, RgbSpace, coded_space, convert_to_srgb, gamma_space
from ispfit.io.exif import Exif
from ispfit.io.ifd import Directory, open_tiff
from ispfit.io.png_chunks import PNG_SIGNATURE, png_chunks
from ispfit.io.profiles import Codes, apply_profile

__all__ = ["ToldColors", "modern_colors", "picture_colors", "preview_colors", "to_srgb"]

ToldColors: TypeAlias = bytes | RgbSpace | None
"""An ICC profile, a colour space, or None if the file tells neither: then its colours are taken as sRGB."""

_SRGB_CODE, _ADOBE_CODE, _WIDE_GAMUT_CODE, _UNCALIBRATED = 1, 2, 0xFFFD, 0xFFFF  # of EXIF's ColorSpace
_PREVIEW_COLOR_SPACE, _SUB_IFDS, _WIDTH, _HEIGHT = 0xC71A, 330, 256, 257
_MAX_DIRECTORIES = 64


def to_srgb(codes: Codes, told: ToldColors, source: Path) -> FloatImage:
    """Convert the codes of a picture to encoded sRGB, H x W x 3 in [0, 1], with a warning if that changes them.

    Parameters
    ----------
    codes : uint8 or uint16, H x W (grey), H x W x 3 (RGB), or H x W x 4 (CMYK, 0 = no ink).
    told : what the file tells of their colours.
    source : the file, for the warning.
    """
    if isinstance(told, RgbSpace):
        return convert_to_srgb(apply_profile(codes, None, source), told, source)
    return apply_profile(codes, told, source)


def picture_colors(picture: Path | bytes, profile: bytes | None, exif: Exif, source: Path) -> ToldColors:
    """Return what a JPEG, PNG or TIFF file tells, the first of: PNG's cICP, the ICC profile, PNG's other chunks, EXIF.

    Parameters
    ----------
    picture : the file, or its bytes.
    profile : its ICC profile.
    exif : its EXIF.
    source : the file, for messages.

    Raises
    ------
    FileError
        If the file tells a colour space that is not converted to sRGB.
    """
    with picture.open("rb") if isinstance(picture, Path) else io.BytesIO(picture) as file:
        is_png = file.read(8) == PNG_SIGNATURE
        chunks = {kind: data for kind, data in png_chunks(file) if len(kind) == 4} if is_png else {}
    return _coded_colors(chunks, source) or profile or _described_colors(chunks, source) or _exif_colors([exif], source)


def preview_colors(
    profile: bytes | None, exif: Exif, size: tuple[int, int], raw_exif: Exif, source: Path
) -> ToldColors:
    """Return what is told of a preview, the first of: its ICC profile, its EXIF, a DNG's tag, the EXIF of the RAW file.

    Parameters
    ----------
    profile : its ICC profile.
    exif : its EXIF.
    size : its width and height in pixels as it is stored, by which its directory in a DNG is known.
    raw_exif : the EXIF of the RAW file.
    source : the RAW file.

    Raises
    ------
    FileError
        If the file tells a colour space that is not converted to sRGB.
    """
    if profile is not None:
        return profile
    own = _exif_space(exif, source)
    return own or _dng_preview_space(source, size) or _exif_colors([exif, raw_exif], source)


def modern_colors(profile: bytes | None, codes: tuple[int, int] | None, exif: Exif, source: Path) -> ToldColors:
    """Return what a HEIC, AVIF or JPEG XL file tells, the first of: its ICC profile, its codes of ITU-T H.273, EXIF.

    Raises
    ------
    FileError
        If the file tells a colour space that is not converted to sRGB.
    """
    return profile or (coded_space(*codes, source) if codes else None) or _exif_colors([exif], source)


def _coded_colors(chunks: dict[bytes, bytes], source: Path) -> RgbSpace | None:
    """Return what PNG's chunk cICP tells (PNG specification, third edition, section 11.3.2.6)."""
    if len(codes := chunks.get(b"cICP", b"")) != 4:
        return None
    primaries, transfer, matrix, full_range = codes
    if matrix or full_range != 1:
        raise FileError(
            f"{source}: its colours are coded as video (cICP {primaries}-{transfer}-{matrix}-{full_range}), which is "
            "not converted to sRGB; expected RGB of the full range, matrix 0 and range 1."
        )
    return coded_space(primaries, transfer, source)


def _described_colors(chunks: dict[bytes, bytes], source: Path) -> RgbSpace | None:
    """Return what PNG's chunks sRGB, gAMA and cHRM tell, which count in this order."""
    if b"sRGB" in chunks:
        return SRGB
    gamma, corners = _numbers(chunks.get(b"gAMA"), 1), _numbers(chunks.get(b"cHRM"), 8)
    if not gamma and not corners:
        return None
    name = f"the colour space of its {' and '.join(['gAMA'] * len(gamma) + ['cHRM'] * (len(corners) // 8))}"
    return _usable(gamma_space(name, 1 / gamma[0] if gamma else None, corners[2:] + corners[:2] or None), name, source)


def _numbers(data: bytes | None, count: int) -> tuple[float, ...]:
    """Return the positive numbers in a PNG chunk, integers that stand for multiples of 1/100000; empty if invalid."""
    if data is None or len(data) != 4 * count:
        return ()
    values = struct.unpack(f">{count}I", data)
    return tuple(value / 1e5 for value in values) if any(values) else ()


def _exif_colors(exifs: list[Exif], source: Path) -> RgbSpace | None:
    """Return the first colour space that one of these tells; warn if one tells only that it is not sRGB."""
    for exif in exifs:
        if (space := _exif_space(exif, source)) is not None:
            return space
    if any(exif.color_space == _UNCALIBRATED for exif in exifs):
        text = "its EXIF tells that its colours are not sRGB, but not what they are; taken as sRGB."
        warnings.warn(f"{source}: {text}", InputWarning, stacklevel=3)
    return None


def _exif_space(exif: Exif, source: Path) -> RgbSpace | None:
    """Return the space by ColorSpace, InteroperabilityIndex (Exif 2.32) or else PrimaryChromaticities (TIFF 6.0)."""
    if exif.color_space == _SRGB_CODE:
        if exif.interoperability == "R03":
            text = "its EXIF tells both sRGB (ColorSpace) and Adobe RGB (InteroperabilityIndex); taken as sRGB."
            warnings.warn(f"{source}: {text}", InputWarning, stacklevel=3)
        return SRGB
    if exif.color_space == _ADOBE_CODE or exif.interoperability == "R03":
        return ADOBE_RGB
    if exif.color_space == _WIDE_GAMUT_CODE:
        raise FileError(
            f"{source}: its EXIF tells Wide Gamut RGB (ColorSpace 65533), which is not converted to sRGB; convert the "
            "picture by another program."
        )
    if exif.interoperability == "R98":
        return SRGB
    if exif.chromaticities is not None:
        name = "the colour space of its PrimaryChromaticities"
        return _usable(gamma_space(name, exif.gamma, exif.chromaticities), name, source)
    return None


def _usable(space: RgbSpace | None, name: str, source: Path) -> RgbSpace | None:
    if space is None:
        warnings.warn(f"{source}: {name} is impossible; taken as sRGB.", InputWarning, stacklevel=4)
    return space


def _dng_preview_space(source: Path, size: tuple[int, int]) -> RgbSpace | None:
    """Return what a DNG's tag PreviewColorSpace tells of the preview of this size (DNG Specification 1.7)."""
    with source.open("rb") as file:
        previews = [found for found in _directories(open_tiff(file)) if found.fields.keys() >= {_PREVIEW_COLOR_SPACE}]
        codes = {
            (*each.numbers(_WIDTH), *each.numbers(_HEIGHT)): each.numbers(_PREVIEW_COLOR_SPACE) for each in previews
        }
    code = codes.get(size) or (next(iter(codes.values())) if len(set(codes.values())) == 1 else ())
    if code == (4,):
        raise FileError(
            f"{source}: its preview is in ProPhoto RGB, which is not converted to sRGB; use the camera's JPEG instead."
        )
    return {2: SRGB, 3: ADOBE_RGB}.get(int(code[0])) if code else None


def _directories(first: Directory, depth: int = 0) -> Iterator[Directory]:
    """Yield a directory, those that follow it, and their SubIFDs."""
    directory = first
    for _ in range(_MAX_DIRECTORIES):
        if not directory.fields:
            return
        yield directory
        if depth < 2:
            for offset in directory.numbers(_SUB_IFDS)[:_MAX_DIRECTORIES]:
                yield from _directories(directory.at(int(offset)), depth + 1)
        directory = directory.next()
