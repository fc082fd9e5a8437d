"""How much memory a computation holds at its peak."""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

__all__ = ["peak_bytes"]


def peak_bytes(function: Callable[[], Any]) -> int:
    """Most bytes that the tensors made in a call held together; those that existed before do not count."""
    ledger = _Ledger()
    with torch.no_grad(), ledger:
        function()
    return ledger.peak


class _Ledger(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes the storage of each tensor that an operation returns, until the last tensor on it is gone."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._tensors: Counter[int] = Counter()
        self._sizes: dict[int, int] = {}
        self._foreign: set[int] = set()
        self.peak = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        for tensor in tree_leaves((args, kwargs)):
            if isinstance(tensor, Tensor) and (place := tensor.untyped_storage().data_ptr()) not in self._sizes:
                self._foreign.add(place)
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor):
                self._note(tensor)
        self.peak = max(self.peak, sum(self._sizes.values()))
        return result

    def _note(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        place = storage.data_ptr()
        if place in self._foreign:
            return
        self._sizes[place] = storage.nbytes()
        self._tensors[place] += 1
        weakref.finalize(tensor, self._forget, place)

    def _forget(self, place: int) -> None:
        self._tensors[place] -= 1
        if self._tensors[place] == 0:
            self._sizes.pop(place, None)
