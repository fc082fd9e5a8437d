"""The images of a training run as tensors: in integer codes if that is lossless, and on the device if they fit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ispfit.codes import CODE_OF_ONE, to_integer_codes
from ispfit.images import Image, ImageList, codes_of

__all__ = ["DeviceImages", "decode", "usable_bytes"]

_MEMORY_FRACTION = 0.8  # of a GPU's free memory


class DeviceImages:
    """Images as tensors of codes, H x W x 3, which `decode` converts to pixels.

    On a CPU the tensors share the memory of the arrays, or of the memory-mapped files of the cache, so that only the
    windows in use are read. On another device an image is encoded and copied there when it is first used, and stays
    there if it fits.

    Parameters
    ----------
    images : inputs or targets.
    device : where the tensors are needed.
    max_bytes : memory of the device that these images may occupy; see `usable_bytes`.
    """

    def __init__(self, images: Sequence[Image], device: torch.device, max_bytes: int = 0) -> None:
        self._images, self._device = images, device
        self._on_device: dict[int, Tensor] = {}
        self._free_bytes = max_bytes

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> Tensor:
        if index in self._on_device:
            return self._on_device[index]
        codes = self._codes(index)
        if self._device.type == "cpu":
            return _to_tensor(codes)
        tensor = _to_tensor(to_integer_codes(codes) if codes.dtype == np.float32 else codes).to(self._device)
        if tensor.nbytes <= self._free_bytes:
            self._on_device[index] = tensor
            self._free_bytes -= tensor.nbytes
        return tensor

    def _codes(self, index: int) -> npt.NDArray[Any]:
        codes = codes_of(self._images.sources[index] if isinstance(self._images, ImageList) else self._images[index])
        return np.asarray(self._images[index] if codes is None else codes)


def decode(codes: Tensor) -> Tensor:
    """Convert codes of `DeviceImages` to float32 pixels in [0, 1]; float32 is returned unchanged."""
    if codes.dtype == torch.float32:
        return codes
    if codes.dtype == torch.int16:
        return (codes.int() & 0xFFFF).float() / CODE_OF_ONE[np.dtype(np.uint16)]
    return codes.float() / CODE_OF_ONE[np.dtype(np.uint8)]


def usable_bytes(device: torch.device) -> int:
    """Return the memory of a device that all images together may occupy: most of a GPU's free memory, else 0."""
    return int(_MEMORY_FRACTION * torch.cuda.mem_get_info(device)[0]) if device.type == "cuda" else 0


def _to_tensor(codes: npt.NDArray[Any]) -> Tensor:
    """Return a tensor that shares the memory of the codes, which must not be written to.

    Returns
    -------
    uint8, float32, or int16 with the bits of uint16, which torch cannot index.
    """
    codes = np.ascontiguousarray(codes)
    return torch.from_numpy(np.asarray(_Writeable(codes.view(np.int16) if codes.dtype == np.uint16 else codes)))


class _Writeable:
    """Presents read-only memory as writeable: torch warns of read-only memory even if nothing writes to it."""

    def __init__(self, codes: npt.NDArray[Any]) -> None:
        self._codes = codes
        self.__array_interface__ = codes.__array_interface__ | {"data": (codes.ctypes.data, False)}
