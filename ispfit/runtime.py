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

_generator_lock = threading.RLock()

_LARGEST_FREED_BLOCK_BYTES = 31 << 20  # just below the limit of glibc, 32 MiB

_PRECISIONS = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Runtime:
    """A device and the precision of its convolutions.

    Parameters
    ----------
    device : where networks run.
    dtype : the low precision of `torch.autocast`, or None for float32 throughout.
    compiler : a backend of `torch.compile`, or None to compile nothing.
    """

    device: torch.device
    dtype: torch.dtype | None = None
    compiler: str | None = None

    def autocast(self) -> AbstractContextManager[object]:
        """Return the context in which to call networks."""
        return nullcontext() if self.dtype is None else torch.autocast(self.device.type, self.dtype)

    @contextmanager
    def inference(self) -> Iterator[None]:
        """Return the context in which to render: without gradients and, in float32 on a GPU, without TF32.

        torch lets convolutions on a GPU round to the 11 bits of TF32, which changed outputs by up to 0.005.
        """
        is_exact = self.dtype is None and self.device.type == "cuda"
        with torch.inference_mode(), self.autocast(), _without_tf32() if is_exact else nullcontext():
            yield

    def compiled(self, function: Function) -> Function:
        """Return the function, compiled if `compiler` is set; inductor on a GPU also records CUDA graphs."""
        if self.compiler is None:
            return function
        assert isinstance(function, FunctionType)
        # torch.compile counts its variants per code object and gives up after a few: each run gets a code object of
        # its own, or a search over many networks would use up the variants of them all.
        copied = FunctionType(
            function.__code__.replace(), function.__globals__, function.__name__, function.__defaults__
        )
        records_graphs = self.compiler == "inductor" and self.device.type == "cuda"
        mode = "reduce-overhead" if records_graphs else None
        compiled: Any = torch.compile(copied, backend=self.compiler, mode=mode)
        return cast(Function, compiled)

    @property
    def scales_gradients(self) -> bool:
        """Whether gradients underflow without loss scaling (fp16 only)."""
        return self.dtype is torch.float16


@contextmanager
def _without_tf32() -> Iterator[None]:
    allowed = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = allowed


def resolve_runtime(device: str = "auto", precision: str = "auto") -> Runtime:
    """Return the `Runtime` for the parameters of `ISPModel`; the environment variable ISPFIT_COMPILE sets its compiler.

    Parameters
    ----------
    device : "auto" (a CUDA GPU if there is one, else the CPU), or a torch device such as "cuda:1".
    precision : "auto" (bf16 on a GPU that supports it, fp16 on other GPUs, fp32 on a CPU), "fp32", "bf16", "fp16".

    Raises
    ------
    InputError
        If the device is not available, the precision is unknown, or ISPFIT_COMPILE is set but names no backend of
        `torch.compile`.
    """
    resolved = _resolve_device(device)
    if precision == "auto":
        precision = "fp32" if resolved.type != "cuda" else ("bf16" if torch.cuda.is_bf16_supported() else "fp16")
    if precision not in _PRECISIONS:
        raise InputError(f"precision: expected 'auto', 'fp32', 'bf16' or 'fp16', got {precision!r}.")
    if precision == "fp16" and resolved.type == "cpu":
        raise InputError("precision: 'fp16' needs a GPU; use 'bf16' or 'fp32' on a CPU.")
    return Runtime(resolved, _PRECISIONS[precision], _compiler_from_environment())


def _compiler_from_environment() -> str | None:
    name = os.environ.get("ISPFIT_COMPILE") or None
    if name and name not in torch.compiler.list_backends(()):  # (): including those for debugging
        known = ", ".join(torch.compiler.list_backends())
        raise InputError(f"ISPFIT_COMPILE: expected a backend of torch.compile ({known}), got {name!r}.")
    return name


def _resolve_device(device: str) -> torch.device:
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        resolved = torch.device(device)
        torch.empty(0, device=resolved)
    except (RuntimeError, AssertionError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"device: {device!r} cannot be used here ({reason}); use 'auto' or 'cpu'.") from error
    return resolved


@lru_cache(maxsize=1)
def keep_freed_memory() -> None:
    """Stop glibc from returning freed blocks to the system; once per process.

    glibc raises the thresholds at which it does so when it frees a block of nearly the largest size (mallopt(3),
    M_MMAP_THRESHOLD). Otherwise each feature map of each tile costs page faults: a histogram pyramid rendered 1.6
    times slower on two cores.
    """
    torch.empty(_LARGEST_FREED_BLOCK_BYTES, dtype=torch.uint8)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch's global generators for a block and restore their state after it.

    All threads share the generators, so blocks in several threads run one after the other.
    """
    devices = list(range(torch.cuda.device_count()))
    with _generator_lock, torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        yield
