"""Read and write EXIF, a file's record of its shot."""

from __future__ import annotations

import io
import logging
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import exifread
from PIL import Image as PILImage
from PIL.TiffImagePlugin import IFDRational

from ispfit.images import Shot

__all__ = ["Exif", "make_exif", "read_exif", "read_style"]

logging.getLogger("exifread").addHandler(logging.NullHandler())  # else it prints a warning for each file without EXIF

# exifread has no names for these tags of the DNG specification.
_DNG_VERSION, _UNIQUE_CAMERA_MODEL, _WHITE_LEVEL, _AS_SHOT_NEUTRAL = (
    f"Image Tag 0x{tag:X}" for tag in (0xC612, 0xC614, 0xC61D, 0xC628)
)
_MAX_TEXT_LENGTH = 80  # characters
_STYLE_TAGS = tuple(
    f"MakerNote {name}"
    for name in ("PictureControl", "CreativeStyle", "FilmMode", "PictureMode", "PictureStyle", "ColorMode")
)
_RENDERING_TAGS = ("Contrast", "Saturation", "Sharpness")


@dataclass(frozen=True)
class Exif:
    """The EXIF fields of a shot; a field that is missing or invalid is None.

    Parameters
    ----------
    make, model : the camera, as the file spells it.
    iso : ISO speed.
    exposure_time : seconds.
    orientation : 1 to 8, the turn that makes the stored picture upright (Exif 2.32, tag 0x0112).
    neutral : the DNG tag AsShotNeutral, camera RGB of a neutral surface.
    interoperability : ``"R03"`` in an Adobe RGB file of the DCF standard, ``"R98"`` in an sRGB one.
    dng : True if the file is a DNG.
    white_levels : the DNG tag WhiteLevel; a linear DNG has one level per channel.
    taken : time of capture by the camera's clock, in seconds since 1970.
    """

    make: str | None = None
    model: str | None = None
    iso: float | None = None
    exposure_time: float | None = None
    orientation: int | None = None
    neutral: tuple[float, ...] | None = None
    interoperability: str | None = None
    dng: bool = False
    white_levels: tuple[float, ...] | None = None
    taken: float | None = None


def read_exif(source: Path | bytes) -> Exif:
    """Read the EXIF of a file, or of a file's bytes; all fields are None if it has no EXIF or a broken one."""
    tags = _read_tags(source)
    orientation = _positive_number(tags, "Image Orientation")
    return Exif(
        make=_text(tags, "Image Make"),
        model=_text(tags, "Image Model") or _text(tags, _UNIQUE_CAMERA_MODEL),
        iso=_positive_number(tags, "EXIF ISOSpeedRatings", "EXIF PhotographicSensitivity", "Image ISOSpeedRatings"),
        exposure_time=_positive_number(tags, "EXIF ExposureTime", "Image ExposureTime"),
        orientation=int(orientation) if orientation is not None and 1 <= orientation <= 8 else None,
        neutral=_positive_tuple(tags, _AS_SHOT_NEUTRAL),
        interoperability=_text(tags, "Interoperability InteroperabilityIndex"),
        dng=_DNG_VERSION in tags,
        white_levels=_positive_tuple(tags, _WHITE_LEVEL),
        taken=_capture_time(tags),
    )


def read_style(source: Path) -> str | None:
    """Return the picture style of a shot by the maker's notes, else by EXIF's contrast, saturation and sharpness.

    Examples are ``"VIVID"`` (Nikon's picture control), ``"Velvia"`` and ``"contrast hard, saturation high"``; None if
    the file records neither. The names are the maker's own and only distinguish styles of one camera.
    """
    tags = _read_tags(source, details=True)
    for name in _STYLE_TAGS:
        if (style := _style_name(tags.get(name))) is not None:
            return style
    settings = {name: str(tags[f"EXIF {name}"]).lower() for name in _RENDERING_TAGS if f"EXIF {name}" in tags}
    if not settings:
        return None
    special = [f"{name.lower()} {value}" for name, value in settings.items() if value not in {"normal", "0"}]
    return _printable(", ".join(special)) or "standard"


def _style_name(tag: Any) -> str | None:
    if tag is None:
        return None
    values = tag.values
    if isinstance(values, list) and len(values) > 8 and all(isinstance(value, int) for value in values):
        nikon_name = bytes(value & 0xFF for value in values[4:24])  # after a version of four bytes
        values = nikon_name.decode("ascii", "ignore")
    return _printable(values if isinstance(values, str) else str(tag))


def _read_tags(source: Path | bytes, details: bool = False) -> dict[str, Any]:
    with source.open("rb") if isinstance(source, Path) else io.BytesIO(source) as file:
        try:
            tags: dict[str, Any] = exifread.process_file(file, details=details, extract_thumbnail=False)
        except Exception:  # noqa: BLE001 - exifread fails in any way on a broken EXIF; the pixels may be intact
            return {}
    return tags


def _capture_time(tags: dict[str, Any]) -> float | None:
    text = _text(tags, "EXIF DateTimeOriginal") or _text(tags, "Image DateTime")
    try:
        whole = datetime.strptime(text or "", "%Y:%m:%d %H:%M:%S").replace(tzinfo=UTC).timestamp()
        return whole + float(f"0.{int(_text(tags, 'EXIF SubSecTimeOriginal') or 0)}")
    except (ValueError, OverflowError):
        return None


def make_exif(shot: Shot, orientation: int = 1) -> bytes:
    """Return an EXIF block for an sRGB file: camera, ISO, exposure time, orientation, and sRGB as colour space."""
    exif = PILImage.Exif()
    exif[0x0112] = orientation
    exif.update({tag: text for tag, text in {0x010F: shot.make, 0x0110: shot.model}.items() if text})
    details: dict[int, Any] = {0xA001: 1}
    if shot.exposure_time:
        details[0x829A] = IFDRational(Fraction(shot.exposure_time).limit_denominator(10**6))
    if shot.iso:
        details[0x8827] = round(shot.iso)
    exif.get_ifd(0x8769).update(details)
    return exif.tobytes()


def _values(tags: dict[str, Any], *names: str) -> list[Any]:
    """Return the values of the first of these tags that exists."""
    values: Any = next((tags[name].values for name in names if name in tags), [])
    return list(values) if isinstance(values, list | tuple) else [values]


def _text(tags: dict[str, Any], name: str) -> str | None:
    values = _values(tags, name)
    return _printable(values[0]) if values and isinstance(values[0], str) else None


def _printable(text: str) -> str | None:
    return "".join(letter for letter in text[:_MAX_TEXT_LENGTH] if letter.isprintable()).strip() or None


def _positive_tuple(tags: dict[str, Any], *names: str) -> tuple[float, ...] | None:
    try:
        values = tuple(float(value) for value in _values(tags, *names))
    except (TypeError, ValueError, ArithmeticError):
        return None
    return values if values and all(math.isfinite(value) and value > 0 for value in values) else None


def _positive_number(tags: dict[str, Any], *names: str) -> float | None:
    values = _positive_tuple(tags, *names)
    return values[0] if values else None
