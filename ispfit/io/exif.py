"""Read EXIF, a file's record of its shot; see `exif_writer` for writing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ispfit.images import Shot
from ispfit.io.ifd import Directory
from ispfit.io.metadata import Metadata, open_metadata, printable
from ispfit.io.picture_style import read_style

__all__ = ["Exif", "read_exif", "read_style"]

_MAKE, _MODEL, _ORIENTATION, _DATE, _WHITE_POINT, _PRIMARIES = 0x10F, 0x110, 0x112, 0x132, 0x13E, 0x13F
_UNIQUE_CAMERA_MODEL = 0xC614  # of the DNG specification
_EXPOSURE_TIME, _ISO, _DATE_ORIGINAL, _SUBSECONDS, _COLOR_SPACE, _GAMMA = 0x829A, 0x8827, 0x9003, 0x9291, 0xA001, 0xA500
_ISO_BEYOND_SHORT = (0x8832, 0x8831, 0x8833)  # recommended exposure index, standard output sensitivity, ISO speed
_MAX_SHORT = 65535
_TIME = re.compile(r"(\d{4})[:-](\d\d)[:-](\d\d)[T ](\d\d):(\d\d):(\d\d)(\.\d+)?", re.ASCII)
_FRACTION = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(?:/(\d{1,9}))?", re.ASCII)


@dataclass(frozen=True)
class Exif:
    """The EXIF fields of a shot, wherever in its file they are; a field that is missing or invalid is None.

    Parameters
    ----------
    make, model : the camera, as the file spells it.
    iso : ISO speed.
    exposure_time : seconds.
    orientation : 1 to 8, the turn that makes the stored picture upright (Exif 2.32, tag 0x0112).
    interoperability : ``"R03"`` in an Adobe RGB file of the DCF standard, ``"R98"`` in an sRGB one.
    color_space : 1 for sRGB, 65535 for another one (Exif 2.32, tag 0xA001), 2 for Adobe RGB (some cameras').
    chromaticities : x and y of red, green, blue and white (TIFF 6.0, PrimaryChromaticities and WhitePoint).
    gamma : exponent from encoded to linear values (Exif 2.32, tag 0xA500).
    taken : time of capture by the camera's clock, in seconds since 1970.
    """

    make: str | None = None
    model: str | None = None
    iso: float | None = None
    exposure_time: float | None = None
    orientation: int | None = None
    interoperability: str | None = None
    color_space: int | None = None
    chromaticities: tuple[float, ...] | None = None
    gamma: float | None = None
    taken: float | None = None

    @property
    def camera(self) -> str | None:
        """Make and model as one string, see `Shot.camera`."""
        return Shot(make=self.make, model=self.model).camera


def read_exif(source: Path | bytes) -> Exif:
    """Read the EXIF of a file, or of a file's bytes; all fields are None if it has no EXIF or a broken one.

    A field that EXIF lacks is taken from XMP.
    """
    with open_metadata(source) as metadata:
        image, exif, xmp = metadata.image, metadata.exif, metadata.xmp
        orientation = next(iter(image.numbers(_ORIENTATION)), None) or _fraction(xmp.get("tiff:Orientation"))
        space = next(iter(exif.numbers(_COLOR_SPACE)), None) or _fraction(xmp.get("exif:ColorSpace"))
        return Exif(
            make=printable(image.text(_MAKE) or xmp.get("tiff:Make")),
            model=printable(image.text(_MODEL) or xmp.get("tiff:Model")) or printable(image.text(_UNIQUE_CAMERA_MODEL)),
            iso=_iso(metadata),
            exposure_time=_positive(exif, _EXPOSURE_TIME)
            or _positive(image, _EXPOSURE_TIME)
            or _fraction(xmp.get("exif:ExposureTime")),
            orientation=int(orientation) if orientation and orientation in range(1, 9) else None,
            interoperability=printable(metadata.interoperability.text(1)),
            color_space=int(space) if space else None,
            chromaticities=_chromaticities(image),
            gamma=_positive(exif, _GAMMA),
            taken=_capture_time(metadata),
        )


def _iso(metadata: Metadata) -> float | None:
    """Return the ISO speed. The tag for it ends at 65535, which then stands for the value of another tag."""
    exif, xmp = metadata.exif, metadata.xmp
    iso = _positive(exif, _ISO) or _positive(metadata.image, _ISO)
    if iso is None or iso == _MAX_SHORT:
        iso = next((speed for tag in _ISO_BEYOND_SHORT if (speed := _positive(exif, tag))), None)
    return iso or _fraction(xmp.get("exifEX:PhotographicSensitivity")) or _fraction(xmp.get("exif:ISOSpeedRatings"))


def _capture_time(metadata: Metadata) -> float | None:
    """Return when the shot was taken, else when the file was changed, by EXIF or else XMP; seconds since 1970."""
    exif, image, xmp = metadata.exif, metadata.image, metadata.xmp
    digits = re.match(r"\s*([0-9]+)", exif.text(_SUBSECONDS) or "")
    original = f"{exif.text(_DATE_ORIGINAL) or ''}{'.' + digits[1] if digits else ''}"
    times = (original, xmp.get("exif:DateTimeOriginal"), image.text(_DATE), xmp.get("xmp:CreateDate"))
    return next((seconds for time in times if (seconds := _seconds(time or "")) is not None), None)


def _seconds(time: str) -> float | None:
    if (parts := _TIME.match(time.strip())) is None:
        return None
    try:
        whole = datetime(*map(int, parts.groups()[:6]), tzinfo=UTC)  # type: ignore[arg-type, misc]
    except ValueError:
        return None
    return whole.timestamp() + float(parts[7] or 0)


def _positive(directory: Directory, tag: int) -> float | None:
    return next((value for value in directory.numbers(tag) if value > 0), None)


def _chromaticities(image: Directory) -> tuple[float, ...] | None:
    primaries, white = image.numbers(_PRIMARIES), image.numbers(_WHITE_POINT)
    return (*primaries, *white) if (len(primaries), len(white)) == (6, 2) else None


def _fraction(text: str | None) -> float | None:
    """Return a positive number that XMP writes as ``"1/200"`` or ``"0.005"``."""
    if (parts := _FRACTION.fullmatch((text or "").strip())) is None:
        return None
    below = float(parts[2] or 1)
    return float(parts[1]) / below if below and float(parts[1]) else None
