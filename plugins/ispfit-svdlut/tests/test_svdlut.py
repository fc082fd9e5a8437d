"""SVDLUT keeps ispfit's contract, looks colours up as it says, and learns what it is made for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import ispfit
from ispfit.datasets import make_camera_pairs
from ispfit.images import Image
from ispfit.testing import check_backbone
from ispfit_svdlut import SVDLUT
from ispfit_svdlut.network import SVDLUTNetwork
from ispfit_svdlut.start import fit_start, fit_tables
from ispfit_svdlut.tables import factors, identity, look_up, look_up_rows


def colors(seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).random((1, 3, 9, 11), np.float32))


def camera_pairs(inverse: bool, count: int = 4) -> list[tuple[Image, Image]]:
    """Pairs of a smooth camera: colours are mixed, then encoded."""
    mix = np.array([[0.9, 0.05, 0.05], [0.05, 0.9, 0.05], [0.02, 0.08, 0.9]])
    rng = np.random.default_rng(0)
    raws = [rng.random((40, 40, 3)) ** 2 * rng.uniform(0.5, 1) for _ in range(count)]
    pairs = [(Image(raw), Image((raw @ mix.T) ** (1 / 2.2))) for raw in raws]
    return [pair[::-1] for pair in pairs] if inverse else pairs


def built(backbone: SVDLUT) -> SVDLUTNetwork:
    torch.manual_seed(0)
    network = backbone.build()
    assert isinstance(network, SVDLUTNetwork)
    return network


def rendered(network: SVDLUTNetwork, image: torch.Tensor) -> torch.Tensor:
    height, width = image.shape[2:]
    corner = torch.zeros(1, dtype=torch.int64)
    window = ispfit.Window(corner, corner, height, width, corner + height, corner + width)
    with torch.no_grad():
        return network.render(image, network.describe(image), window)


def test_it_keeps_the_contract() -> None:
    check_backbone(SVDLUT(cells=4, channels=4))
    check_backbone(SVDLUT(size=2, rank=1, cells=1, depth=2, grid_rank=1, channels=1))


def test_it_is_found_by_its_name() -> None:
    assert ispfit.get_backbone("svdlut") is SVDLUT


@pytest.mark.parametrize("parameter", ["size", "rank", "cells", "depth", "grid_rank", "channels"])
def test_parameters_that_are_too_small_are_refused(parameter: str) -> None:
    with pytest.raises(ispfit.errors.InputError, match=rf"{parameter} to be a whole number from [12] to \d+, got 0\."):
        SVDLUT(**{parameter: 0}).build()


def test_a_rank_above_the_size_is_refused() -> None:
    with pytest.raises(ispfit.errors.InputError, match=r"expected rank <= size = 5, got rank=6\."):
        SVDLUT(size=5, rank=6).build()


def test_a_new_network_gives_back_its_input() -> None:
    torch.testing.assert_close(rendered(built(SVDLUT()), colors()), colors(), rtol=0, atol=1e-5)


def test_tables_are_looked_up_at_their_channels() -> None:
    tables = torch.zeros(1, 3, 3, 3, 3)
    nodes = torch.linspace(0, 1, 3)
    tables[0, 0, 0] = nodes[:, None] * nodes  # red * green
    tables[0, 1, 1] = nodes[:, None] * nodes  # red * blue
    tables[0, 2, 2] = nodes.expand(3, 3)  # blue
    red, green, blue = torch.tensor([0.5, 1.0, 0.25])
    found = look_up(tables, torch.stack([red, green, blue]).view(1, 3, 1, 1)).flatten()
    torch.testing.assert_close(found, torch.stack([red * green, red * blue, blue]))


def test_singular_values_give_the_nearest_tables_of_a_rank() -> None:
    tables = torch.rand(3, 3, 5, 5)
    left, right = factors(tables, 5)
    torch.testing.assert_close(left @ right.mT, tables)
    left, right = factors(tables, 2)
    dropped = torch.linalg.svdvals(tables)[..., 2:].square().sum(-1)
    torch.testing.assert_close((left @ right.mT - tables).square().sum((-1, -2)), dropped)


def test_faces_are_interpolated_between_centres_of_cells_and_nodes_of_intensity() -> None:
    faces = torch.arange(8.0).view(1, 1, 4, 2).expand(1, 3, 4, 2)  # 2 a cell, 1 from dark to bright
    places = torch.tensor([0.125, 0.5, 1.0]).view(1, 1, 3)
    intensities = torch.tensor([0.0, 0.5, 1.0]).view(1, 1, 1, 3).expand(1, 3, 1, 3)
    torch.testing.assert_close(look_up_rows(faces, places, intensities)[0, 1, 0], torch.tensor([0.0, 3.5, 7.0]))


@pytest.mark.parametrize("inverse", [False, True])
def test_the_start_is_a_fit_to_the_camera(inverse: bool) -> None:
    pairs, backbone = camera_pairs(inverse), SVDLUT()
    network = built(backbone)
    backbone.initialise(network, pairs)
    assert network.input_power.item() == pytest.approx(1.0 if inverse else 1 / 2.2)
    assert network.output_power.item() == pytest.approx(2.2 if inverse else 1.0)
    source, target = (torch.from_numpy(np.array(image)).permute(2, 0, 1)[None] for image in pairs[0])
    assert (rendered(network, source) - target).abs().mean() < 0.02


def test_tables_of_an_affine_map_are_exact() -> None:
    inputs = np.random.default_rng(0).random((2000, 3))
    tables, error = fit_tables(inputs, inputs @ np.diag([0.5, 0.25, 1.0]), 5)
    assert error < 1e-6
    found = look_up(torch.from_numpy(tables).float()[None], torch.from_numpy(inputs.T[None, :, None]).float())
    np.testing.assert_allclose(found[0, :, 0].T, inputs * [0.5, 0.25, 1], atol=2e-3)


def test_a_start_from_black_images_is_finite() -> None:
    black = Image(np.zeros((4, 4, 3)))
    tables, *_ = fit_start([(black, black)], 4)
    assert tables.shape == identity(4).shape
    assert tables.isfinite().all()


@pytest.mark.parametrize("direction", ["forward", "inverse"])
def test_twenty_steps_render_better_than_the_start(direction: str) -> None:
    X, Y = make_camera_pairs(6, image_size=32, random_state=0)
    scores = []
    for steps in (1, 20):
        model = ispfit.ISPModel(
            SVDLUT(cells=4, channels=8),
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
    model = ispfit.ISPModel(SVDLUT(cells=4), max_steps=3, device="cpu", random_state=0).fit(X, Y)
    model.save(tmp_path / "camera.ispfit")
    loaded = ispfit.load(tmp_path / "camera.ispfit", device="cpu")
    np.testing.assert_array_equal(loaded.transform(X[:1]), model.transform(X[:1]))
    np.testing.assert_array_equal(loaded.inverse_transform(Y[:1]), model.inverse_transform(Y[:1]))
