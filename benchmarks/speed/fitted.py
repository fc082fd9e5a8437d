"""What is timed is fitted: an unfitted backbone may skip work, as `parametric` does without control points."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

import ispfit
from ispfit import Backbone, ISPModel, Network
from ispfit.backbones.photofinish import Photofinish
from ispfit.datasets import make_camera_pairs
from ispfit.runtime import seeded

N_PAIRS, SIDE_PX, N_STEPS = 12, 96, 2
PICTURE_PX = (500, 750)  # divides the sides of 24 megapixels


def fit(backbone: str | Backbone) -> ISPModel:
    """Fit the forward direction to a few synthetic pairs: a closed form in full, a network for some steps."""
    if backbone == "photofinish":
        backbone = Photofinish(residual=True)  # otherwise left out if it does not help, and not timed
    X, Y = make_camera_pairs(N_PAIRS, image_size=SIDE_PX, random_state=0)
    model = ISPModel(
        backbone,
        direction="forward",
        max_steps=N_STEPS,
        batch_size=2,
        windows_per_image=2,
        validation_fraction=0.0,
        device="cpu",
        random_state=0,
    )
    return model.fit(X, Y)


def fit_to_file(backbone: str | Backbone, folder: Path) -> Path:
    """Fit a backbone and write the model to a file, for the processes that render with it."""
    name = backbone if isinstance(backbone, str) else backbone.name
    path = folder / f"{name}.ispfit"
    fit(backbone).save(path)
    return path


def network_to_time(model: ISPModel) -> Network:
    """Return the forward network of a model.

    Raises
    ------
    ValueError
        If the network is as its backbone builds it.
    """
    network, backbone = model.networks_["forward"], model.backbone_
    with seeded(0):
        unfitted = backbone.build().state_dict()
    is_fitted = model.records_["forward"].steps > 0
    if network.has_closed_form:
        is_fitted = any(not torch.equal(value, unfitted[name]) for name, value in network.named_buffers())
    if not is_fitted:
        raise ValueError(
            f"{backbone.name}: expected a fitted network to time, got one as its backbone builds it; fit it first."
        )
    return network


def load_to_time(path: Path) -> Network:
    """Return the forward network of a model file; see `network_to_time`."""
    return network_to_time(ispfit.load(path, device="cpu"))


def picture(size: tuple[int, int]) -> np.ndarray:
    """Return a raw of this height and width, a synthetic one repeated: colours of noise would be unlike a picture's."""
    X, _ = make_camera_pairs(1, image_size=PICTURE_PX, random_state=0)
    repeats = [-(-side // tile) for side, tile in zip(size, PICTURE_PX, strict=True)]
    return np.ascontiguousarray(np.tile(np.asarray(X[0]), (*repeats, 1))[: size[0], : size[1]])
