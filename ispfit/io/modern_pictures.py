"""Read HEIC, AVIF and JPEG XL pictures, by packages that are not everywhere: the extra ``ispfit[heif]``."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image as PILImage
from PIL import features

from ispfit.errors import FileError, decoding
from ispfit.io.boxes import color_codes, jxl_exif
from ispfit.io.listing import MODERN_SUFFIXES
from ispfit.io.orientation import FLIP_OF_ORIENTATION, upright

__all__ = ["INSTALL_HINT", "ModernPicture", "is_readable", "modern_exif", "read_modern_picture"]

Format = Literal["AVIF", "HEIC", "JPEG XL"]

_FORMATS: Mapping[str, Format] = {
    **dict.fromkeys(MODERN_SUFFIXES, "HEIC"),
    ".avif": "AVIF",
    ".jxl": "JPEG XL",
}

INSTALL_HINT = "pip install 'ispfit[heif]'"

_JXL_SIGNATURES = (b"\0\0\0\x0cJXL \r\n\x87\n", b"\xff\x0a")
_AVIF_BRANDS = (b"avif", b"avis")
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_MAX_PIXELS = 250_000_000
_ORIENTATION = 0x112


@dataclass(frozen=True)
class ModernPicture:
    """A decoded picture.

    Parameters
    ----------
    codes : uint8 or uint16, H x W or H x W x 3, the full range of the type, upright.
    profile : the ICC profile, or None.
    color_codes : codes of the primaries and of the transfer function (ITU-T H.273); None if the file has none.
    """

    codes: npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
    profile: bytes | None
    color_codes: tuple[int, int] | None


def is_readable(path: Path) -> bool:
    """Return whether the package that reads files of this suffix is installed; True for any other suffix."""
    return (kind := _FORMATS.get(path.suffix.lower())) is None or _is_installed(kind)


def read_modern_picture(source: Path) -> ModernPicture | None:
    """Decode a HEIC, AVIF or JPEG XL picture; None if the file is none of them, by its first bytes.

    Raises
    ------
    FileError
        If the picture is damaged or too large, or if the package that reads it is not installed.
    """
    with source.open("rb") as file:
        if (kind := _format_of(file)) is None:
            return None
        if not _is_installed(kind):
            raise FileError(f"{source}: is a picture in {kind} format, for which a package is missing: {INSTALL_HINT}.")
        with decoding(source, f"the {kind} picture cannot be decoded"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # large sizes that Pillow accepts, and broken EXIF
            return {"AVIF": _read_avif, "HEIC": _read_heic, "JPEG XL": _read_jxl}[kind](file, source)


def modern_exif(file: BinaryIO) -> bytes:
    """Return the TIFF structure of the EXIF of such a picture; empty if there is none, or the package is missing."""
    kind = _format_of(file)
    if kind == "JPEG XL" and (exif := jxl_exif(file)):
        return exif
    if kind is None or not _is_installed(kind):
        return b""
    file.seek(0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            opened: Any = _open_heic(file) if kind == "HEIC" else _open_by_pillow(file, kind)
            return bytes(opened.info.get("exif") or b"")
    except Exception:  # noqa: BLE001 - the decoder says what is wrong with the file; here it only has no metadata
        return b""


def _format_of(file: BinaryIO) -> Format | None:
    file.seek(0)
    head = file.read(64)
    file.seek(0)
    if head.startswith(_JXL_SIGNATURES):
        return "JPEG XL"
    if head[4:8] != b"ftyp":
        return None
    length = int.from_bytes(head[:4], "big")
    brands = [head[8:12], *(head[place : place + 4] for place in range(16, min(length, len(head)), 4))]
    if any(brand in _AVIF_BRANDS for brand in brands):
        return "AVIF"
    return "HEIC" if any(brand in _HEIC_BRANDS for brand in brands) else None


def _is_installed(kind: Format) -> bool:
    if kind == "AVIF":
        return bool(features.check("avif")) if "avif" in features.modules else False
    return find_spec("pillow_heif" if kind == "HEIC" else "pillow_jxl") is not None


def _read_heic(file: BinaryIO, source: Path) -> ModernPicture:
    picture = _open_heic(file)
    _check_size(picture.size, source)
    codes = np.asarray(picture)
    depth = int(picture.info.get("bit_depth") or 8)
    if codes.dtype == np.uint16:
        codes = np.round(codes * (65535 / (2**depth - 1))).astype(np.uint16)
    return ModernPicture(_without_alpha(codes), picture.info.get("icc_profile"), color_codes(file))


def _read_avif(file: BinaryIO, source: Path) -> ModernPicture:
    with _open_by_pillow(file, "AVIF") as picture:
        _check_size(picture.size, source)
        flip = FLIP_OF_ORIENTATION.get(picture.getexif().get(_ORIENTATION, 1), 0)  # by Pillow from the file's boxes
        codes, profile = np.asarray(_in_rgb(picture)), picture.info.get("icc_profile")
    return ModernPicture(upright(codes, flip), profile, color_codes(file))


def _read_jxl(file: BinaryIO, source: Path) -> ModernPicture:
    with _open_by_pillow(file, "JPEG XL") as picture:
        _check_size(picture.size, source)
        lossless_jpeg = getattr(picture, "jpeg", False)  # then nothing has turned the picture
        flip = FLIP_OF_ORIENTATION.get(picture.getexif().get(_ORIENTATION, 1), 0) if lossless_jpeg else 0
        codes = np.asarray(_in_rgb(picture))
        return ModernPicture(upright(codes, flip), picture.info.get("icc_profile"), None)


def _open_heic(file: BinaryIO) -> Any:
    import pillow_heif

    return pillow_heif.open_heif(file, convert_hdr_to_8bit=False, hdr_to_16bit=False)


def _open_by_pillow(file: BinaryIO, kind: Format) -> PILImage.Image:
    if kind == "JPEG XL":
        import pillow_jxl  # noqa: F401 - it registers its format with Pillow
    return PILImage.open(file, formats=["JXL" if kind == "JPEG XL" else kind])


def _in_rgb(picture: PILImage.Image) -> PILImage.Image:
    if picture.mode.startswith("I;16") or picture.mode in {"RGB", "L"}:
        return picture
    return picture.convert("L" if picture.mode == "LA" else "RGB")


def _without_alpha(codes: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return codes[..., :3] if codes.ndim == 3 and codes.shape[2] > 2 else codes.reshape(*codes.shape[:2], -1)[..., 0]


def _check_size(size: tuple[int, int], source: Path) -> None:
    if size[0] * size[1] > _MAX_PIXELS:
        raise FileError(
            f"{source}: its header claims {size[0]} x {size[1]} pixels; more than {_MAX_PIXELS // 10**6} megapixels "
            "are not read."
        )
