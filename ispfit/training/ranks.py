"""Several processes that train one network: torchrun starts them, torch.distributed joins them."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from joblib import cpu_count
from torch import Tensor, distributed
from torch.nn.parallel import DistributedDataParallel

from ispfit.errors import InputError, TrainingError

__all__ = ["Ranks", "joined_ranks"]

_EXCHANGE = re.compile(r"third_party/gloo|\bgloo\b|\bNCCL\b|Connection (closed|reset|refused)")


@dataclass(frozen=True)
class Ranks:
    """This process among those that train together: `rank` of `world`. Alone it is 0 of 1, and nothing is exchanged.

    All its methods must be called by all processes in the same order.
    """

    rank: int = 0
    world: int = 1

    @classmethod
    def current(cls) -> Ranks:
        """Those of the process group, where one has been initialised."""
        if not (distributed.is_available() and distributed.is_initialized()):
            return cls()
        return cls(distributed.get_rank(), distributed.get_world_size())

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes and speaks for all."""
        return self.rank == 0

    def share(self, module: torch.nn.Module) -> torch.nn.Module:
        """The module such that a backward pass leaves the mean of the gradients of all processes."""
        if self.world == 1:
            return module
        with self.exchanging():
            return DistributedDataParallel(_Tied(module))

    @contextmanager
    def exchanging(self) -> Iterator[None]:
        """Around what exchanges among other things; an error that is not of the exchange stays as it is."""
        try:
            with warnings.catch_warnings():  # it tells of a copy that layouts with channels last cost
                warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")
                yield
        except RuntimeError as error:
            if self.world == 1 or not _EXCHANGE.search(str(error)):
                raise
            raise self._partner_error(error) from error

    def total(self, *values: float) -> list[float]:
        """Each value's sum over all processes."""
        if self.world == 1:
            return list(values)
        sums = torch.tensor(values, dtype=torch.float64, device=self._place())
        self._add(sums)
        return [float(value) for value in sums]

    def any(self, flag: bool) -> bool:
        """Whether it is so in any process."""
        return self.total(float(flag))[0] > 0

    @contextmanager
    def one_before_others(self) -> Iterator[None]:
        """The first process of each machine does what is inside, then the others do."""
        first = self.world == 1 or int(os.environ.get("LOCAL_RANK", "0")) == 0
        if not first:
            self.any(False)
        yield
        if first:
            self.any(False)
        self.any(False)

    def cores(self) -> int | None:
        """How many cores this process has for itself; None where it is alone."""
        return max(1, cpu_count() // int(os.environ.get("LOCAL_WORLD_SIZE", self.world))) if self.world > 1 else None

    def shared(self, value: Any) -> Any:
        """The value of the process that leads, in all; tensors come on the CPU."""
        if self.world == 1:
            return value
        box = [_on_cpu(value) if self.leads else None]
        with self._partners():
            distributed.broadcast_object_list(box, 0, device=self._place())
        return box[0]

    def check_same(self, identity: dict[str, Any]) -> None:
        """Raise a `TrainingError` if the processes were not all given the same settings and data."""
        if self.world == 1:
            return
        others: list[Any] = [None] * self.world
        with self._partners():
            distributed.all_gather_object(others, identity)
        for rank, other in enumerate(others):
            names = [name for name in identity if other.get(name) != identity[name]]
            if names:
                raise TrainingError(
                    f"ranks {self.rank} and {rank} differ in {', '.join(names)}; give every process the same pairs, "
                    "settings and random_state."
                )

    def check_batch(self, batch_size: int) -> None:
        """Raise an `InputError` if a process would have no image of a batch."""
        if batch_size < self.world:
            raise InputError(
                f"batch_size: expected an image for each of the {self.world} processes at least, got {batch_size}."
            )

    def _add(self, tensor: Tensor) -> None:
        with self._partners():
            distributed.all_reduce(tensor)

    @contextmanager
    def _partners(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:
            raise self._partner_error(error) from error

    def _partner_error(self, error: RuntimeError) -> TrainingError:
        reason = (str(error).splitlines() or ["no reason given"])[0]
        return TrainingError(
            f"rank {self.rank} of {self.world}: another process of this run has ended or cannot be reached "
            f"({reason}); start it again in the same way to go on from the last checkpoint."
        )

    @staticmethod
    def _place() -> torch.device:
        """Where numbers are exchanged; on a CPU, where that can be, so that nobody waits for a GPU."""
        return torch.device("cpu" if "gloo" in str(distributed.get_backend()) else "cuda")


class _Tied(torch.nn.Module):
    """A module in whose output every weight takes part: DistributedDataParallel waits for the gradient of each."""

    def __init__(self, module: torch.nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, *arguments: Any) -> Tensor:
        output: Tensor = self.module(*arguments)
        return output + 0 * sum(weight.sum() for weight in self.parameters() if weight.requires_grad)


def _on_cpu(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: each.cpu() if isinstance(each, Tensor) else each for name, each in value.items()}
    return value


@contextmanager
def joined_ranks() -> Iterator[Ranks]:
    """Join the processes that torchrun started with this one, each with its GPU where there are GPUs.

    Outside torchrun, or where a process group was initialised already, nothing changes.
    """
    if not distributed.is_available() or distributed.is_initialized() or "TORCHELASTIC_RUN_ID" not in os.environ:
        yield Ranks.current()
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]) % torch.cuda.device_count())
    distributed.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield Ranks.current()
    finally:
        distributed.destroy_process_group()
