"""Every backbone on a GPU: it is fitted there, and renders there what it renders on the CPU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from small import small
from toys import toy_pairs

import ispfit
from ispfit import ISPModel, list_backbones

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")

PAIRS = toy_pairs(6, 64)


def fitted(name: str, device: str, precision: str = "fp32") -> ISPModel:
    return ISPModel(small(name), max_steps=30, device=device, precision=precision, random_state=0).fit(*PAIRS)


@pytest.mark.parametrize("precision", ["fp32", "auto"])
@pytest.mark.parametrize("name", list_backbones())
def test_a_model_renders_there_what_it_renders_on_the_cpu(name: str, precision: str, tmp_path: Path) -> None:
    model = fitted(name, "cuda", precision)
    model.save(tmp_path / "model.ispfit")
    on_cpu = ispfit.load(tmp_path / "model.ispfit", device="cpu")
    tolerance = 1e-4 if precision == "fp32" else 0.03  # convolutions keep 8 bits of bfloat16
    for here, there in (
        (on_cpu.transform(PAIRS[0]), model.transform(PAIRS[0])),
        (on_cpu.inverse_transform(PAIRS[1]), model.inverse_transform(PAIRS[1])),
    ):
        np.testing.assert_allclose(there, here, rtol=0, atol=tolerance)


@pytest.mark.parametrize("name", ["photofinish", "parametric", "curve"])
def test_a_closed_form_gives_the_model_of_the_cpu(name: str) -> None:
    networks = [fitted(name, device).networks_["forward"].state_dict() for device in ("cpu", "cuda")]
    for key, weight in networks[0].items():
        torch.testing.assert_close(networks[1][key].cpu(), weight, rtol=0, atol=0)


def test_the_standard_deviation_is_that_of_the_cpu() -> None:
    (here, here_std), (there, there_std) = (
        fitted("photofinish", device).inverse_transform(PAIRS[1], return_std=True) for device in ("cpu", "cuda")
    )
    np.testing.assert_allclose(there, here, rtol=0, atol=1e-4)
    np.testing.assert_allclose(there_std, here_std, rtol=0, atol=1e-4)
