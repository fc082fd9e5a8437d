"""The images that a run trains on, as tensors: kept on the device while it has room, in as few bits as they need."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ispfit.codes import CODE_OF_ONE, to_integer_codes
from ispfit.images import Image, ImageList

__all__ = ["ResidentImages", "decode"]

_SHARE = 0.4  # of a GPU's free memory, for the images of one side


class ResidentImages:
    """Images as tensors of codes, H x W x 3, which `decode` turns into pixels.

    On a CPU they are the arrays themselves, or memory maps of the cache's files, of which only what is used is read. On
    another device each is encoded and moved there when it is first used, and stays while there is room.

    Parameters
    ----------
    images : inputs or targets.
    device : where they are needed.
    room : bytes of the device to keep images in; None is a share of what is free.
    """

    def __init__(self, images: Sequence[Image], device: torch.device, room: int | None = None) -> None:
        self._images, self._device = images, device
        self._kept: dict[int, Tensor] = {}
        self._room = _free(device) if room is None else room

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> Tensor:
        if index in self._kept:
            return self._kept[index]
        codes = self._codes(index)
        if self._device.type == "cpu":
            return _to_tensor(codes)
        tensor = _to_tensor(to_integer_codes(codes) if codes.dtype == np.float32 else codes).to(self._device)
        if tensor.nbytes <= self._room:
            self._kept[index] = tensor
            self._room -= tensor.nbytes
        return tensor

    def _codes(self, index: int) -> npt.NDArray[Any]:
        source = self._images.sources[index] if isinstance(self._images, ImageList) else self._images[index]
        codes = getattr(source, "codes", None)
        return np.asarray(self._images[index] if codes is None else codes)


def _free(device: torch.device) -> int:
    return int(_SHARE * torch.cuda.mem_get_info(device)[0]) if device.type == "cuda" else 0


def _to_tensor(codes: npt.NDArray[Any]) -> Tensor:
    """Codes as a tensor on the same memory, not to be written to.

    Returns
    -------
    uint8, float32, or int16 that holds the bits of uint16, which torch cannot index.
    """
    codes = np.ascontiguousarray(codes)
    return torch.from_numpy(np.asarray(_Writeable(codes.view(np.int16) if codes.dtype == np.uint16 else codes)))


def decode(codes: Tensor) -> Tensor:
    """Codes of `ResidentImages` as float32 in [0, 1]; float32 is returned as it is."""
    if codes.dtype == torch.float32:
        return codes
    if codes.dtype == torch.int16:
        return (codes.int() & 0xFFFF).float() / CODE_OF_ONE[np.dtype(np.uint16)]
    return codes.float() / CODE_OF_ONE[np.dtype(np.uint8)]


class _Writeable:
    """Memory that says it can be written to: torch warns of any other, though it is only read."""

    def __init__(self, codes: npt.NDArray[Any]) -> None:
        self._codes = codes
        self.__array_interface__ = codes.__array_interface__ | {"data": (codes.ctypes.data, False)}
