"""Compute white-balanced camera RGB from the samples of an open RAW file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rawpy
from scipy import ndimage

from ispfit.errors import FileError
from ispfit.images import FloatImage
from ispfit.io.dng_facts import Area, DngFacts, stretch_to_square
from ispfit.io.dng_levels import apply_opcode_list, libraw_knows_levels, linear_light
from ispfit.io.dng_lossy import LOSSY_JPEG, decode_lossy_tiles

__all__ = ["camera_rgb", "has_rgb_pixels", "libraw_picture"]

_MIN_XTRANS_SIDE_PX = 512  # LibRaw's own method for X-Trans fails on images smaller than its tile
_CODE_OF_ONE = 65535
_MAX_LOST_PX = 1  # of an active area that begins at an odd row or column, LibRaw leaves out the first


def has_rgb_pixels(raw: Any) -> bool:
    """Return whether each pixel already has all of its colours, as in a linear DNG."""
    return bool(raw.raw_type != rawpy.RawType.Flat)


def camera_rgb(raw: Any, source: Path, facts: DngFacts | None, half_size: bool, gains: Sequence[float]) -> FloatImage:
    """Return white-balanced camera RGB of the camera's crop box, H x W x 3, not turned; each channel ends at its gain.

    Parameters
    ----------
    raw : an open `rawpy.RawPy`.
    source : its file.
    facts : of a DNG; None for other files, whose levels and crop box are those that LibRaw finds.
    half_size : True to average each 2 x 2 cell of the mosaic into one pixel.
    gains : white balance of R, G, B.

    Raises
    ------
    FileError
        If the file is damaged.
    """
    if facts is not None and (raw.sizes.raw_height, raw.sizes.raw_width) != (facts.height, facts.width):
        raise FileError(
            f"{source}: its raw image has {facts.width} x {facts.height} pixels, but LibRaw reads another one of "
            f"{raw.sizes.raw_width} x {raw.sizes.raw_height} pixels; convert it with Adobe DNG Converter."
        )
    if facts is not None and facts.linear:
        return _linear_dng(raw, source, facts, half_size, gains)
    if facts is not None and facts.cfa is not None and facts.cfa.shape == (2, 2):
        _check_bayer_cell(raw, facts.cfa, facts, source)
    return _mosaic(raw, source, facts, half_size, gains)


def _check_bayer_cell(raw: Any, cfa: npt.NDArray[np.uint8], facts: DngFacts, source: Path) -> None:
    """Raise a `FileError` if LibRaw takes the colour filters of a mosaic for others than the file says."""
    visible = _visible_area(raw.sizes)
    told = np.roll(cfa, (facts.active_area[0] - visible[0], facts.active_area[1] - visible[1]), (0, 1))
    seen = np.where(raw.raw_pattern == 3, 1, raw.raw_pattern)  # 3 is the second green
    if not np.array_equal(told, seen):
        names = ("".join("RGB"[color] for color in cell.ravel()) for cell in (told, seen))
        raise FileError(
            f"{source}: its colour filters are {next(names)}, but LibRaw takes them for {next(names)}; convert it with "
            "Adobe DNG Converter."
        )


def _linear_dng(raw: Any, source: Path, facts: DngFacts, half_size: bool, gains: Sequence[float]) -> FloatImage:
    if facts.compression == LOSSY_JPEG:
        light = linear_light(decode_lossy_tiles(source, facts), facts, 255, source)
    else:
        light = linear_light(raw.raw_image[..., :3], facts, raw.white_level, source)
    apply_opcode_list(3, light, facts, source)
    light = _cut(light, facts.active_area, facts.crop, 1)
    return _enlarge(_halve(light) if half_size else light, facts.stretch) * np.array(gains, np.float32)


def _mosaic(raw: Any, source: Path, facts: DngFacts | None, half_size: bool, gains: Sequence[float]) -> FloatImage:
    visible = _visible_area(raw.sizes)  # before demosaicing, which changes the sizes
    box = _crop_box(raw.sizes, visible) if facts is None else facts.crop
    normalized = facts is not None and not libraw_knows_levels(facts, source)
    if facts is not None and normalized:
        top, left, bottom, right = facts.active_area
        light = linear_light(raw.raw_image[..., None], facts, raw.white_level, source)[..., 0]
        raw.raw_image[top:bottom, left:right] = np.rint(light * _CODE_OF_ONE)
    begins_inside_cell = any((box[side] - visible[side]) % 2 for side in (0, 1))
    by_cells = half_size and not begins_inside_cell
    stretch = stretch_to_square(raw.sizes.pixel_aspect, 1.0)
    light = _shrink(_demosaic_by_libraw(raw, by_cells, gains, normalized), stretch)
    if facts is not None and facts.opcodes[2]:
        light /= np.array(gains, np.float32)
        apply_opcode_list(3, light, facts, source)
        light *= np.array(gains, np.float32)
    light = _cut(light, visible, box, 2 if by_cells else 1)
    return _enlarge(_halve(light) if half_size and not by_cells else light, stretch)


def _demosaic_by_libraw(raw: Any, half_size: bool, gains: Sequence[float], normalized: bool) -> FloatImage:
    """Return white-balanced camera RGB of the visible area, H x W x 3.

    Parameters
    ----------
    normalized : True if black is 0 and white `_CODE_OF_ONE` by now, whatever the file says.
    """
    range_of_channel = raw.white_level - np.array(raw.black_level_per_channel, float)
    # LibRaw scales all channels by the range of the one with the lowest black.
    shares = np.ones(4) if normalized else range_of_channel.max() / range_of_channel
    multipliers = np.array([*gains, gains[1]]) * shares
    levels = {"user_black": 0, "user_cblack": [0] * 4, "user_sat": _CODE_OF_ONE} if normalized else {}
    small_xtrans = raw.raw_pattern.shape == (6, 6) and min(raw.sizes.height, raw.sizes.width) < _MIN_XTRANS_SIDE_PX
    codes = raw.postprocess(
        gamma=(1, 1),
        no_auto_bright=True,
        output_color=rawpy.ColorSpace.raw,
        output_bps=16,
        adjust_maximum_thr=0,
        use_camera_wb=False,
        user_wb=multipliers.tolist(),
        user_flip=0,
        half_size=half_size,
        demosaic_algorithm=rawpy.DemosaicAlgorithm.LINEAR if small_xtrans and not half_size else None,
        highlight_mode=rawpy.HighlightMode.Ignore,  # divides by the largest multiplier: nothing is clipped
        **levels,
    )
    return np.asarray(codes, np.float32) * np.float32(multipliers.max() / 65535)


def libraw_picture(raw: Any, facts: DngFacts | None, **options: Any) -> npt.NDArray[np.uint8]:
    """Return LibRaw's own rendering of the camera's crop box, H x W x 3 with 8 bits, not turned.

    Parameters
    ----------
    **options : of `rawpy.RawPy.postprocess`.
    """
    visible = _visible_area(raw.sizes)
    box = _crop_box(raw.sizes, visible) if facts is None else facts.crop
    picture: npt.NDArray[np.uint8] = _cut(raw.postprocess(user_flip=0, output_bps=8, **options), visible, box, 1)
    return picture


def _visible_area(sizes: Any) -> Area:
    top, left = sizes.top_margin, sizes.left_margin
    return top, left, top + sizes.height, left + sizes.width


def _crop_box(sizes: Any, visible: Area) -> Area:
    """Return the camera's crop box as LibRaw finds it, or the visible area if it finds none inside of that."""
    top, left = sizes.crop_top_margin, sizes.crop_left_margin
    bottom, right = top + sizes.crop_height, left + sizes.crop_width
    inside = top >= visible[0] and left >= visible[1] and bottom <= visible[2] and right <= visible[3]
    return (top, left, bottom, right) if inside and bottom > top and right > left else visible


def _cut(image: Any, covers: Area, box: Area, cell: int) -> Any:
    """Cut a box of stored pixels out of an image; a row or column that the image lacks at its start is repeated.

    Parameters
    ----------
    covers : the part of the stored pixels that the image shows.
    box : the part to return.
    cell : stored pixels on a side of a pixel of the image. An image of another shape, such as that of a sensor whose
        pixels lie at 45 degrees, is returned whole.
    """
    height, width = (-(-(covers[axis + 2] - covers[axis]) // cell) for axis in (0, 1))
    if box == covers or image.shape[:2] not in ((height, width), (height - 1, width), (height, width - 1)):
        return image
    lost = [min(max(covers[axis] - box[axis], 0), _MAX_LOST_PX) for axis in (0, 1)]
    if any(lost):
        image = np.pad(image, [(lost[0], 0), (lost[1], 0), (0, 0)], mode="edge")
    top, left = (max(0, box[axis] - covers[axis] + lost[axis]) // cell for axis in (0, 1))
    height, width = (max(1, (box[axis + 2] - box[axis]) // cell) for axis in (0, 1))
    return image[top : top + height, left : left + width]


def _halve(image: FloatImage) -> FloatImage:
    """Return the mean of each cell of 2 x 2 pixels; an odd last row or column is left out."""
    height, width = (side // 2 for side in image.shape[:2])
    cells = image[: 2 * height, : 2 * width].reshape(height, 2, width, 2, -1)
    halved: npt.NDArray[np.float32] = cells.mean((1, 3), dtype=np.float32)
    return halved


def _shrink(image: FloatImage, factors: tuple[float, float]) -> FloatImage:
    """Return an image without the rows and columns that LibRaw repeated to make its pixels square; see `_enlarge`."""
    for axis, factor in enumerate(factors):
        if factor > 1:
            first = np.ceil(np.arange(round(image.shape[axis] / factor)) * factor - 1e-3).astype(int)
            image = np.take(image, np.minimum(first, image.shape[axis] - 1), axis)
    return image


def _enlarge(image: FloatImage, factors: tuple[float, float]) -> FloatImage:
    """Return an image with its height and width multiplied by two factors, linear between the centres of pixels."""
    if factors == (1.0, 1.0):
        return image
    shape = [int(side * factor + 0.501) for side, factor in zip(image.shape, factors, strict=False)]
    steps = np.array([1 / factors[0], 1 / factors[1], 1.0])
    stretched: FloatImage = ndimage.affine_transform(
        image, steps, (steps - 1) / 2, output_shape=(*shape, 3), order=1, mode="nearest"
    )
    return stretched
