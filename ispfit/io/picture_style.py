"""Read the picture style of a shot: the rendering that the photographer chose, by the name that the maker gives it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from ispfit.io.ifd import Directory, read_directory
from ispfit.io.maker_notes import Maker, maker_directory
from ispfit.io.metadata import open_metadata, printable

__all__ = ["read_style"]

# Exif 2.32, tags Contrast, Saturation and Sharpness.
_SETTINGS = {
    0xA408: ("contrast", ("normal", "soft", "hard")),
    0xA409: ("saturation", ("normal", "low", "high")),
    0xA40A: ("sharpness", ("normal", "soft", "hard")),
}
# The values of the makers' tags are those of exiftool's documentation.
_CANON = {
    0x21: "User Def. 1",
    0x22: "User Def. 2",
    0x23: "User Def. 3",
    0x41: "PC 1",
    0x42: "PC 2",
    0x43: "PC 3",
    0x81: "Standard",
    0x82: "Portrait",
    0x83: "Landscape",
    0x84: "Neutral",
    0x85: "Faithful",
    0x86: "Monochrome",
    0x87: "Auto",
    0x88: "Fine Detail",
    1: "Standard",
    2: "Portrait",
    3: "High Saturation",
    4: "Adobe RGB",
    5: "Low Saturation",
    6: "CM Set 1",
    7: "CM Set 2",
}
_FUJIFILM = {
    0x000: "Provia/Standard",
    0x100: "Studio Portrait",
    0x110: "Studio Portrait Enhanced Saturation",
    0x120: "Astia/Soft",
    0x130: "Studio Portrait Increased Sharpness",
    0x200: "Velvia/Vivid",
    0x300: "Studio Portrait Ex",
    0x400: "Velvia",
    0x500: "Pro Neg. Std",
    0x501: "Pro Neg. Hi",
    0x600: "Classic Chrome",
    0x700: "Eterna/Cinema",
    0x800: "Classic Neg.",
    0x900: "Eterna Bleach Bypass",
    0xA00: "Nostalgic Neg.",
}
_FUJIFILM_MONOCHROME = {
    0x300: "Monochrome",
    0x301: "Monochrome Red Filter",
    0x302: "Monochrome Yellow Filter",
    0x303: "Monochrome Green Filter",
    0x310: "Sepia",
    0x500: "Acros",
    0x501: "Acros Red Filter",
    0x502: "Acros Yellow Filter",
    0x503: "Acros Green Filter",
}
_OLYMPUS = {
    1: "Vivid",
    2: "Natural",
    3: "Muted",
    4: "Portrait",
    5: "i-Enhance",
    6: "e-Portrait",
    7: "Color Creator",
    9: "Color Profile 1",
    10: "Color Profile 2",
    11: "Color Profile 3",
    12: "Monochrome Profile 1",
    13: "Monochrome Profile 2",
    14: "Monochrome Profile 3",
    256: "Monotone",
    512: "Sepia",
}
_PANASONIC = {
    0: "Auto",
    1: "Standard or Custom",
    2: "Vivid",
    3: "Natural",
    4: "Monochrome",
    5: "Scenery",
    6: "Portrait",
    8: "Cinelike D",
    9: "Cinelike V",
    11: "L. Monochrome",
    12: "Like709",
    15: "L. Monochrome D",
    17: "V-Log",
    18: "Cinelike D2",
}
_PANASONIC_FILM = {
    1: "Standard",
    2: "Dynamic",
    3: "Nature",
    4: "Smooth",
    5: "Standard B&W",
    6: "Dynamic B&W",
    7: "Smooth B&W",
    10: "Nostalgic",
    11: "Vibrant",
}
_PENTAX = {
    0: "Natural",
    1: "Bright",
    2: "Portrait",
    3: "Landscape",
    4: "Vibrant",
    5: "Monochrome",
    6: "Muted",
    7: "Reversal Film",
    8: "Bleach Bypass",
    9: "Radiant",
    10: "Cross Processing",
    11: "Flat",
}
_SONY = re.compile(r"[A-Z][A-Za-z0-9 ]{0,15}")


def read_style(source: Path) -> str | None:
    """Return the picture style of a shot by the maker's notes, else by EXIF's contrast, saturation and sharpness.

    Examples are ``"VIVID"`` (Nikon's picture control), ``"Velvia/Vivid"`` (Fujifilm's film simulation) and ``"contrast
    hard, saturation high"``; None if the file records neither. The names are the maker's own and only distinguish
    styles of one camera. If EXIF says that all three are normal, the style is ``"standard"``, unless the camera is of
    a maker who records the style and left it out here. docs/cameras.md lists the makers and their tags.
    """
    with open_metadata(source) as metadata:
        maker, notes = maker_directory(metadata)
        if maker is not None and (style := _STYLES[maker](notes)) is not None:
            return style
        settings = {tag: next(iter(metadata.exif.numbers(tag)), None) for tag in _SETTINGS}
    known = {tag: int(value) for tag, value in settings.items() if value in (0, 1, 2)}
    special = [f"{_SETTINGS[tag][0]} {_SETTINGS[tag][1][value]}" for tag, value in known.items() if value]
    return ", ".join(special) or ("standard" if known and maker is None else None)


def _canon(notes: Directory) -> str | None:
    """Tag 0x00A0 (ProcessingInfo): the first number is its own length in bytes, the eleventh the picture style."""
    values = notes.numbers(0xA0)
    return _name(values[10:11], _CANON) if len(values) > 10 and values[0] == 2 * len(values) else None


def _fujifilm(notes: Directory) -> str | None:
    """Tag 0x1401 (FilmMode), but 0x1003 (Saturation) in the monochrome modes, in which 0x1401 is missing."""
    monochrome = _name(notes.numbers(0x1003)[:1], _FUJIFILM_MONOCHROME)
    return monochrome or _name(notes.numbers(0x1401)[:1], _FUJIFILM, "film mode")


def _nikon(notes: Directory) -> str | None:
    """Tag 0x0023 or 0x00BD (PictureControlData): a version, then the name; before it 0x00A9 (ImageOptimization)."""
    data = notes.data(0x23) or notes.data(0xBD)
    start = {b"01": 4, b"02": 4, b"03": 8}.get(data[:2])
    if start is not None:
        return printable(data[start : start + 20].split(b"\0")[0].decode("ascii", "ignore"))
    return printable(notes.text(0xA9))


def _olympus(notes: Directory) -> str | None:
    """Tags 0x0529 (ArtFilter), if one is on, and 0x0520 (PictureMode) of the directory 0x2020 (CameraSettings)."""
    settings = notes.directory(0x2020)
    found = notes.fields.get(0x2020)
    if found is not None and found.kind == 7:  # the directory itself instead of its place
        settings = read_directory(notes.stream, notes.order, found.position - notes.base, notes.base)
    if (art := settings.numbers(0x529)[:1]) and art != (0,):
        return f"art filter {art[0]}"
    return _name(settings.numbers(0x520)[:1], _OLYMPUS, "picture mode")


def _panasonic(notes: Directory) -> str | None:
    """Tag 0x0089 (PhotoStyle); before it 0x0042 (FilmMode)."""
    film = tuple(value for value in notes.numbers(0x42)[:1] if value)
    return _name(notes.numbers(0x89)[:1], _PANASONIC, "photo style") or _name(film, _PANASONIC_FILM, "film mode")


def _pentax(notes: Directory) -> str | None:
    """Tag 0x004F (ImageTone), called custom image in the manuals."""
    return _name(notes.numbers(0x4F)[:1], _PENTAX, "image tone")


def _sony(notes: Directory) -> str | None:
    """Tag 0xB020 (CreativeStyle), in which newer cameras write their creative look."""
    style = notes.text(0xB020) or ""
    return style if _SONY.fullmatch(style) and style != "None" else None


def _name(value: tuple[float, ...], names: Mapping[int, str], field: str | None = None) -> str | None:
    """Return the name of a tag's value; of one without a name, `field` and the number, which tell styles apart."""
    if not value:
        return None
    return names.get(int(value[0])) or (None if field is None else f"{field} {int(value[0]):#x}")


_STYLES: Mapping[Maker, Callable[[Directory], str | None]] = {
    "canon": _canon,
    "fujifilm": _fujifilm,
    "nikon": _nikon,
    "olympus": _olympus,
    "panasonic": _panasonic,
    "pentax": _pentax,
    "sony": _sony,
}
