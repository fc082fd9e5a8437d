"""Several processes that train one network: torchrun starts them, torch.distributed connects them."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from joblib import cpu_count
from torch import Tensor, distributed
from torch.nn.parallel import DistributedDataParallel

from ispfit.errors import InputError, TrainingError

__all__ = ["Distributed", "joined_ranks"]

_COMMUNICATION_ERROR = re.compile(r"third_party/gloo|\bgloo\b|\bNCCL\b|Connection (closed|reset|refused)")


@dataclass(frozen=True)
class Distributed:
    """This process in its process group. Without a group it is rank 0 of 1, and nothing is communicated.

    All processes of the group must call the same methods in the same order.
    """

    rank: int = 0
    world_size: int = 1

    @classmethod
    def current(cls) -> Distributed:
        """Return this process in the initialised process group, or alone if there is none."""
        if not (distributed.is_available() and distributed.is_initialized()):
            return cls()
        return cls(distributed.get_rank(), distributed.get_world_size())

    @property
    def is_main(self) -> bool:
        """Whether this is the process that writes files and prints."""
        return self.rank == 0

    def wrap(self, module: torch.nn.Module) -> Callable[..., Tensor]:
        """Return the forward pass of a module, made such that `backward` adds up gradients over all processes."""
        if self.world_size == 1:
            return module
        with self.communication():
            parallel = DistributedDataParallel(_AllParameters(module))

        def forward(*arguments: Any) -> Tensor:
            with self.communication():  # buffers are broadcast before the forward pass
                output: Tensor = parallel(*arguments)
            return output

        return forward

    def backward(self, loss: Tensor) -> None:
        """Compute the gradient of the sum of the processes' losses, for all of them.

        DistributedDataParallel averages gradients over the processes; `world_size` turns the mean into the sum.
        """
        with self.communication():
            (loss * self.world_size).backward()  # type: ignore[no-untyped-call]

    def broadcast(self, value: Any) -> Any:
        """Return the main process's value in all processes, its tensors on the CPU."""
        if self.world_size == 1:
            return value
        box = [_on_cpu(value) if self.is_main else None]
        with self._collective():
            distributed.broadcast_object_list(box, 0, device=_communication_device())
        return box[0]

    def all_reduce(self, *values: float) -> list[float]:
        """Return the sum of each value over all processes."""
        if self.world_size == 1:
            return list(values)
        sums = torch.tensor(values, dtype=torch.float64, device=_communication_device())
        with self._collective():
            distributed.all_reduce(sums)
        return [float(value) for value in sums]

    def any(self, flag: bool) -> bool:
        """Return whether the flag is true in any process."""
        return self.all_reduce(float(flag))[0] > 0

    def barrier(self) -> None:
        """Wait until all processes have called this."""
        self.all_reduce(0.0)

    @contextmanager
    def main_process_first(self) -> Iterator[None]:
        """Run the block in the first process of each machine, then in the others."""
        is_first = self.world_size == 1 or int(os.environ.get("LOCAL_RANK", "0")) == 0
        if not is_first:
            self.barrier()
        yield
        if is_first:
            self.barrier()
        self.barrier()

    def n_cores(self) -> int | None:
        """Return this process's share of the machine's cores, or None without a process group."""
        if self.world_size == 1:
            return None
        return max(1, int(cpu_count()) // int(os.environ.get("LOCAL_WORLD_SIZE", self.world_size)))

    def check_same(self, identity: dict[str, Any]) -> None:
        """Raise a `TrainingError` if the processes differ in their settings or data."""
        if self.world_size == 1:
            return
        identities: list[Any] = [None] * self.world_size
        with self._collective():
            distributed.all_gather_object(identities, identity)
        for rank, other in enumerate(identities):
            names = [name for name in identity if other.get(name) != identity[name]]
            if names:
                raise TrainingError(
                    f"ranks {self.rank} and {rank} differ in {', '.join(names)}; give every process the same pairs, "
                    "settings and random_state."
                )

    def check_batch_size(self, batch_size: int) -> None:
        """Raise an `InputError` if a batch has fewer images than there are processes."""
        if batch_size < self.world_size:
            raise InputError(
                f"batch_size: expected at least one image for each of the {self.world_size} processes, "
                f"got {batch_size}."
            )

    @contextmanager
    def communication(self) -> Iterator[None]:
        """Turn communication failures inside the block into `TrainingError`; let other errors through."""
        try:
            with warnings.catch_warnings():
                # torch warns that gradients in channels-last layout are copied, which costs little.
                warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")
                yield
        except RuntimeError as error:
            if self.world_size == 1 or not _COMMUNICATION_ERROR.search(str(error)):
                raise
            raise self._communication_error(error) from error

    @contextmanager
    def _collective(self) -> Iterator[None]:
        """Turn any RuntimeError of a collective operation into `TrainingError`."""
        try:
            yield
        except RuntimeError as error:
            raise self._communication_error(error) from error

    def _communication_error(self, error: RuntimeError) -> TrainingError:
        reason = (str(error).splitlines() or ["no reason given"])[0]
        return TrainingError(
            f"rank {self.rank} of {self.world_size}: another process of this run has ended or cannot be reached "
            f"({reason}); repeat the command to resume from the last checkpoint."
        )


class _AllParameters(torch.nn.Module):
    """A module whose output depends on every trainable parameter, by a factor of 0 if by nothing else.

    DistributedDataParallel waits for the gradient of each parameter.
    """

    def __init__(self, module: torch.nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, *arguments: Any) -> Tensor:
        output: Tensor = self.module(*arguments)
        return output + 0 * sum(parameter.sum() for parameter in self.parameters() if parameter.requires_grad)


def _communication_device() -> torch.device:
    """Return the CPU if the backend supports it, so that numbers need not wait for the GPU."""
    return torch.device("cpu" if "gloo" in str(distributed.get_backend()) else "cuda")


def _on_cpu(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: each.cpu() if isinstance(each, Tensor) else each for name, each in value.items()}
    return value


@contextmanager
def joined_ranks() -> Iterator[Distributed]:
    """Connect this process with the others that torchrun started, and give each a GPU if there are any.

    Processes that outnumber the GPUs share them, and exchange gradients by gloo: NCCL needs a GPU for each process.
    Without torchrun, or if a process group is initialised already, nothing changes.
    """
    if not distributed.is_available() or distributed.is_initialized() or "TORCHELASTIC_RUN_ID" not in os.environ:
        yield Distributed.current()
        return
    n_gpus = torch.cuda.device_count()
    if n_gpus:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]) % n_gpus)
    has_gpu_each = n_gpus >= int(os.environ["LOCAL_WORLD_SIZE"])
    distributed.init_process_group("cpu:gloo,cuda:nccl" if has_gpu_each else "gloo")
    try:
        yield Distributed.current()
    finally:
        distributed.destroy_process_group()
