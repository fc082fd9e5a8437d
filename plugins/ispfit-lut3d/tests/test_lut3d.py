"""The lookup tables keep ispfit's contract, interpolate and invert, and learn what they are made for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import ispfit
from ispfit.datasets import make_camera_pairs
from ispfit.images import Image
from ispfit.testing import check_backbone
from ispfit_lut3d import LUT3D
from ispfit_lut3d.start import fit_start
from ispfit_lut3d.table import identity, look_up


def colours(seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).random((1, 3, 9, 11), np.float32))


def test_it_keeps_the_contract() -> None:
    check_backbone(LUT3D(size=5))
    check_backbone(LUT3D(tables=1, size=3, channels=2))


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


def camera(raw: np.ndarray) -> np.ndarray:
    """A smooth camera: colours are mixed, then encoded."""
    mix = np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.05, 0.15, 0.8]])
    return (raw @ mix.T) ** 0.45


@pytest.mark.parametrize("inverse", [False, True])
def test_the_start_is_a_table_of_the_camera(inverse: bool) -> None:
    rng = np.random.default_rng(0)
    raws = [rng.random((40, 40, 3)) ** 2 for _ in range(4)]
    pairs = [(Image(raw), Image(camera(raw))) for raw in raws]
    pairs = [pair[::-1] for pair in pairs] if inverse else pairs
    table, input_power, output_power = fit_start(pairs, 17)
    dark_tones_have_nodes = 1.5 < output_power < 4 if inverse else 0.25 < input_power < 0.6
    assert dark_tones_have_nodes
    assert max(input_power, 1 / output_power) == 1
    source, target = (torch.from_numpy(np.array(image)).permute(2, 0, 1)[None] for image in pairs[0])
    found = look_up(table[None], source**input_power).clamp(min=0) ** output_power
    assert (found - target).abs().mean() < 0.01


def test_few_colours_start_from_the_identity() -> None:
    black = Image(np.zeros((4, 4, 3)))
    table, input_power, output_power = fit_start([(black, black)], 5)
    assert (input_power, output_power) == (1, 1)
    torch.testing.assert_close(table, identity(5), atol=0.05, rtol=0)


def test_a_table_of_two_nodes_is_refused() -> None:
    with pytest.raises(ispfit.errors.InputError, match="expected size to be a whole number from 3 to 129, got 2"):
        LUT3D(size=2).build()


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
