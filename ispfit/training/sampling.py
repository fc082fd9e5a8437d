"""Draw and cut the windows of a training step; the draw depends on nothing but the seed and the step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ispfit.backbone import Network, Scene, Window, pick_pixels
from ispfit.rendering import check_scene, cut_windows, round_up
from ispfit.splits import split_groups
from ispfit.training.device_images import DeviceImages, decode
from ispfit.training.plan import TrainingPlan
from ispfit.training.stopping import MIN_HELD_OUT_SCENES

__all__ = ["Batch", "Draw", "Pairs", "describe_batch", "draw_windows", "gather", "split_pairs"]

Pairs: TypeAlias = tuple[DeviceImages, DeviceImages]  # inputs and targets

_AUTO_FRACTION = 0.1  # of the pairs, held out for validation by default


@dataclass(frozen=True)
class Draw:
    """The images of a step, the positions of its windows, and optionally the pixels to sample in each window.

    Parameters
    ----------
    images : int64 (B,), indices of the images.
    positions : float64 (B, W, 2) in [0, 1), top and left of W windows of each image, as fractions of their range.
    samples : float64 (B, W, S) in [0, 1), the pixels of each window, as fractions of the number of its pixels inside
        the image, counted row by row; None for all pixels.
    """

    images: npt.NDArray[np.int64]
    positions: npt.NDArray[np.float64]
    samples: npt.NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Batch:
    """The windows of a step on the device: N = B * W windows of h x w pixels.

    Parameters
    ----------
    images : the B whole images in codes, to describe.
    pixels : float32 (N, 3, h + 2 * halo, w + 2 * halo), the windows with their halo.
    targets : float32 (N, 3, h, w); with `sample_index`, only the sampled pixels (N, 3, S).
    mask : float32 (N, 1, h, w), 1 inside the image and 0 where it is reflected; with `sample_index` (N, 1, S).
    window : the positions of the windows.
    image_index : int64 (N,), index into `images` of each window.
    sample_index : int64 (N, S), numbers of the sampled pixels of each window; None for all pixels.
    """

    images: list[Tensor]
    pixels: Tensor
    targets: Tensor
    mask: Tensor
    window: Window
    image_index: Tensor
    sample_index: Tensor | None = None


def draw_windows(
    n_images: int,
    step: int,
    plan: TrainingPlan,
    rank: int = 0,
    world_size: int = 1,
    samples_per_window: int | None = None,
) -> Draw:
    """Draw the windows of one step from ``default_rng([seed, step])``.

    Parameters
    ----------
    n_images : number of images to draw from; a step draws an image twice only if there are too few.
    step : step number, counted from the start of the first run.
    rank, world_size : process `rank` of `world_size` gets ``[rank::world_size]`` of the images.
    samples_per_window : number of pixels to sample in each window, at most all; None for no sampling. The windows do
        not depend on it.
    """
    rng = np.random.default_rng([plan.seed, step])
    images = rng.choice(n_images, plan.batch_size, replace=n_images < plan.batch_size)
    positions = rng.random((plan.batch_size, plan.windows_per_image, 2))
    own = slice(rank, None, world_size)
    if samples_per_window is None:
        return Draw(images[own], positions[own])
    n_samples = min(samples_per_window, plan.window_size**2)
    samples = rng.random((plan.batch_size, plan.windows_per_image, n_samples))
    return Draw(images[own], positions[own], samples[own])


def split_pairs(
    groups: Sequence[str | None], plan: TrainingPlan
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the indices of the training pairs and of the validation pairs.

    At least one pair is for training. A `validation_fraction` of less than half a pair holds none out; "auto" holds out
    a tenth if that is at least `MIN_HELD_OUT_SCENES` scenes.

    Parameters
    ----------
    groups : the group of each pair; pairs of one group are never on both sides. None is a group of its own.
    """
    n_pairs = len(groups)
    labels = [index if group is None else group for index, group in enumerate(groups)]
    fraction = _AUTO_FRACTION if plan.validation_fraction == "auto" else float(plan.validation_fraction)
    n_held_out = min(round(fraction * n_pairs), n_pairs - 1)
    split_of = split_groups(labels, {"validation": n_held_out}, np.random.default_rng([plan.seed]))
    held_out = np.array([split_of[label] == "validation" for label in labels], bool)
    n_scenes = sum(split == "validation" for split in split_of.values())
    if plan.validation_fraction == "auto" and n_scenes < MIN_HELD_OUT_SCENES:
        held_out[:] = False
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)


def gather(pairs: Pairs, draw: Draw, network: Network, size: int, device: torch.device) -> Batch:
    """Cut the windows of a draw on the device.

    Parameters
    ----------
    pairs : the input images and the target images, in codes.
    size : side of a window in pixels, at most that of the longest image, rounded up to the network's stride.
    """
    inputs, targets = ([side[int(index)] for index in draw.images] for side in pairs)  # B images (H, W, 3) each
    image_sizes = np.array([image.shape[:2] for image in inputs])[:, None]  # (B, 1, 2): H, W
    size = round_up(min(size, int(image_sizes.max())), network.stride)  # windows are square: h = w = size
    corners = _corners(draw.positions, image_sizes, size, network.stride)  # (B, W, 2): top, left
    geometry = np.concatenate([corners, np.broadcast_to(image_sizes, corners.shape)], 2)  # (B, W, 4)
    placed = _to_device(geometry, device)  # (B, W, 4) in one transfer
    pixels, target_pixels = [], []
    for image, target, (top, left, _, _) in zip(inputs, targets, placed.mT, strict=True):  # top, left: (W,)
        pixels.append(decode(cut_windows(image, top, left, size, size, network.halo)))  # (W, 3, h + 2 halo, w + 2 halo)
        target_pixels.append(decode(cut_windows(target, top, left, size, size)))  # (W, 3, h, w)
    top, left, height, width = placed.flatten(0, 1).unbind(1)  # (N,) each, N = B * W
    window = Window(top, left, size, size, height, width)
    image_index = torch.arange(len(inputs), device=device).repeat_interleave(corners.shape[1])  # (N,): 0 0 0 1 1 1 ...
    batch = Batch(inputs, torch.cat(pixels), torch.cat(target_pixels), _mask(window), window, image_index)
    if draw.samples is None:
        return batch
    inside = np.minimum(image_sizes - corners, size)  # (B, W, 2): height, width of the part inside the image
    sample_index = _to_device(_sample_index(draw.samples, inside, size), device).flatten(0, 1)  # (N, S)
    return _keep_samples(batch, sample_index)


def _corners(
    positions: npt.NDArray[np.float64], image_sizes: npt.NDArray[np.int64], size: int, stride: int
) -> npt.NDArray[np.int64]:
    """Return multiples of the stride, chosen such that windows can reach every pixel of the image."""
    n_corners = np.maximum(0, -(-(image_sizes - size) // stride)) + 1
    return np.asarray(np.floor(positions * n_corners) * stride, np.int64)


def _to_device(numbers: npt.NDArray[Any], device: torch.device) -> Tensor:
    """Copy numbers to a device; the copy to a GPU is asynchronous."""
    tensor = torch.from_numpy(np.ascontiguousarray(numbers))
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def _mask(window: Window) -> Tensor:
    """Return 1 for the pixels of a window inside its image and 0 for the reflected ones, (N, 1, h, w)."""
    y, x = window.grid().unbind(1)
    return ((y < 1) & (x < 1)).float()[:, None]


def _sample_index(samples: npt.NDArray[np.float64], inside: npt.NDArray[np.int64], size: int) -> npt.NDArray[np.int64]:
    """Convert fractions of the pixels inside the image to pixel numbers of the window, both (B, W, S).

    Parameters
    ----------
    inside : int64 (B, W, 2), height and width of the part of each window inside its image.
    size : side of a window in pixels.
    """
    height, width = inside[..., 0, None], inside[..., 1, None]
    pixel = (samples * (height * width)).astype(np.int64)
    row, column = pixel // width, pixel % width
    return row * size + column


def _keep_samples(batch: Batch, sample_index: Tensor) -> Batch:
    """Reduce targets and mask to the sampled pixels."""
    return replace(
        batch,
        targets=pick_pixels(batch.targets, sample_index),
        mask=pick_pixels(batch.mask, sample_index),
        sample_index=sample_index,
    )


def describe_batch(network: Network, images: list[Tensor]) -> Scene:
    """Return Φ of each image, given in codes; images of one size are described together."""
    if not network.uses_scene:
        return Scene()  # without decoding the images
    if len({image.shape for image in images}) == 1:
        return check_scene(network, network.describe(_stack(images)))
    return Scene.cat([check_scene(network, network.describe(_stack([image]))) for image in images])


def _stack(images: list[Tensor]) -> Tensor:
    """Decode images one by one, as their dtypes may differ, and stack them: (B, 3, H, W)."""
    return torch.stack([decode(image) for image in images]).permute(0, 3, 1, 2)
