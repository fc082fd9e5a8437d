"""Oracles: what `photofinish` renders if it knows what no model can know of a test shot, for `photofinish_parts.py`."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_matrix, diags_array, eye_array, kron
from scipy.sparse.linalg import cg
from torch import Tensor

from ispfit.backbone import Network
from ispfit.backbones.parts.color_table import lattice, look_up
from ispfit.backbones.parts.direction import Direction
from ispfit.backbones.parts.scene_regression import SceneRegression
from ispfit.backbones.parts.shot_colors import split_parameters
from ispfit.backbones.parts.shot_samples import ShotSamples, sample_shots
from ispfit.backbones.photofinish import PhotofinishNetwork
from ispfit.images import FloatImage, Image
from ispfit.rendering import render_image
from ispfit.runtime import Runtime

__all__ = ["ORACLES", "oracle_rendering"]

_COLORS_PER_SHOT = 5000
_COARSE, _FINE = np.linspace(-3, 3, 41), np.linspace(-0.15, 0.15, 31)  # steps of log gains
_NODES, _SMOOTHNESS = 17, 1e-3  # of a table that is fitted to a shot


def _know_gain(direction: Direction, inputs: ShotSamples, targets: ShotSamples) -> Tensor:
    """Return the parameters of a shot: its gains are known, the others are predicted."""
    parameters = direction.predict(inputs)[0]
    split_parameters(direction, parameters)[0].copy_(_best_gains(direction, inputs, targets))
    return parameters


def _know_parameters(direction: Direction, inputs: ShotSamples, targets: ShotSamples) -> Tensor:
    """Return the parameters of a shot: they are fitted to it as to a training shot."""
    gains = _best_gains(direction, inputs, targets).double().numpy()[None]
    return torch.from_numpy(direction.fit_shots(direction.encode_shots(inputs, targets), gains)[0]).float()


ORACLES = {"gain known": _know_gain, "all parameters known": _know_parameters, "table fitted to the shot": None}
"""What tells one direction of a network the parameters of a shot, by the name of the row; None knows its colours."""


def oracle_rendering(
    name: str, network: Network, direction: str, pair: tuple[Image, Image], runtime: Runtime
) -> FloatImage:
    """Render a raw, or derender an srgb, by a fitted `PhotofinishNetwork` and what an oracle of `ORACLES` tells it."""
    network, forward, tell = deepcopy(network), direction == "forward", ORACLES[name]
    assert isinstance(network, PhotofinishNetwork)
    part = network.rendering if forward else network.derendering
    source, target = pair if forward else pair[::-1]
    with torch.no_grad():
        if tell is None:
            colors, targets = (torch.from_numpy(np.asarray(side).reshape(-1, 3)) for side in (source, target))
            return fit_table(part.coordinates(colors), targets).clamp(0, 1).numpy().reshape(source.shape)
        inputs, outputs, _ = sample_shots([(source, target)], 1, _COLORS_PER_SHOT)
        _predict_always(part.regression, tell(part, inputs, outputs))
        return render_image(network if forward else network.inverse(), source, runtime)


def _predict_always(regression: SceneRegression, parameters: Tensor) -> None:
    """Make a regression predict the same parameters of any scene."""
    regression.linear.zero_()
    regression.radial.zero_()
    regression.offset.copy_(parameters)


def _best_gains(direction: Direction, inputs: ShotSamples, targets: ShotSamples) -> Tensor:
    """Return the log gain (C,) with which each map of colours alone comes closest to a shot."""
    colors, target = (torch.from_numpy(side.colors[0]).float() for side in (inputs, targets))
    nodes, found = direction.coordinates(colors), torch.zeros(len(direction.weights))
    for steps in (_COARSE, _FINE):
        gains = found + torch.from_numpy(steps).float()[:, None]
        renderings = (direction.output(direction.base(nodes, each)).clamp(0, 1) for each in gains)
        errors = torch.stack([(each - target).square().mean((1, 2)) for each in renderings])
        found = gains.gather(0, errors.argmin(0, keepdim=True))[0]
    return found


def fit_table(coordinates: Tensor, targets: Tensor) -> Tensor:
    """Fit a table to colours (n, 3) by least squares, smooth where there are none; return what it makes of them."""
    position = coordinates.clamp(0, 1).double().numpy() * (_NODES - 1)
    low = np.minimum(position.astype(np.intp), _NODES - 2)
    corners = [low + corner for corner in np.ndindex(2, 2, 2)]
    shares = [(1 - np.abs(position - node)).prod(1) for node in corners]
    nodes = [node @ [1, _NODES, _NODES**2] for node in corners]  # red varies fastest, as in `lattice`
    pixels = np.tile(np.arange(len(position)), 8)
    design = csr_matrix((np.concatenate(shares), (pixels, np.concatenate(nodes))), (len(position), _NODES**3))
    normal = design.T @ design + _SMOOTHNESS * _roughness()
    scale, start = diags_array(1 / normal.diagonal()), lattice(_NODES).double().numpy()
    sums = design.T @ targets.double().numpy()
    values = [cg(normal, sums[:, c], start[:, c], rtol=1e-6, maxiter=500, M=scale)[0] for c in range(3)]
    table = torch.from_numpy(np.stack(values)).float().view(1, 3, *3 * [_NODES])
    return look_up(table, coordinates.T[None, :, None])[0, :, 0].T


def _roughness() -> Any:
    """Return the matrix of the sum of the squared differences of neighbouring nodes."""
    step = eye_array(_NODES - 1, _NODES, k=1) - eye_array(_NODES - 1, _NODES)
    line, same = step.T @ step, eye_array(_NODES)
    return kron(kron(line, same), same) + kron(kron(same, line), same) + kron(kron(same, same), line)
