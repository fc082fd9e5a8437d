"""Which windows a training step sees: a pure function of the seed and the step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ispfit.backbone import Network, Scene, Window, pick_pixels
from ispfit.rendering import cut_windows
from ispfit.splits import split_groups
from ispfit.training.plan import TrainingPlan
from ispfit.training.resident import ResidentImages, decode

__all__ = ["Batch", "Draw", "describe_batch", "draw_windows", "gather", "split_pairs"]

Pairs = tuple[ResidentImages, ResidentImages]


@dataclass(frozen=True)
class Draw:
    """The images of a step and, for each, where its windows lie as fractions of the possible places.

    Parameters
    ----------
    images : int64 (B,).
    places : float64 (B, windows, 2) in [0, 1), for the top and the left corner.
    samples : float64 (B, windows, S) in [0, 1), which pixels of each window count, as fractions of those that lie in
        the image, row by row; None: all.
    """

    images: npt.NDArray[np.int64]
    places: npt.NDArray[np.float64]
    samples: npt.NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Batch:
    """Windows with their halo, what they should become, where they lie, and the codes of the images they come from.

    With `at`, the pixels that count (N, S), `targets` and `inside` are of these only: (N, 3, S) and (N, 1, S).
    """

    images: list[Tensor]
    pixels: Tensor
    targets: Tensor
    inside: Tensor
    window: Window
    rows: Tensor
    at: Tensor | None = None


def draw_windows(
    n_images: int, step: int, plan: TrainingPlan, rank: int = 0, world: int = 1, samples: int | None = None
) -> Draw:
    """Draw the windows of one step from ``default_rng([seed, step])``; rank r of n takes ``[r::n]`` of the images.

    Parameters
    ----------
    n_images : how many to choose from; no image comes twice in a step unless there are too few.
    step : counts from the start of the first run.
    samples : pixels of each window to draw, not more than it has; the windows are the same with and without.
    """
    rng = np.random.default_rng([plan.seed, step])
    images = rng.choice(n_images, plan.batch_size, replace=n_images < plan.batch_size)
    places = rng.random((plan.batch_size, plan.windows_per_image, 2))
    chosen = None
    if samples is not None:
        samples = min(samples, plan.window_size**2)
        chosen = rng.random((plan.batch_size, plan.windows_per_image, samples))[rank::world]
    return Draw(images[rank::world], places[rank::world], chosen)


def split_pairs(
    groups: Sequence[str | None], plan: TrainingPlan
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the indices of the training pairs and of the validation pairs.

    At least one pair is for training. A `validation_fraction` of less than half a pair holds none out.

    Parameters
    ----------
    groups : the group of each pair; pairs of one group are never on both sides. None is a group of its own.
    """
    n_pairs = len(groups)
    labels = [index if group is None else group for index, group in enumerate(groups)]
    n_held_out = min(round(plan.validation_fraction * n_pairs), n_pairs - 1)
    split_of = split_groups(labels, {"validation": n_held_out}, np.random.default_rng([plan.seed]))
    held_out = np.array([split_of[label] == "validation" for label in labels], bool)
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)


def gather(pairs: Pairs, draw: Draw, network: Network, size: int, device: torch.device) -> Batch:
    """Cut the windows of a draw, on the device.

    Parameters
    ----------
    pairs : input images and target images, in codes.
    size : side of a window in pixels, rounded up to the network's stride; no longer than the longest of the images.
    """
    both = [tuple(side[int(index)] for side in pairs) for index in draw.images]
    size = min(size, max(max(image.shape[:2]) for image, _ in both))
    size = -(-size // network.stride) * network.stride
    extents = np.array([image.shape[:2] for image, _ in both])[:, None]
    corners = _corners(draw.places, extents, size, network.stride)
    where = _to(np.concatenate([corners, np.broadcast_to(extents, corners.shape)], 2), device)  # one transfer for all
    images, cuts, targets = [], [], []
    for (image, target), (tops, lefts) in zip(both, where[:, :, :2].mT, strict=True):
        images.append(image)
        cuts.append(decode(cut_windows(image, tops, lefts, size, size, network.halo)))
        targets.append(decode(cut_windows(target, tops, lefts, size, size)))
    top, left, height, width = where.flatten(0, 1).unbind(1)
    window = Window(top, left, size, size, height, width)
    rows = torch.arange(len(images), device=device).repeat_interleave(draw.places.shape[1])
    batch = Batch(images, torch.cat(cuts), torch.cat(targets), _inside(window), window, rows)
    if draw.samples is None:
        return batch
    return _sparse(batch, _sample_pixels(draw.samples, np.minimum(extents - corners, size), size))


def _to(numbers: npt.NDArray[Any], device: torch.device) -> Tensor:
    """Move numbers to a device; a GPU gets them in its own time."""
    tensor = torch.from_numpy(np.ascontiguousarray(numbers))
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def _sample_pixels(samples: npt.NDArray[np.float64], inside: npt.NDArray[np.int64], size: int) -> npt.NDArray[np.int64]:
    """The pixels of windows, counted row by row, that fractions (B, windows, S) of those inside the image stand for.

    Parameters
    ----------
    inside : int64 (B, windows, 2), height and width of the part of each window that is not reflected.
    size : side of a window.
    """
    height, width = inside[..., 0, None], inside[..., 1, None]
    chosen = (samples * (height * width)).astype(np.int64)
    return chosen // width * size + chosen % width


def _sparse(batch: Batch, pixels: npt.NDArray[np.int64]) -> Batch:
    """The batch with nothing but these pixels in it, as far as targets go."""
    at = _to(pixels, batch.targets.device).flatten(0, 1)
    return replace(batch, targets=pick_pixels(batch.targets, at), inside=pick_pixels(batch.inside, at), at=at)


def describe_batch(network: Network, images: list[Tensor]) -> Scene:
    """Φ of each image, given in codes; images of one size go through together."""
    if getattr(network.describe, "__func__", None) is Network.describe:
        return Scene()  # nobody looks at them
    if len({image.shape for image in images}) == 1:
        return network.describe(_stack(images))
    return Scene.cat([network.describe(_stack([image])) for image in images])


def _stack(images: list[Tensor]) -> Tensor:
    """A copy: decoded one by one, as each has codes of its own kind."""
    return torch.stack([decode(image) for image in images]).permute(0, 3, 1, 2)


def _corners(
    places: npt.NDArray[np.float64], extents: npt.NDArray[np.int64], size: int, stride: int
) -> npt.NDArray[np.int64]:
    """Multiples of the stride such that the windows between them reach every pixel of the side."""
    count = np.maximum(0, -(-(extents - size) // stride)) + 1
    return np.asarray(np.floor(places * count) * stride, np.int64)


def _inside(window: Window) -> Tensor:
    """1 where a window's pixel lies in its image, 0 in the reflected rest, (N, 1, height, width)."""
    y, x = window.grid().unbind(1)
    return ((y < 1) & (x < 1)).float()[:, None]
