"""HDRNet keeps ispfit's contract, slices its grid by place and guide, and learns what it is made for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import ispfit
from ispfit.backbones.parts.calibration import calibrate, thumbnails
from ispfit.datasets import make_camera_pairs
from ispfit.images import Image
from ispfit.testing import check_backbone
from ispfit_hdrnet import HDRNet
from ispfit_hdrnet.grid import apply_transforms, identity, raise_to_power, slice_grid
from ispfit_hdrnet.network import HDRNetNetwork
from ispfit_hdrnet.start import fit_start


def colors(seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).random((1, 3, 9, 11), np.float32))


def camera_pairs(inverse: bool, count: int = 4) -> list[tuple[Image, Image]]:
    """Pairs of a smooth camera: colours are mixed, then encoded."""
    mix = np.array([[0.9, 0.05, 0.05], [0.05, 0.9, 0.05], [0.02, 0.08, 0.9]])
    rng = np.random.default_rng(0)
    raws = [rng.random((40, 40, 3)) ** 2 * rng.uniform(0.5, 1) for _ in range(count)]
    pairs = [(Image(raw), Image((raw @ mix.T) ** (1 / 2.2))) for raw in raws]
    return [pair[::-1] for pair in pairs] if inverse else pairs


def built(backbone: HDRNet) -> HDRNetNetwork:
    torch.manual_seed(0)
    network = backbone.build()
    assert isinstance(network, HDRNetNetwork)
    return network


def rendered(network: HDRNetNetwork, image: torch.Tensor) -> torch.Tensor:
    height, width = image.shape[2:]
    corner = torch.zeros(1, dtype=torch.int64)
    window = ispfit.Window(corner, corner, height, width, corner + height, corner + width)
    with torch.no_grad():
        return network.render(image, network.describe(image), window)


def test_it_keeps_the_contract() -> None:
    check_backbone(HDRNet(cells=4, channels=4))
    check_backbone(HDRNet(depth=1, cells=1, channels=1, knots=1))


def test_it_is_found_by_its_name() -> None:
    assert ispfit.get_backbone("hdrnet") is HDRNet


@pytest.mark.parametrize("parameter", ["depth", "cells", "channels", "knots"])
def test_parameters_below_one_are_refused(parameter: str) -> None:
    with pytest.raises(ispfit.errors.InputError, match=rf"{parameter} to be a whole number from 1 to \d+, got 0\."):
        HDRNet(**{parameter: 0}).build()


def test_a_new_network_gives_back_its_input() -> None:
    torch.testing.assert_close(rendered(built(HDRNet()), colors()), colors(), rtol=0, atol=1e-5)


def test_the_first_guide_is_the_mean_of_the_channels() -> None:
    torch.testing.assert_close(built(HDRNet()).guide(colors()), colors().mean(1), rtol=0, atol=1e-6)


def test_a_grid_is_sliced_at_the_centres_of_its_cells_and_between_slices() -> None:
    grid = torch.zeros(1, 12, 3, 2, 4)
    grid[0, 0] = torch.arange(24.0).view(3, 2, 4)  # 8 a slice, 4 a row, 1 a column
    places = torch.tensor([[0.25, 0.125], [0.75, 0.875], [0.5, 0.5], [0.0, 1.0]]).T[None, :, :, None]
    guide = torch.tensor([0.0, 1.0, 0.25, 0.5])[None, :, None]
    expected = torch.tensor([0.0, 16 + 4 + 3, 4 + 2 + 1.5, 8 + 3])
    torch.testing.assert_close(slice_grid(grid, places, guide)[0, 0, :, 0], expected)


def test_coefficients_are_rows_of_a_matrix_and_an_offset() -> None:
    matrix = torch.arange(12.0).view(3, 4)
    transformed = apply_transforms(matrix.flatten()[None, :, None, None].expand(-1, -1, 9, 11), colors())
    expected = torch.einsum("ij,njhw->nihw", matrix[:, :3], colors()) + matrix[:, 3][None, :, None, None]
    torch.testing.assert_close(transformed, expected)
    torch.testing.assert_close(apply_transforms(identity(1).view(1, 12, 1, 1), colors()), colors())


@pytest.mark.parametrize("power", [1 / 2.2, 1.0, 2.2])
def test_powers_have_a_finite_slope_at_black(power: float) -> None:
    black = torch.zeros(1, requires_grad=True)
    value = raise_to_power(black, power)
    value.backward()
    assert abs(value.item()) < 1e-9
    assert black.grad is not None
    assert black.grad.isfinite()
    torch.testing.assert_close(raise_to_power(torch.tensor(0.5), power), torch.tensor(0.5**power), rtol=0, atol=0.02)


@pytest.mark.parametrize("inverse", [False, True])
def test_the_start_is_a_fit_to_the_camera(inverse: bool) -> None:
    pairs, backbone = camera_pairs(inverse), HDRNet()
    network = built(backbone)
    backbone.initialise(network, pairs)
    assert network.power.item() == pytest.approx(2.2 if inverse else 1 / 2.2)
    source, target = (torch.from_numpy(np.array(image)).permute(2, 0, 1)[None] for image in pairs[0])
    assert (rendered(network, source) - target).abs().mean() < 0.02


def test_a_start_from_black_images_is_finite() -> None:
    black = Image(np.zeros((4, 4, 3)))
    _, transforms = fit_start([(black, black)], 8)
    assert transforms.shape == (12, 8)
    assert transforms.isfinite().all()


def test_calibrated_layers_have_mean_zero_and_variance_one() -> None:
    network = built(HDRNet(cells=4, channels=4))
    small = thumbnails(camera_pairs(False, count=6), network.thumbnail_size)
    assert small.shape == (6, 3, 16, 16)
    calibrate(network.predict.hidden_layers(), lambda: network.describe(small))
    outputs: list[torch.Tensor] = []
    for layer in network.predict.hidden_layers():
        layer.register_forward_hook(lambda layer, inputs, output: outputs.append(output.transpose(0, 1).flatten(1)))
    network.describe(small)
    assert len(outputs) == 8
    for output in outputs:
        torch.testing.assert_close(output.mean(1), torch.zeros(len(output)), rtol=0, atol=1e-4)
        torch.testing.assert_close(output.std(1, correction=0), torch.ones(len(output)), rtol=0, atol=1e-3)


def test_one_image_does_not_blow_up_the_layers() -> None:
    network = built(HDRNet(cells=4, channels=4))
    pairs, before = camera_pairs(False, count=1), [layer.weight.clone() for layer in network.predict.dense[::2]]
    small = thumbnails(pairs, network.thumbnail_size)
    calibrate(network.predict.hidden_layers(), lambda: network.describe(small))
    for layer, weight in zip(network.predict.dense[::2], before, strict=True):
        torch.testing.assert_close(layer.weight, weight)  # features of a single image do not vary


@pytest.mark.parametrize("direction", ["forward", "inverse"])
def test_twenty_steps_render_better_than_the_start(direction: str) -> None:
    X, Y = make_camera_pairs(6, image_size=32, random_state=0)
    scores = []
    for steps in (1, 20):
        model = ispfit.ISPModel(
            HDRNet(cells=4, channels=8),
            direction=direction,
            max_steps=steps,
            learning_rate=3e-3,
            validation_fraction=0,
            device="cpu",
            random_state=0,
        ).fit(X, Y)
        scores.append(model.psnr(X, Y, direction=direction).mean())
    unchanged = np.mean([ispfit.psnr(srgb, raw) for raw, srgb in zip(X, Y, strict=True)])
    assert unchanged + 3 < scores[0] < scores[1]


def test_it_is_saved(tmp_path: Path) -> None:
    X, Y = make_camera_pairs(3, image_size=24, random_state=0)
    model = ispfit.ISPModel(HDRNet(cells=4), max_steps=3, device="cpu", random_state=0).fit(X, Y)
    model.save(tmp_path / "camera.ispfit")
    loaded = ispfit.load(tmp_path / "camera.ispfit", device="cpu")
    np.testing.assert_array_equal(loaded.transform(X[:1]), model.transform(X[:1]))
    np.testing.assert_array_equal(loaded.inverse_transform(Y[:1]), model.inverse_transform(Y[:1]))
