"""Where and how to compute: device, precision, seeds."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import lru_cache
from types import FunctionType
from typing import Any, TypeVar, cast

import torch

from ispfit.errors import InputError

__all__ = ["Runtime", "keep_freed_memory", "resolve_runtime", "seeded"]

Function = TypeVar("Function", bound=Callable[..., Any])

_turn = threading.RLock()

_KEPT = 31 << 20  # bytes; glibc's limit is 32 MiB

_PRECISIONS = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Runtime:
    """A device and the precision of its convolutions.

    Parameters
    ----------
    device : where networks run.
    dtype : the low precision of `torch.autocast`, or None for float32 throughout.
    compiler : the backend of `torch.compile` that `compiled` takes; None: it leaves functions as they are.
    """

    device: torch.device
    dtype: torch.dtype | None = None
    compiler: str | None = None

    def autocast(self) -> AbstractContextManager[object]:
        """The context in which networks are called."""
        return nullcontext() if self.dtype is None else torch.autocast(self.device.type, self.dtype)

    def compiled(self, function: Function) -> Function:
        """The function, compiled if that was asked for; on a GPU in graphs that are launched as one."""
        if self.compiler is None:
            return function
        assert isinstance(function, FunctionType)
        captured = self.compiler == "inductor" and self.device.type == "cuda"
        own = FunctionType(  # torch compiles a few variants of any code: this copy has them to itself
            function.__code__.replace(), function.__globals__, function.__name__, function.__defaults__
        )
        compiled: Any = torch.compile(own, backend=self.compiler, mode="reduce-overhead" if captured else None)
        return cast(Function, compiled)

    @property
    def scales_gradients(self) -> bool:
        """Whether gradients would underflow without loss scaling (fp16 only)."""
        return self.dtype is torch.float16


def resolve_runtime(device: str = "auto", precision: str = "auto") -> Runtime:
    """The `Runtime` for the parameters of `ISPModel`.

    Parameters
    ----------
    device : "auto" (a CUDA GPU where there is one, else the CPU), or a torch device such as "cuda:1".
    precision : "auto" (bf16 on a GPU that has it, else fp16 on a GPU, fp32 on a CPU), "fp32", "bf16", "fp16".

    Raises
    ------
    InputError
        If the device cannot be had here, the precision is none of these, or ISPFIT_COMPILE, where it is set, does not
        name a backend of `torch.compile`.
    """
    place = _device(device)
    if precision == "auto":
        precision = "fp32" if place.type != "cuda" else ("bf16" if torch.cuda.is_bf16_supported() else "fp16")
    if precision not in _PRECISIONS:
        raise InputError(f"precision: expected 'auto', 'fp32', 'bf16' or 'fp16', got {precision!r}.")
    if precision == "fp16" and place.type == "cpu":
        raise InputError("precision: 'fp16' needs a GPU; use 'bf16' or 'fp32' on a CPU.")
    return Runtime(place, _PRECISIONS[precision], _compiler())


def _compiler() -> str | None:
    name = os.environ.get("ISPFIT_COMPILE") or None
    if name and name not in torch.compiler.list_backends(()):  # those for debugging too
        known = ", ".join(torch.compiler.list_backends())
        raise InputError(f"ISPFIT_COMPILE: expected a backend of torch.compile ({known}), got {name!r}.")
    return name


def _device(device: str) -> torch.device:
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        place = torch.device(device)
        torch.empty(0, device=place)
    except (RuntimeError, AssertionError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"device: {device!r} cannot be used here ({reason}); use 'auto' or 'cpu'.") from error
    return place


@lru_cache(maxsize=1)
def keep_freed_memory() -> None:
    """Have the C library keep memory that is freed rather than give it back and ask for it again, once a process.

    glibc raises its thresholds for this when it frees a block of its largest size (mallopt(3), M_MMAP_THRESHOLD). Else
    each map of each tile is paid for in page faults: a histogram pyramid rendered 1.6 times slower on two cores.
    """
    torch.empty(_KEPT, dtype=torch.uint8)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Run a block with torch's global generators seeded, and put them back as they were.

    The generators belong to all threads: blocks in several threads take turns, else none would be repeatable.
    """
    devices = list(range(torch.cuda.device_count()))
    with _turn, torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        yield
