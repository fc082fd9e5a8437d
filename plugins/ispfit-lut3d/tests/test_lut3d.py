"""The lookup tables keep ispfit's contract, interpolate and invert, and learn what they are made for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import ispfit
from ispfit.datasets import make_camera_pairs
from ispfit.testing import check_backbone
from ispfit_lut3d import LUT3D
from ispfit_lut3d.table import identity, invert, look_up


def colours(seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).random((1, 3, 9, 11), np.float32))


def test_it_keeps_the_contract() -> None:
    check_backbone(LUT3D(size=5))
    check_backbone(LUT3D(tables=1, size=2, channels=2))


def test_it_is_found_by_its_name() -> None:
    assert ispfit.get_backbone("lut3d") is LUT3D


def test_the_identity_gives_back_what_it_is_asked() -> None:
    torch.testing.assert_close(look_up(identity(5)[None], colours()), colours(), rtol=0, atol=1e-6)


def test_the_axes_are_red_green_blue() -> None:
    table = identity(3)[None] * torch.tensor([1, 0.5, 0.25])[None, :, None, None, None]
    expected = colours() * torch.tensor([1, 0.5, 0.25])[None, :, None, None]
    torch.testing.assert_close(look_up(table, colours()), expected, rtol=0, atol=1e-6)


def test_colours_between_nodes_are_interpolated() -> None:
    table = identity(2)[None] ** 2
    torch.testing.assert_close(look_up(table, torch.full((1, 3, 1, 1), 0.5)), torch.full((1, 3, 1, 1), 0.5))


def test_an_inverted_table_undoes_one() -> None:
    nodes = identity(17)
    mixed = torch.einsum("ij,jbgr->ibgr", torch.tensor([[0.8, 0.2, 0], [0.1, 0.8, 0.1], [0, 0.3, 0.7]]), nodes)
    table = (0.5 * mixed + 0.5 * mixed**2)[None]
    error = (look_up(invert(table), look_up(table, colours())) - colours()).abs()
    inside = ((colours() > 0.25) & (colours() < 0.75)).all(1, keepdim=True).expand_as(error)
    assert error[inside].max() < 0.003
    assert error.mean() < 0.003  # at the edge of the gamut a cell holds colours that no input gives


def test_colours_that_no_input_gives_stay_in_range() -> None:
    table = 0.3 + 0.4 * identity(9)[None]
    inverted = invert(table)
    assert 0 <= inverted.min() <= inverted.max() <= 1
    assert inverted[0, :, 0, 0, 0].tolist() == pytest.approx([0, 0, 0], abs=1e-4)
    assert inverted[0, :, -1, -1, -1].tolist() == pytest.approx([1, 1, 1], abs=1e-4)


def test_a_table_of_no_nodes_is_refused() -> None:
    with pytest.raises(ispfit.errors.InputError, match=r"expected tables >= 1 and size >= 2, got tables=3 and size=1"):
        LUT3D(size=1).build()


def test_it_beats_doing_nothing_both_ways_and_is_saved(tmp_path: Path) -> None:
    X, Y = make_camera_pairs(6, image_size=32, camera="manual", random_state=0)
    backbone = LUT3D(size=9)
    model = ispfit.ISPModel(
        backbone, max_steps=150, windows_per_image=2, learning_rate=1e-2, device="cpu", random_state=0
    ).fit(X, Y)
    nothing = np.mean([ispfit.psnr(srgb, raw) for raw, srgb in zip(X, Y, strict=True)])
    assert model.score(X, Y) > nothing + 5
    assert ispfit.inverse_psnr_scorer(model, X, Y) > nothing + 5
    model.save(tmp_path / "camera.ispfit")
    loaded = ispfit.load(tmp_path / "camera.ispfit", device="cpu")
    np.testing.assert_array_equal(loaded.transform(X[:1]), model.transform(X[:1]))
    np.testing.assert_array_equal(loaded.inverse_transform(Y[:1]), model.inverse_transform(Y[:1]))
