"""The Triton kernel, run by Triton's interpreter, against plain PyTorch."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytest.importorskip("triton")  # Linux only

COMPARE = """
import sys
import torch
from ispfit.backbones import histogram
from ispfit.backbones.histogram import LearnableHistogram
import os

def both(bins, image, rows, columns, gamma, move=0.1):
    table = LearnableHistogram(bins)
    with torch.no_grad():
        table.centers += move * torch.randn(3, bins)
        table.widths *= 1 + 3 * move * torch.rand(3, bins)
    found = []
    for switch in ("0", "1"):
        os.environ["ISPFIT_TRITON"] = switch
        mean = table.mean(image, rows, columns, lambda x: x**gamma)
        weights = torch.linspace(-1, 1, mean.numel()).view_as(mean)
        found.append([mean, *torch.autograd.grad((mean * weights).sum(), list(table.parameters()))])
    for plain, fused in zip(*found, strict=True):
        torch.testing.assert_close(fused, plain, rtol=1e-4, atol=1e-6)

torch.manual_seed(0)
for n, height, width, bins, gamma in ((1, 1, 1, 2, 1), (2, 17, 23, 6, 1), (1, 40, 9, 8, 0.5), (3, 8, 16, 5, 1)):
    image = torch.rand(n, height, width, 3)
    image[:, 0], image[:, -1] = 0, 1  # black and white lie on a centre, until it moves
    rows, columns = torch.rand(height), torch.rand(width)
    weights = rows / rows.sum(), columns / columns.sum()
    both(bins, image.permute(0, 3, 1, 2), *weights, gamma)  # channels last
    both(bins, image.permute(0, 3, 1, 2).contiguous(), *weights, gamma)
both(6, image.permute(0, 3, 1, 2), *weights, 1, move=0)
histogram._STRIP["cpu"] = 1000  # in strips
both(6, image.permute(0, 3, 1, 2), *weights, 1)
assert "ispfit.backbones.triton_votes" in sys.modules
"""


def test_the_kernel_sums_what_plain_torch_sums() -> None:
    environment = os.environ | {"TRITON_INTERPRET": "1"}
    done = subprocess.run([sys.executable, "-c", COMPARE], env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


COMPILE = """
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, compile
from ispfit.backbones.triton_votes import _sum_votes

names = _sum_votes.arg_names
arrays = dict.fromkeys(("rgb", "rows", "columns", "centers", "widths", "sums"), "*fp32")
types = {name: arrays.get(name, "constexpr" if name.isupper() else "i32") for name in names}
values = {"EPSILON": 1e-4, "BINS": 8, "PIXELS": 128}
constants = {(names.index(name),): value for name, value in values.items()}
found = compile(ASTSource(_sum_votes, types, constants), target=GPUTarget("cuda", 90, 32))
assert ".target sm_90" in found.asm["ptx"] and found.asm["cubin"]
"""


def test_the_kernel_compiles_for_a_gpu_that_is_not_here() -> None:
    """The interpreter takes what the compiler does not, such as variables that change their type."""
    done = subprocess.run([sys.executable, "-c", COMPILE], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
