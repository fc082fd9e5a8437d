"""Windows depend on seed and step only; every pixel can be drawn, and no pixel outside the image counts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from toys import LineNetwork, RestlessNetwork

from ispfit import Network
from ispfit.backbones.mlp import MLP
from ispfit.datasets import make_camera_pairs
from ispfit.images import Image
from ispfit.training.device_images import DeviceImages
from ispfit.training.plan import TrainingPlan
from ispfit.training.sampling import Draw, describe_batch, draw_windows, gather, split_pairs

PLAN = TrainingPlan(10, 1e-3, batch_size=4, windows_per_image=3, window_size=8, validation_fraction=0.2, seed=7)
CPU = torch.device("cpu")
EXTENTS = st.integers(1, 40)


class Reader(Network):
    """A network with any halo and stride."""

    def __init__(self, halo: int, stride: int) -> None:
        super().__init__()
        self.halo, self.stride = halo, stride


def numbered(height: int, width: int, offset: int = 0) -> Image:
    """Return an image whose pixels hold their own row and column."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    return Image(np.stack([y, x, np.full_like(y, offset)], -1))


def pairs(*sizes: tuple[int, int]) -> Any:
    inputs = [numbered(height, width, index) for index, (height, width) in enumerate(sizes)]
    return on_device(inputs, [image + 100 for image in inputs])


def on_device(*sides: Any) -> Any:
    return tuple(DeviceImages(side, CPU) for side in sides)


def grid_of_positions(count: int) -> Any:
    axis = (np.arange(count) + 0.5) / count
    return np.stack(np.meshgrid(axis, axis, indexing="ij"), -1).reshape(1, -1, 2)


def test_a_step_is_drawn_from_its_seed_and_its_number() -> None:
    first, again, later = (draw_windows(9, step, PLAN) for step in (3, 3, 4))
    np.testing.assert_array_equal(first.images, again.images)
    np.testing.assert_array_equal(first.positions, again.positions)
    assert not np.array_equal(first.positions, later.positions)
    assert not np.array_equal(first.positions, draw_windows(9, 3, replace(PLAN, seed=8)).positions)


def test_a_draw_has_the_sizes_of_the_plan() -> None:
    draw = draw_windows(9, 0, PLAN)
    assert draw.images.shape == (4,)
    assert draw.positions.shape == (4, 3, 2)
    assert draw.positions.min() >= 0
    assert draw.positions.max() < 1


@given(st.integers(0, 100), st.integers(4, 20))
def test_a_step_draws_no_image_twice(step: int, n_images: int) -> None:
    images = draw_windows(n_images, step, PLAN).images
    assert len(set(images)) == 4
    assert set(images) <= set(range(n_images))


def test_too_few_images_are_drawn_more_than_once() -> None:
    assert set(draw_windows(1, 0, PLAN).images) == {0}
    assert len(draw_windows(3, 0, PLAN).images) == 4


@given(st.integers(1, 6), st.integers(0, 50))
def test_ranks_share_the_draw_without_overlap(world_size: int, step: int) -> None:
    whole = draw_windows(9, step, PLAN)
    for rank in range(world_size):
        part = draw_windows(9, step, PLAN, rank, world_size)
        np.testing.assert_array_equal(part.images, whole.images[rank::world_size])
        np.testing.assert_array_equal(part.positions, whole.positions[rank::world_size])


@settings(deadline=None, max_examples=40)
@given(EXTENTS, EXTENTS, st.integers(1, 20), st.sampled_from([1, 2, 4]))
def test_every_pixel_can_be_drawn_and_none_outside_counts(height: int, width: int, size: int, stride: int) -> None:
    draw = Draw(np.array([0]), grid_of_positions(40))
    batch = gather(pairs((height, width)), draw, Reader(0, stride), size, CPU)
    assert (batch.window.top % stride == 0).all()
    assert (batch.window.left % stride == 0).all()
    counted = batch.pixels.permute(0, 2, 3, 1)[batch.mask[:, 0] == 1][:, :2].long()
    seen = torch.zeros(height, width)
    seen[counted[:, 0], counted[:, 1]] = 1
    assert seen.all()
    for row in (0, len(batch.pixels) // 2, len(batch.pixels) - 1):
        top, left = int(batch.window.top[row]), int(batch.window.left[row])
        inside = torch.zeros(batch.window.height, batch.window.width)
        inside[: max(0, height - top), : max(0, width - left)] = 1
        assert torch.equal(batch.mask[row, 0], inside)


@settings(deadline=None, max_examples=40)
@given(EXTENTS, EXTENTS, st.integers(1, 20), st.sampled_from([1, 2, 4]), st.integers(0, 9))
def test_windows_and_targets_are_cut_at_one_place(height: int, width: int, size: int, stride: int, halo: int) -> None:
    data = pairs((height, width), (width, height))
    draw = draw_windows(2, 0, replace(PLAN, batch_size=2))
    batch = gather(data, draw, Reader(halo, stride), size, CPU)
    side = batch.window.height
    assert side == -(-min(size, max(height, width)) // stride) * stride
    assert batch.pixels.shape[2:] == (side + 2 * halo, side + 2 * halo)
    centre = batch.pixels[:, :, halo : halo + side, halo : halo + side]
    assert torch.equal(batch.targets, centre + 100)
    corner = centre[:, :2, 0, 0].long()
    assert torch.equal(corner, torch.stack([batch.window.top, batch.window.left], 1))


def test_samples_are_pixels_of_the_same_windows() -> None:
    whole, sparse = draw_windows(2, 5, PLAN), draw_windows(2, 5, PLAN, samples_per_window=20)
    np.testing.assert_array_equal(whole.positions, sparse.positions)
    data = pairs((12, 17), (9, 9))
    full, batch = (gather(data, draw, Reader(2, 4), 8, CPU) for draw in (whole, sparse))
    assert full.sample_index is None
    assert batch.sample_index is not None
    assert batch.sample_index.shape == (12, 20)
    assert torch.equal(batch.pixels, full.pixels)
    for row, column in ((0, 0), (7, 19)):
        y, x = divmod(int(batch.sample_index[row, column]), 8)
        assert torch.equal(batch.targets[row, :, column], full.targets[row, :, y, x])
        assert batch.mask[row, 0, column] == full.mask[row, 0, y, x]


@given(st.integers(1, 6), st.integers(0, 50))
def test_ranks_share_the_samples_as_they_share_the_windows(world_size: int, step: int) -> None:
    whole = draw_windows(9, step, PLAN, samples_per_window=3).samples
    assert whole is not None
    for rank in range(world_size):
        np.testing.assert_array_equal(draw_windows(9, step, PLAN, rank, world_size, 3).samples, whole[rank::world_size])


def test_a_small_image_is_reflected_but_its_pixels_count_once() -> None:
    draw = draw_windows(1, 0, replace(PLAN, batch_size=1), samples_per_window=200)
    batch = gather(pairs((3, 5)), replace(draw, samples=None), Reader(2, 4), 8, CPU)
    assert batch.mask.sum((1, 2, 3)).tolist() == [15, 15, 15]
    assert batch.pixels[0, 0, :, 2].tolist() == [2, 1, 0, 1, 2, 1, 0, 1, 2, 1, 0, 1]
    sparse = gather(pairs((3, 5)), draw, Reader(2, 4), 8, CPU)
    assert sparse.sample_index is not None
    assert set(sparse.sample_index.flatten().tolist()) == {8 * y + x for y in range(3) for x in range(5)}
    assert sparse.mask.all()


def test_images_of_unequal_size_share_a_batch() -> None:
    sizes = [(8, 20), (30, 9), (12, 12)]
    draw = Draw(np.array([2, 0, 1]), np.random.default_rng(0).random((3, 4, 2)))
    batch = gather(pairs(*sizes), draw, RestlessNetwork(), 8, CPU)
    assert [tuple(image.shape[:2]) for image in batch.images] == [(12, 12), (8, 20), (30, 9)]
    assert batch.image_index.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert batch.window.image_height.tolist() == [12] * 4 + [8] * 4 + [30] * 4
    assert batch.window.image_width.tolist() == [12] * 4 + [20] * 4 + [9] * 4
    assert batch.pixels[:, 2, 0, 0].tolist() == [2] * 4 + [0] * 4 + [1] * 4


def test_read_only_images_of_workers_are_cut_too() -> None:
    image = numbered(12, 12)
    image.flags.writeable = False
    batch = gather(on_device([image], [image + 100]), draw_windows(1, 0, PLAN), LineNetwork(1), 4, CPU)
    assert torch.equal(batch.targets, batch.pixels + 100)


@pytest.mark.parametrize("sizes", [[(6, 8)] * 3, [(6, 8), (5, 5), (6, 8)]])
def test_each_image_is_described_alike_alone_and_in_company(sizes: list[tuple[int, int]]) -> None:
    generator = torch.Generator().manual_seed(0)
    images = [torch.rand(*size, 3, generator=generator) for size in sizes]
    scene = describe_batch(RestlessNetwork(), images)
    torch.testing.assert_close(scene["mean"], torch.stack([image.mean() for image in images]))


def test_images_in_different_codes_are_decoded_before_they_are_described() -> None:
    codes = [torch.full((6, 8, 3), 100, dtype=torch.uint8), torch.full((6, 8, 3), -2, dtype=torch.int16)]
    images = [*codes, torch.full((6, 8, 3), 0.25)]
    scene = describe_batch(RestlessNetwork(), images)
    torch.testing.assert_close(scene["mean"], torch.tensor([100 / 255, 65534 / 65535, 0.25]))


def test_a_network_without_describe_gets_an_empty_scene() -> None:
    assert len(describe_batch(MLP().build(), [torch.zeros(2, 2, 3)])) == 0


@given(st.integers(1, 60), st.floats(0, 0.99), st.integers(0, 99))
def test_the_split_is_a_partition_and_leaves_something_to_train_on(n: int, fraction: float, seed: int) -> None:
    training, validation = split_pairs([None] * n, replace(PLAN, validation_fraction=fraction, seed=seed))
    assert sorted([*training, *validation]) == list(range(n))
    assert len(training) >= 1
    assert len(validation) == min(round(fraction * n), n - 1)


@given(st.lists(st.sampled_from(["a", "b", "c", None]), min_size=1, max_size=30), st.floats(0, 0.99))
def test_no_group_is_trained_on_and_validated_on(groups: list[str | None], fraction: float) -> None:
    training, validation = split_pairs(groups, replace(PLAN, validation_fraction=fraction))
    assert sorted([*training, *validation]) == list(range(len(groups)))
    assert len(training) >= 1
    assert len(validation) <= round(fraction * len(groups))
    assert not {groups[index] for index in training} & {groups[index] for index in validation} - {None}


def test_the_split_follows_the_seed() -> None:
    first, again, other = (split_pairs([None] * 50, replace(PLAN, seed=seed))[1].tolist() for seed in (1, 1, 2))
    assert first == again != other


def test_a_window_is_no_longer_than_the_longest_image() -> None:
    X, Y = make_camera_pairs(2, image_size=(24, 40), random_state=0)
    plan = TrainingPlan(1, 1e-3, 2, 1, 100_000, 0.0, 0)
    batch = gather(on_device(X, Y), draw_windows(2, 0, plan), MLP().build(), plan.window_size, CPU)
    assert batch.targets.shape[2:] == (40, 40)
