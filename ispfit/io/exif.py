"""EXIF: what a file says of its shot."""

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

logging.getLogger("exifread").addHandler(logging.NullHandler())  # a file without EXIF is no news for stderr

# Tags of the DNG specification that exifread has no names for.
_DNG_VERSION, _WHITE_LEVEL, _AS_SHOT_NEUTRAL = (f"Image Tag 0x{tag:X}" for tag in (0xC612, 0xC61D, 0xC628))
_LONGEST_NAME = 80
_STYLES = tuple(
    f"MakerNote {name}"
    for name in ("PictureControl", "CreativeStyle", "FilmMode", "PictureMode", "PictureStyle", "ColorMode")
)
_SETTINGS = ("Contrast", "Saturation", "Sharpness")


@dataclass(frozen=True)
class Exif:
    """What EXIF records of a shot; a field that is missing or nonsense is None.

    Parameters
    ----------
    make, model : of the camera.
    iso : ISO speed.
    exposure_time : seconds.
    orientation : 1 to 8, how the stored picture is to be turned (Exif 2.32, tag 0x0112).
    neutral : the DNG tag AsShotNeutral, camera RGB of a neutral surface.
    interoperability : ``"R03"`` in an Adobe RGB file of the DCF standard, ``"R98"`` in an sRGB one.
    dng : whether the file is a DNG.
    white_levels : the DNG tag WhiteLevel, of each channel of a linear DNG.
    taken : when the picture was taken, seconds since 1970 on the camera's clock.
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
    """Read the EXIF of a file, or of the bytes of one. Without EXIF, or with a broken one, all fields are None."""
    tags = _tags(source)
    orientation = _number(tags, "Image Orientation")
    return Exif(
        make=_text(tags, "Image Make"),
        model=_text(tags, "Image Model") or _text(tags, "Image Tag 0xC614"),
        iso=_number(tags, "EXIF ISOSpeedRatings", "EXIF PhotographicSensitivity", "Image ISOSpeedRatings"),
        exposure_time=_number(tags, "EXIF ExposureTime", "Image ExposureTime"),
        orientation=int(orientation) if orientation is not None and 1 <= orientation <= 8 else None,
        neutral=_numbers(tags, _AS_SHOT_NEUTRAL),
        interoperability=_text(tags, "Interoperability InteroperabilityIndex"),
        dng=_DNG_VERSION in tags,
        white_levels=_numbers(tags, _WHITE_LEVEL),
        taken=_time(tags),
    )


def read_style(source: Path) -> str | None:
    """The picture style that a shot was rendered in, by the maker's notes, else by EXIF's contrast and saturation.

    Examples are ``"VIVID"`` (Nikon's picture control), ``"Velvia"`` and ``"contrast hard, saturation high"``; None
    where the file does not tell. The names are the maker's own: they only serve to tell styles of one camera apart.
    """
    tags = _tags(source, details=True)
    for name in _STYLES:
        if (style := _style_name(tags.get(name))) is not None:
            return style
    settings = {name: str(tags[f"EXIF {name}"]).lower() for name in _SETTINGS if f"EXIF {name}" in tags}
    if not settings:
        return None
    special = [f"{name.lower()} {value}" for name, value in settings.items() if value not in {"normal", "0"}]
    return _printable(", ".join(special)) or "standard"


def _style_name(tag: Any) -> str | None:
    if tag is None:
        return None
    values = tag.values
    if isinstance(values, list) and len(values) > 8 and all(isinstance(value, int) for value in values):
        values = bytes(value & 0xFF for value in values[4:24]).decode(
            "ascii", "ignore"
        )  # Nikon's record: version, name
    return _printable(values if isinstance(values, str) else str(tag))


def _tags(source: Path | bytes, details: bool = False) -> dict[str, Any]:
    with source.open("rb") if isinstance(source, Path) else io.BytesIO(source) as file:
        try:
            tags: dict[str, Any] = exifread.process_file(file, details=details, extract_thumbnail=False)
        except Exception:  # noqa: BLE001  A broken EXIF makes exifread stumble in any way; the pixels may be whole.
            return {}
    return tags


def _time(tags: dict[str, Any]) -> float | None:
    text = _text(tags, "EXIF DateTimeOriginal") or _text(tags, "Image DateTime")
    try:
        whole = datetime.strptime(text or "", "%Y:%m:%d %H:%M:%S").replace(tzinfo=UTC).timestamp()
        return whole + float(f"0.{int(_text(tags, 'EXIF SubSecTimeOriginal') or 0)}")
    except (ValueError, OverflowError):
        return None


def make_exif(shot: Shot, orientation: int = 1) -> bytes:
    """EXIF block for an sRGB JPEG, PNG or TIFF: camera, ISO, exposure time, orientation, and sRGB as colour space."""
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
    values: Any = next((tags[name].values for name in names if name in tags), [])
    return list(values) if isinstance(values, list | tuple) else [values]


def _text(tags: dict[str, Any], name: str) -> str | None:
    values = _values(tags, name)
    return _printable(values[0]) if values and isinstance(values[0], str) else None


def _printable(text: str) -> str | None:
    return "".join(letter for letter in text[:_LONGEST_NAME] if letter.isprintable()).strip() or None


def _numbers(tags: dict[str, Any], *names: str) -> tuple[float, ...] | None:
    try:
        values = tuple(float(value) for value in _values(tags, *names))
    except (TypeError, ValueError, ArithmeticError):
        return None
    return values if values and all(math.isfinite(value) and value > 0 for value in values) else None


def _number(tags: dict[str, Any], *names: str) -> float | None:
    values = _numbers(tags, *names)
    return values[0] if values else None
