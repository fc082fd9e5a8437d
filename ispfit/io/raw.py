"""Read raw images: RAW files by LibRaw, linear TIFF and plugins' files by their registered readers."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import rawpy

from ispfit.errors import FileError, InputError, WhiteBalanceError, decoding
from ispfit.files import printable_path
from ispfit.images import Image, Shot
from ispfit.io.camera_rgb import camera_rgb
from ispfit.io.dng_digest import check_raw_digest
from ispfit.io.dng_facts import DngFacts, read_dng_facts
from ispfit.io.dng_jpeg import check_jpeg_tiles
from ispfit.io.dng_kinds import check_dng_kind
from ispfit.io.dng_levels import warn_of_opcodes
from ispfit.io.dng_lossy import LOSSY_JPEG
from ispfit.io.dng_white import camera_neutral
from ispfit.io.exif import Exif, read_exif
from ispfit.io.listing import SRGB_SUFFIXES, TIFF_SUFFIXES, check_file
from ispfit.io.orientation import upright
from ispfit.io.raw_damage import check_raw_samples
from ispfit.io.registered_readers import call_reader
from ispfit.io.tiff_tail import warn_of_tail
from ispfit.plugins.manager import Registered, raw_readers
from ispfit.plugins.specs import RawReader
from ispfit.resize import Size, check_size, resize_area

__all__ = ["Gains", "Highlights", "open_raw", "raw_shot", "read_raw"]

Gains = tuple[float, float, float]
Highlights = Literal["clip", "keep", "scale"]

_MAX_PIXELS = 250_000_000
_MAX_GAIN_RATIO = 64.0


def read_raw(
    path: str | os.PathLike[str],
    *,
    size: Size | None = None,
    half_size: bool = False,
    highlights: Highlights = "clip",
    white_balance: Sequence[float] | None = None,
) -> Image:
    """Read a RAW file as linear, demosaiced, white-balanced camera RGB.

    LibRaw subtracts the black level of each channel, scales by the white level and demosaics (AHD; X-Trans by its
    own method); a linear DNG is only scaled. Levels, crop box and opcodes (such as gain maps against lens shading) of a
    DNG are those of its tags; docs/cameras.md lists what is applied and what is refused. The result is cut to the
    camera's crop box and turned upright. White balance multiplies each channel by its gain, green by 1, so that 1 is
    the level at which the sensor's green saturates. A ``.tif`` or ``.tiff`` file must hold such an image already: its
    16-bit codes are divided by 65535, its floats are left unchanged. Plugins add readers of other files (the hook
    ``ispfit_raw_readers``).

    Parameters
    ----------
    path : the file; its suffix decides between a registered reader and LibRaw.
    size : longer side in pixels, at most, or the exact (height, width), reached by averaging areas in linear light; see
        `resize_area`. None keeps the size.
    half_size : average each 2 x 2 cell of the mosaic into one pixel instead of demosaicing: half the size, much faster.
    highlights : how values above 1 are treated. Where the sensor saturates, red and blue equal their gain.
        ``"clip"``: all values are clipped to [0, 1], so that saturated areas are neutral white as in the camera's own
        picture; if a gain is less than 1, all are first divided by the smallest. ``"keep"``: values up to the largest
        gain are kept. ``"scale"``: all values are divided by the largest gain; nothing is lost and 1 is the largest
        value that can occur, but green saturates below 1.
    white_balance : gains of R, G, B that replace those of the file; only their ratios to green matter.

    Returns
    -------
    Image, float32 H x W x 3, not below 0. Its ``shot`` holds camera and exposure as the file records them, and the
    gains that were applied.

    Raises
    ------
    FileError
        If the file cannot be read, is damaged, or is of a kind that has no camera RGB (monochrome, stacked).
    WhiteBalanceError
        If the RAW file has no usable white balance and `white_balance` is not given.
    InputError
        If a parameter is invalid, or `size` is larger than the image.

    Notes
    -----
    LibRaw demosaics in OpenMP threads, which deadlock in a process that was forked after they were first used: decode
    in spawned workers, such as joblib's.
    """
    source = check_file(path)
    if highlights not in get_args(Highlights):
        raise InputError(f"highlights: expected one of {', '.join(get_args(Highlights))}, got {highlights!r}.")
    gains = None if white_balance is None else _parse_gains(white_balance)
    target = None if size is None else check_size(size)
    reader = raw_readers().get(source.suffix.lower())
    with decoding(source):
        if reader is None:
            image = _read_by_libraw(source, half_size, highlights, gains)
        else:
            image = _read_registered(reader, source, half_size, highlights, gains)
    return image if target is None else resize_area(image, target)


@contextmanager
def open_raw(source: Path) -> Iterator[Any]:
    """Open a RAW file as a `rawpy.RawPy`; any exception in the block becomes a `FileError`, see `decoding`."""
    hint = "It is damaged, cut short or of an unknown kind."
    if source.suffix.lower() in SRGB_SUFFIXES:
        hint = "It has the suffix of a rendered image: use read_srgb."
    with decoding(source, "LibRaw cannot read it", hint), printable_path(source) as path, rawpy.RawPy() as raw:
        raw.open_file(str(path))  # reads the header only, so that an absurd size costs nothing
        if raw.sizes.raw_height * raw.sizes.raw_width > _MAX_PIXELS:
            raise FileError(
                f"{source}: its header claims {raw.sizes.raw_width} x {raw.sizes.raw_height} pixels; more than "
                f"{_MAX_PIXELS // 10**6} megapixels are not read."
            )
        yield raw


def raw_shot(raw: Any, exif: Exif, source: Path, gains: Gains | None = None) -> Shot:
    """Return the `Shot` of an open RAW file by its EXIF; LibRaw's own fields fill what EXIF lacks."""
    make, model = exif.make, exif.model
    if make is None and model is None:
        make, model = _camera_of_preview(raw, source)
    return Shot(
        name=source.stem,
        make=make,
        model=model,
        iso=exif.iso or _positive_or_none(raw.other.iso_speed),
        exposure_time=exif.exposure_time or _positive_or_none(raw.other.shutter_speed),
        white_balance=gains,
    )


def _read_registered(
    reader: Registered[RawReader], source: Path, half_size: bool, highlights: Highlights, gains: Gains | None
) -> Image:
    image = call_reader(reader, source)
    if gains is not None:
        kind = "TIFF" if source.suffix.lower() in TIFF_SUFFIXES else source.suffix
        raise InputError(f"{source}: a {kind} file is white-balanced already; white_balance is for RAW files.")
    image = Image(np.minimum(image, 1), image.shot) if highlights == "clip" else image
    return resize_area(image, (image.shape[0] // 2, image.shape[1] // 2)) if half_size else image


def _read_by_libraw(source: Path, half_size: bool, highlights: Highlights, gains: Gains | None) -> Image:
    exif, facts = read_exif(source), read_dng_facts(source)
    if facts is not None:
        check_dng_kind(facts, source)
        warn_of_opcodes(facts, source)
        warn_of_tail(source, stacklevel=4)
    with open_raw(source) as raw:
        check_raw_samples(raw, source, facts)
        if facts is not None and facts.compression != LOSSY_JPEG and not check_raw_digest(raw, source, facts):
            check_jpeg_tiles(raw.raw_image, facts, source)
        gains = gains or _as_shot_gains(raw, facts, source)
        shot, flip = raw_shot(raw, exif, source, gains), raw.sizes.flip
        light = camera_rgb(raw, source, facts, half_size, gains)
    white = {"clip": min(gains), "keep": 1.0, "scale": max(gains)}[highlights]
    pixels = np.ascontiguousarray(upright(light, flip)) / np.float32(white)
    return Image(np.minimum(pixels, 1) if highlights == "clip" else pixels, shot)


def _as_shot_gains(raw: Any, facts: DngFacts | None, source: Path) -> Gains:
    """Return the white balance of the shot: that of a DNG's tags, else what LibRaw found in the maker's notes."""
    neutral = () if facts is None else camera_neutral(facts)
    if len(neutral) == 3:
        gains = [1 / value for value in neutral]
    else:
        gains = list(raw.camera_whitebalance)[:3]
        if len(set(gains)) == 1:  # LibRaw's placeholder if it found none
            gains = [0.0, 0.0, 0.0]
    if not _are_plausible(gains):
        raise WhiteBalanceError(
            f"{source}: carries no usable white balance (got {[float(f'{gain:.4g}') for gain in gains]}); pass its "
            "gains as white_balance=(r, g, b)."
        )
    return _relative_to_green(gains)


def _parse_gains(gains: Sequence[float]) -> Gains:
    if len(gains) != 3 or not _are_plausible(gains):
        raise InputError(f"white_balance: expected three positive gains (r, g, b), got {tuple(gains)}.")
    return _relative_to_green(gains)


def _are_plausible(gains: Sequence[float]) -> bool:
    if not all(math.isfinite(gain) and gain > 0 for gain in gains):
        return False
    return max(gains) / min(gains) <= _MAX_GAIN_RATIO


def _relative_to_green(gains: Sequence[float]) -> Gains:
    red, green, blue = (float(gain) for gain in gains)
    return red / green, 1.0, blue / green


def _camera_of_preview(raw: Any, source: Path) -> tuple[str | None, str | None]:
    """Return make and model as LibRaw adds them to the EXIF of a preview without one; rawpy has no other access."""
    try:
        with decoding(source):
            preview = raw.extract_thumb()
    except FileError:
        return None, None
    exif = read_exif(preview.data) if preview.format == rawpy.ThumbFormat.JPEG else Exif()
    return exif.make, exif.model


def _positive_or_none(number: float) -> float | None:
    return float(number) if math.isfinite(number) and number > 0 else None
