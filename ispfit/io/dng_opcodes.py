"""Apply the opcodes of a DNG: corrections of the raw image that the file asks its reader to make.

Those that change the value of a pixel are applied; see `VALUE_OPCODES`. Those that move pixels (warps, trimmed borders)
or mend bad ones are not. Formats are those of the Adobe DNG Specification 1.7, chapter 7; how a gain map is sampled
and that each result is clipped to [0, 1] follow the reference implementation, DNG SDK 1.7.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ispfit.images import FloatImage

__all__ = ["VALUE_OPCODES", "Opcode", "apply_opcodes", "parse_opcodes"]

_Array = npt.NDArray[np.float32]

_NAMES = {
    1: "WarpRectilinear",
    2: "WarpFisheye",
    3: "FixVignetteRadial",
    4: "FixBadPixelsConstant",
    5: "FixBadPixelsList",
    6: "TrimBounds",
    7: "MapTable",
    8: "MapPolynomial",
    9: "GainMap",
    10: "DeltaPerRow",
    11: "DeltaPerColumn",
    12: "ScalePerRow",
    13: "ScalePerColumn",
    14: "WarpRectilinear2",
}
_MAX_MAP_POINTS = 4096  # on a side of a gain map
_HEADER = struct.Struct(">4L")  # code, version, flags, number of bytes
_AREA = struct.Struct(">8L")
_GAIN_MAP = struct.Struct(">2L4dL")


@dataclass(frozen=True)
class Opcode:
    """One correction: its name in the DNG specification, and its parameters as bytes."""

    name: str
    data: bytes


def parse_opcodes(data: bytes) -> list[Opcode]:
    """Return the opcodes of a list such as OpcodeList2, in their order; none if `data` is empty.

    Raises
    ------
    ValueError
        If the list is cut short.
    """
    found: list[Opcode] = []
    if not data:
        return found
    [count], at = struct.unpack_from(">L", data.ljust(4, b"\0")), 4
    for _ in range(count):
        if at + _HEADER.size > len(data):
            raise ValueError(f"its list of {count} opcodes ends after {len(found)}")
        code, _, _, size = _HEADER.unpack_from(data, at)
        at += _HEADER.size
        if at + size > len(data):
            raise ValueError(f"its list of {count} opcodes ends in opcode {len(found) + 1}")
        found.append(Opcode(_NAMES.get(code, f"opcode {code}"), data[at : at + size]))
        at += size
    return found


def apply_opcodes(opcodes: list[Opcode], samples: FloatImage, shape: tuple[int, int]) -> None:
    """Change samples in place by those of the opcodes that are among `VALUE_OPCODES`.

    Parameters
    ----------
    opcodes : as `parse_opcodes` returns them.
    samples : float32 H x W x planes in [0, 1], linear; the whole active area, at its own size or at half of it.
    shape : height and width of the active area in stored samples, in which the opcodes count.

    Raises
    ------
    ValueError
        If the parameters of an opcode are damaged.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # absurd parameters clip
        for opcode in opcodes:
            if opcode.name == "FixVignetteRadial":
                _fix_vignette(samples, opcode.data)
            elif opcode.name in _AREA_OPCODES:
                _apply_to_area(opcode, samples, shape)


def _apply_to_area(opcode: Opcode, samples: FloatImage, shape: tuple[int, int]) -> None:
    if len(opcode.data) < _AREA.size:
        raise ValueError(f"its {opcode.name} has {len(opcode.data)} bytes")
    top, left, bottom, right, first, n_planes, row_step, column_step = _AREA.unpack_from(opcode.data)
    rows = _positions(top, bottom, row_step, shape[0], samples.shape[0])
    columns = _positions(left, right, column_step, shape[1], samples.shape[1])
    change = _AREA_OPCODES[opcode.name]
    for plane in range(first, min(first + n_planes, samples.shape[2])):
        cut = np.s_[rows.start : rows.stop : rows.step, columns.start : columns.stop : columns.step, plane]
        changed = change(samples[cut], opcode.data[_AREA.size :], rows, columns, samples.shape, plane)
        samples[cut] = np.clip(np.nan_to_num(changed, copy=False, nan=0), 0, 1)


def _positions(start: int, stop: int, step: int, whole: int, length: int) -> range:
    """Return the rows or columns of an area, scaled from `whole` stored samples to `length`."""
    if step < 1:
        raise ValueError("an opcode has a pitch of 0")
    if length == whole:
        return range(min(start, length), min(stop, length), step)
    return range(min(start * length // whole, length), min(-(-stop * length // whole), length))


def _map_table(values: _Array, data: bytes, *_: object) -> _Array:
    [size] = _unpack(">L", data, "MapTable")
    table = _numbers(data[4:], ">u2", size, "MapTable").astype(np.float32) / np.float32(65535)
    if size == 0:
        raise ValueError("its MapTable is empty")
    return np.asarray(table[np.minimum(np.rint(values * 65535).astype(np.int64), size - 1)])


def _map_polynomial(values: _Array, data: bytes, *_: object) -> _Array:
    [degree] = _unpack(">L", data, "MapPolynomial")
    coefficients = _numbers(data[4:], ">f8", degree + 1, "MapPolynomial")
    result = np.full(values.shape, coefficients[-1], np.float32)
    for coefficient in coefficients[-2::-1]:
        result = result * values + np.float32(coefficient)
    return result


def _gain_map(values: _Array, data: bytes, rows: range, columns: range, shape: tuple[int, ...], plane: int) -> _Array:
    n_rows, n_columns, step_y, step_x, start_y, start_x, n_planes = _unpack(_GAIN_MAP.format, data, "GainMap")
    gains = _numbers(data[_GAIN_MAP.size :], ">f4", n_rows * n_columns * n_planes, "GainMap")
    if gains.size == 0:
        raise ValueError("its GainMap is empty")
    if max(n_rows, n_columns) > _MAX_MAP_POINTS or not (step_y > 0 and step_x > 0):
        raise ValueError(f"its GainMap has {n_rows} x {n_columns} points at distances of {step_y:g} and {step_x:g}")
    grid = gains.reshape(n_rows, n_columns, n_planes)[..., min(plane, n_planes - 1)]
    across = _between((np.array(columns) + 0.5) / shape[1], start_x, step_x, n_columns)
    down = _between((np.array(rows) + 0.5) / shape[0], start_y, step_y, n_rows)
    return values * np.asarray(down @ grid @ across.T, np.float32)


def _between(places: npt.NDArray[np.float64], start: float, step: float, n_points: int) -> npt.NDArray[np.float64]:
    """Return the weights of the points of a regular grid at each place, linear between two points: places x points."""
    index = np.clip((places - start) / step, 0, n_points - 1)
    return np.asarray(np.maximum(0, 1 - np.abs(index[:, None] - np.arange(n_points))))


def _per_row(values: _Array, data: bytes, *_: object) -> _Array:
    return _spread(data, len(values), "DeltaPerRow or ScalePerRow")[:, None]


def _per_column(values: _Array, data: bytes, *_: object) -> _Array:
    return _spread(data, values.shape[1], "DeltaPerColumn or ScalePerColumn")[None]


def _spread(data: bytes, length: int, name: str) -> _Array:
    """Return the numbers of an opcode, one for each of `length` rows or columns."""
    [count] = _unpack(">L", data, name)
    numbers = _numbers(data[4:], ">f4", count, name)
    if count == 0:
        raise ValueError(f"its {name} is empty")
    return np.asarray(numbers[np.arange(length) * count // max(length, 1)], np.float32)


def _fix_vignette(samples: FloatImage, data: bytes) -> None:
    """Multiply by 1 + k0 r^2 + k1 r^4 + ... + k4 r^10; r is 1 at the corner that is furthest from the centre."""
    *powers, centre_x, centre_y = _numbers(data, ">f8", 7, "FixVignetteRadial")
    height, width = samples.shape[:2]
    y, x = np.arange(height) + 0.5 - centre_y * height, np.arange(width) + 0.5 - centre_x * width
    furthest = max(centre_y, 1 - centre_y) ** 2 * height**2 + max(centre_x, 1 - centre_x) ** 2 * width**2
    square = np.asarray((y[:, None] ** 2 + x**2) / furthest, np.float32)
    gain = np.zeros_like(square)
    for power in reversed(powers):
        gain = (gain + np.float32(power)) * square
    samples *= 1 + gain[..., None]
    np.clip(samples, 0, 1, out=samples)


def _unpack(layout: str, data: bytes, name: str) -> tuple[Any, ...]:
    if len(data) < struct.calcsize(layout):
        raise ValueError(f"its {name} is cut short")
    return struct.unpack_from(layout, data)


def _numbers(data: bytes, dtype: str, count: int, name: str) -> npt.NDArray[np.float64]:
    if len(data) < count * np.dtype(dtype).itemsize:
        raise ValueError(f"its {name} is cut short")
    numbers = np.frombuffer(data, dtype, count).astype(float)
    if not np.isfinite(numbers).all():
        raise ValueError(f"its {name} has numbers that are not finite")
    return numbers


_AREA_OPCODES: dict[str, Callable[..., _Array]] = {
    "MapTable": _map_table,
    "MapPolynomial": _map_polynomial,
    "GainMap": _gain_map,
    "DeltaPerRow": lambda values, *rest: values + _per_row(values, *rest),
    "DeltaPerColumn": lambda values, *rest: values + _per_column(values, *rest),
    "ScalePerRow": lambda values, *rest: values * _per_row(values, *rest),
    "ScalePerColumn": lambda values, *rest: values * _per_column(values, *rest),
}

VALUE_OPCODES = frozenset(_AREA_OPCODES) | {"FixVignetteRadial"}
"""Names of the opcodes that `apply_opcodes` applies."""
