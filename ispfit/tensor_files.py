"""Files of tensors with JSON metadata (safetensors): model files and checkpoints. Anybody may have made such a file.

Nothing is unpickled, and no tensor is read before the caller has compared its shape with what it expects.
"""

from __future__ import annotations

import json
import math
import os
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from ispfit.files import atomic_path, printable_path

__all__ = ["TensorFile", "open_tensor_file", "parse_json", "write_tensor_file"]

_MAX_HEADER_BYTES = 1 << 22  # names and shapes of the tensors, and the metadata
_MAX_VALUES = 200_000  # of the metadata
_MAX_DEPTH = 16
_MAX_INTEGER = 1 << 63
_MAX_WEIGHT = 1e30  # beyond which sums of float32 products overflow


@dataclass(frozen=True)
class TensorFile:
    """An open file.

    Parameters
    ----------
    about : the metadata.
    shapes : the shape of each tensor, by name; their data are not read yet.
    file : the open safetensors file.
    """

    about: dict[str, Any]
    shapes: dict[str, tuple[int, ...]]
    file: Any

    def check_shapes(self, expected: Mapping[str, tuple[int, ...]]) -> None:
        """Raise a `ValueError` that names the first tensor that is missing, unknown or of another shape."""
        for name, shape in expected.items():
            if name not in self.shapes:
                raise ValueError(f"it lacks the tensor {name!r}")
            if self.shapes[name] != shape:
                raise ValueError(f"its tensor {name!r} has the shape {self.shapes[name]}, expected {shape}")
        for name in self.shapes:
            if name not in expected:
                raise ValueError(f"its tensor {name[:100]!r} is unknown")

    def read(self, name: str, dtype: torch.dtype) -> Tensor:
        """Read a tensor to the CPU; raise a `ValueError` if it is of another type, or holds NaN or infinite values.

        Floating-point numbers of another precision are converted.
        """
        tensor: Tensor = self.file.get_tensor(name)
        if tensor.is_floating_point() and dtype.is_floating_point:
            tensor = tensor.to(dtype)
        if tensor.dtype != dtype:
            raise ValueError(f"its tensor {name!r} is of type {tensor.dtype}, expected {dtype}")
        if tensor.is_floating_point() and tensor.numel() and not float(tensor.abs().max()) <= _MAX_WEIGHT:
            raise ValueError(f"its tensor {name!r} holds NaN, infinite values or values above {_MAX_WEIGHT:g}")
        return tensor


@contextmanager
def open_tensor_file(path: Path, key: str) -> Iterator[TensorFile]:
    """Open a file that `write_tensor_file` wrote.

    Raises
    ------
    OSError, ValueError
        If the file cannot be read, is not such a file, or has a header that is larger, deeper or has larger numbers
        than any that is written.
    """
    with path.open("rb") as file:
        head = file.read(8)
        size = os.fstat(file.fileno()).st_size
    if len(head) < 8:
        raise ValueError("it is too short")
    (length,) = struct.unpack("<Q", head)
    if length > min(_MAX_HEADER_BYTES, size - 8):
        raise ValueError(f"its header claims {length} bytes")
    try:
        with printable_path(path) as source, safetensors.safe_open(source, "pt", device="cpu") as opened:
            about = parse_json((opened.metadata() or {}).get(key, ""))
            if not isinstance(about, dict):
                raise ValueError("it has no metadata of ispfit")
            shapes = {name: tuple(opened.get_slice(name).get_shape()) for name in opened.keys()}  # noqa: SIM118
            yield TensorFile(about, shapes, opened)
    except safetensors.SafetensorError as error:
        raise ValueError(str(error)) from error


def write_tensor_file(path: Path, key: str, about: str, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors, and metadata as JSON text under `key`, completely or not at all.

    Raises
    ------
    FileError
        If the file cannot be written.
    """
    # clones: safetensors refuses tensors that share memory
    copies = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}
    with atomic_path(path) as temporary:
        temporary.write_bytes(safetensors.torch.save(copies, {key: about}))


def parse_json(text: str) -> Any:
    """Parse JSON of a file; raise a `ValueError` for NaN, infinite or huge numbers, and for deep or endless nesting.

    Examples
    --------
    >>> parse_json('{"hidden": [8, 0.5]}')
    {'hidden': [8, 0.5]}
    >>> parse_json("[1e999]")
    Traceback (most recent call last):
    ...
    ValueError: its metadata holds the number inf
    """
    try:
        parsed = json.loads(text, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise ValueError("its metadata are nested too deeply") from error
    level, count = [parsed], 0
    for _ in range(_MAX_DEPTH):
        count += len(level)
        if count > _MAX_VALUES:
            raise ValueError(f"its metadata hold more than {_MAX_VALUES} values")
        for value in level:
            _check_number(value)
        level = [item for value in level for item in _items(value)]
        if not level:
            return parsed
    raise ValueError("its metadata are nested too deeply")


def _items(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _check_number(value: Any) -> None:
    good = not isinstance(value, int | float) or (
        math.isfinite(value) if isinstance(value, float) else abs(value) <= _MAX_INTEGER
    )
    if not good:
        raise ValueError(f"its metadata holds the number {value if isinstance(value, float) else f'{value:.3e}'}")


def _refuse_constant(name: str) -> None:
    raise ValueError(f"its metadata holds the number {name}")
