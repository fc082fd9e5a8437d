"""Device, precision and seeds."""

from __future__ import annotations

import platform
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor

from ispfit.errors import InputError
from ispfit.runtime import Runtime, resolve_runtime, seeded


def test_auto_on_a_cpu_is_float32() -> None:
    if not torch.cuda.is_available():
        assert resolve_runtime() == Runtime(torch.device("cpu"), None)
    assert resolve_runtime("cpu") == Runtime(torch.device("cpu"), None)


def test_bf16_runs_convolutions_in_bf16() -> None:
    runtime = resolve_runtime("cpu", "bf16")
    with runtime.autocast():
        assert torch.nn.Conv2d(3, 3, 1)(torch.zeros(1, 3, 2, 2)).dtype == torch.bfloat16
    assert not runtime.scales_gradients


def test_fp32_changes_nothing() -> None:
    with resolve_runtime("cpu", "fp32").autocast():
        assert torch.nn.Conv2d(3, 3, 1)(torch.zeros(1, 3, 2, 2)).dtype == torch.float32


def test_only_fp32_renders_without_tf32() -> None:
    assert torch.backends.cudnn.allow_tf32
    for runtime, allowed in ((Runtime(torch.device("cuda")), False), (resolve_runtime("cpu", "bf16"), True)):
        with runtime.inference():
            assert torch.backends.cudnn.allow_tf32 is allowed
            assert torch.is_inference_mode_enabled()
        assert torch.backends.cudnn.allow_tf32


@pytest.mark.parametrize("device", ["cuda:77", "nonsense", "meta:x", 3.5])
def test_a_device_that_is_not_here_is_named(device: str) -> None:
    with pytest.raises(InputError, match=rf"device: '?{device}'? cannot be used here \(.+\); use 'auto' or 'cpu'\."):
        resolve_runtime(device)


def test_a_precision_that_nobody_knows_lists_those_that_are() -> None:
    with pytest.raises(InputError, match="precision: expected 'auto', 'fp32', 'bf16' or 'fp16', got 'fp8'"):
        resolve_runtime("cpu", "fp8")


def test_half_precision_needs_a_gpu() -> None:
    with pytest.raises(InputError, match="precision: 'fp16' needs a GPU; use 'bf16' or 'fp32' on a CPU"):
        resolve_runtime("cpu", "fp16")


def test_a_compiler_is_taken_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISPFIT_COMPILE", "")
    assert resolve_runtime("cpu").compiler is None
    monkeypatch.setenv("ISPFIT_COMPILE", "inductor")
    assert resolve_runtime("cpu").compiler == "inductor"
    monkeypatch.setenv("ISPFIT_COMPILE", "gcc")
    with pytest.raises(
        InputError, match=r"ISPFIT_COMPILE: expected a backend of torch.compile \(.*inductor.*got 'gcc'"
    ):
        resolve_runtime("cpu")


def test_only_on_a_gpu_are_steps_captured(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[dict[str, object]] = []

    def function(tensor: Tensor) -> Tensor:
        return tensor

    monkeypatch.setattr(torch, "compile", lambda function, **how: calls.append(how))
    for device in ("cpu", "cuda"):
        assert Runtime(torch.device(device)).compiled(function) is function
        Runtime(torch.device(device), compiler="inductor").compiled(function)
    assert calls == [{"backend": "inductor", "mode": None}, {"backend": "inductor", "mode": "reduce-overhead"}]


def test_seeds_repeat_and_leave_the_generator_alone() -> None:
    torch.manual_seed(0)
    expected = torch.rand(2)
    torch.manual_seed(0)
    with seeded(5):
        first = torch.rand(3)
    with seeded(5):
        assert torch.equal(torch.rand(3), first)
    assert torch.equal(torch.rand(2), expected)


def test_threads_do_not_disturb_each_other_s_draws() -> None:
    def draw(seed: int) -> Tensor:
        with seeded(seed):
            return torch.stack([torch.rand(2) for _ in range(100)])

    seeds = [0, 1] * 20
    expected = [draw(0), draw(1)]
    with ThreadPoolExecutor(4) as threads:
        for seed, drawn in zip(seeds, threads.map(draw, seeds), strict=True):
            assert torch.equal(drawn, expected[seed])


CHILD = """
import resource, torch
from ispfit.runtime import keep_freed_memory

keep_freed_memory()

def tile():
    return [torch.empty(9 << 18).fill_(1) for _ in range(4)]

for _ in range(3):
    tile()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    tile()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have thresholds of their own")
def test_memory_that_is_freed_is_kept() -> None:
    """Count page faults of blocks of 9 MiB: 184 thousand if freed blocks are returned to the system."""
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", CHILD], check=True, capture_output=True, text=True)
        assert int(done.stdout) < 10_000
