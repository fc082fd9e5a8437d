"""Peak memory of a computation."""

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
    """Return the largest total size of the tensors made in a call; tensors that existed before do not count."""
    ledger = _Ledger()
    with torch.no_grad(), ledger:
        function()
    return ledger.peak


class _Ledger(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Records the storage of each tensor that an operation returns, until its last tensor is deleted."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._n_tensors: Counter[int] = Counter()  # by address of their storage
        self._sizes: dict[int, int] = {}
        self._foreign: set[int] = set()  # addresses of storages that existed before
        self.peak = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        for tensor in tree_leaves((args, kwargs)):
            if isinstance(tensor, Tensor) and (address := tensor.untyped_storage().data_ptr()) not in self._sizes:
                self._foreign.add(address)
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor):
                self._record(tensor)
        self.peak = max(self.peak, sum(self._sizes.values()))
        return result

    def _record(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        address = storage.data_ptr()
        if address in self._foreign:
            return
        self._sizes[address] = storage.nbytes()
        self._n_tensors[address] += 1
        weakref.finalize(tensor, self._forget, address)

    def _forget(self, address: int) -> None:
        self._n_tensors[address] -= 1
        if self._n_tensors[address] == 0:
            self._sizes.pop(address, None)
