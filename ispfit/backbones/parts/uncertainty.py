"""How sure predicted parameters of a shot make its colours: the delta method, calibrated on scenes that were left out.

The error of a colour is ``J @ error of the parameters + misfit``, with J the slope of the colour by the parameters. The
covariance of the parameters' errors and the variance of the misfit are measured on shots whose scenes were left out.
Errors grow with the distance of a scene from those of the fit, by a power of it. Two factors, one of pixels and one of
the exposure of a shot, make intervals cover on left-out scenes what they should.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, interpolate

from ispfit.backbones.parts.color_table import lattice, look_up, prefilter
from ispfit.backbones.parts.shot_colors import (
    FinishedModel,
    encoded_colors,
    exposure_error,
    finished_colors,
    light,
    parameter_slopes,
    rendered,
    slopes_at,
    split_parameters,
)

__all__ = ["LeftOutShots", "Uncertainty", "variance_at"]

_TABLE_NODES = 17  # per side of the table of variances of a scene
_MISFIT_NODES = 5  # per side of the table of the misfit
_MISFIT_PRIOR = 100.0  # colours of average misfit that are added to each of its nodes
_EXPOSURE_CELLS = 32  # per side of the thumbnail from which the slope of the exposure is computed
_ENCODED_STEP = 1e-3  # of the numerical slope of light by the encoded colour
_UNKNOWN_GAIN = 0.35  # standard deviation of the log gain, half an EV, if there is one scene and none to leave out
_MAX_POWER = 2.0
_FARTHEST = 2.0  # times the farthest left-out scene: at greater distances, errors grow no more
_INTERVALS = ((0.6827, 1.0, 0.6), (0.95, 1.96, 0.4))  # share of errors, standard deviations to hold it, importance
_TABLE_SHOTS = 8  # from which the error of interpolation in tables is estimated
_TINY = 1e-7


@dataclass(frozen=True)
class LeftOutShots:
    """Samples of N shots, their parameters, and what is predicted for them from other scenes.

    Parameters
    ----------
    inputs, targets : colours (N, n, 3).
    brightness : (N, n), of the neighbourhoods of these colours.
    thumbnails : (N, 3, 128, 128), of the inputs.
    brightness_maps : (N, 1, 16, 16), log brightness of the neighbourhoods relative to that of the image.
    parameters, left_out : (N, K), of each shot, and their prediction from other scenes.
    changes : (N, n, 3), what a network that has not seen the shot's scene adds to the encoded colours.
    excess : factor by which errors with these changes exceed those of the whole model in new scenes.
    distances : (N,), from the shots of other scenes.
    n_scenes : number of different scenes.
    table_nodes : per side of the tables from which scenes are rendered.
    """

    inputs: Tensor
    targets: Tensor
    brightness: Tensor
    thumbnails: Tensor
    brightness_maps: Tensor
    parameters: Tensor
    left_out: Tensor
    changes: Tensor
    excess: float
    distances: Tensor
    n_scenes: int
    table_nodes: int


class Uncertainty(nn.Module):
    """Standard deviations of the colours of a shot and of its exposure.

    Parameters
    ----------
    n_parameters : K, the log gains of a shot and the coefficients of `finish`, of all maps of colours.

    Attributes
    ----------
    covariance : (K, K), of the errors of the parameters at the mean distance.
    log_distance, power : (), how errors grow with the distance of a scene.
    nearest, farthest : (), the distances of the nearest and the farthest left-out scene.
    misfit : (1, 3, 5, 5, 5), variance of what the parameters leave, by encoded colour.
    exposure_misfit : (), variance of what the parameters leave of the exposure of a shot, in EV squared.
    exposure_floor : (), variance that interpolation in tables adds to it.
    scale, exposure_scale : (), factors of the standard deviations of pixels and of exposures.
    """

    covariance: Tensor
    log_distance: Tensor
    nearest: Tensor
    farthest: Tensor
    power: Tensor
    misfit: Tensor
    exposure_misfit: Tensor
    exposure_floor: Tensor
    scale: Tensor
    exposure_scale: Tensor

    def __init__(self, n_parameters: int) -> None:
        super().__init__()
        self.register_buffer("covariance", torch.zeros(n_parameters, n_parameters))
        self.register_buffer("misfit", torch.zeros(1, 3, *3 * [_MISFIT_NODES]))
        for name in ("log_distance", "power", "exposure_misfit", "exposure_floor"):
            self.register_buffer(name, torch.zeros(()))
        for name in ("nearest", "farthest", "scale", "exposure_scale"):
            self.register_buffer(name, torch.ones(()))

    def spread(self, distances: Tensor) -> Tensor:
        """Return the factors (N,) of the errors of the parameters of scenes at these distances.

        A scene that is nearer than any that was left out errs as the nearest of those: nothing is known of its errors.
        """
        known = torch.clamp(distances, self.nearest, _FARTHEST * self.farthest)
        return (self.power * (known.log() - self.log_distance)).exp()

    def table(self, model: FinishedModel, parameters: Tensor, spread: Tensor) -> Tensor:
        """Return the table (9, size, size, size) of the variances of a scene, for `variance_at`.

        Parameters
        ----------
        model : the direction of the camera.
        parameters, spread : (K,) and (), of the scene.
        """
        nodes = lattice(_TABLE_NODES, parameters.device)
        colors, _ = finished_colors(model, nodes, parameters)
        variances = self._variances(colors, parameter_slopes(model, nodes, parameters), spread)
        return variances.T.reshape(9, *3 * [_TABLE_NODES])

    def exposure_std(
        self, model: FinishedModel, thumbnail: Tensor, brightness: Tensor, parameters: Tensor, spread: Tensor
    ) -> Tensor:
        """Return the standard deviation () of log2 of the mean linear light of a shot.

        Parameters
        ----------
        model : the direction of the camera.
        thumbnail, brightness : (3, 128, 128) and (1, 16, 16), of the input.
        parameters, spread : (K,) and (), of the scene.
        """
        cells = adaptive_avg_pool2d(thumbnail[None], _EXPOSURE_CELLS)[0].flatten(1).T
        local = interpolate(brightness[None], size=_EXPOSURE_CELLS, mode="bilinear").flatten()
        nodes = model.coordinates(cells)
        colors, jacobian = encoded_colors(model, nodes, parameters, local), slopes_at(model, nodes, parameters, local)
        above, below = (light(model, colors + step) for step in (_ENCODED_STEP, -_ENCODED_STEP))
        by_color = (above - below) / (2 * _ENCODED_STEP)
        slope = torch.einsum("nc,nck->k", by_color, jacobian) / (log(2) * light(model, colors).sum() + _TINY)
        variance = spread**2 * (slope @ self.covariance @ slope) + self.exposure_misfit
        return (self.exposure_scale**2 * variance.clamp(min=0) + self.exposure_floor).sqrt()

    def fit(self, model: FinishedModel, shots: LeftOutShots) -> None:
        """Measure covariance, growth with distance and misfit, then set the factors."""
        self.scale.fill_(1)
        self.exposure_scale.fill_(1)
        self.exposure_floor.fill_(0)
        errors = shots.parameters - shots.left_out
        if shots.n_scenes < 2:
            split_parameters(model, errors)[0].fill_(_UNKNOWN_GAIN)
        self.power.fill_(0)
        self.covariance.copy_(errors.T @ errors / len(errors))
        if shots.n_scenes > 2:
            self._fit_distance(model, shots)
        errors = errors / self.spread(shots.distances)[:, None]
        self.covariance.copy_(errors.T @ errors / len(errors))
        self._fit_misfit(model, shots)
        if shots.n_scenes > 2:
            self._calibrate(model, shots)
        self.exposure_floor.copy_(_table_error(model, shots))

    def _variances(self, colors: Tensor, slopes: tuple[Tensor, Tensor], spread: Tensor) -> Tensor:
        """Return variances (n, 9) of encoded colours (n, 3) with these `parameter_slopes`."""
        everywhere, locally = slopes
        factors = ((everywhere, everywhere), (2 * everywhere, locally), (locally, locally))
        parts = [spread**2 * ((first @ self.covariance) * second).sum(-1) for first, second in factors]
        parts[0] = parts[0] + look_up(self.misfit, colors.T[None, :, None])[0, :, 0].T
        return self.scale**2 * torch.cat(parts, 1)

    def _fit_distance(self, model: FinishedModel, shots: LeftOutShots) -> None:
        """Fit the power of the distance that errors follow, shrunk by how uncertain it is."""
        squares = []
        for shot, parameters in enumerate(shots.left_out):
            nodes = model.coordinates(shots.inputs[shot])
            jacobian = slopes_at(model, nodes, parameters, shots.brightness[shot])
            expected = ((jacobian @ self.covariance) * jacobian).sum(-1)
            squares.append(((jacobian @ (shots.parameters[shot] - parameters)).square() / (expected + _TINY)).mean())
        logs, y = shots.distances.clamp(min=_TINY).log(), (torch.stack(squares) + _TINY).log() / 2
        self.log_distance.copy_(logs.mean())
        self.nearest.copy_(shots.distances.min().clamp(min=_TINY))
        self.farthest.copy_(shots.distances.max())
        x = logs - logs.mean()
        power = (x * y).sum() / (x.square().sum() + _TINY)
        noise = (y - y.mean() - power * x).square().mean() / (x.square().sum() + _TINY)
        self.power.copy_((power * (1 - noise / (power.square() + _TINY)).clamp(min=0)).clamp(0, _MAX_POWER))

    def _fit_misfit(self, model: FinishedModel, shots: LeftOutShots) -> None:
        """Average the squared errors that each shot has with its own parameters, by colour, and those of exposures."""
        exposures = []
        weights, sums = torch.zeros(_MISFIT_NODES**3), torch.zeros(_MISFIT_NODES**3, 3)
        for shot, parameters in enumerate(shots.parameters):
            colors = encoded_colors(model, model.coordinates(shots.inputs[shot]), parameters, shots.brightness[shot])
            errors = rendered(model, colors) - shots.targets[shot]
            cells = _cells(colors)
            weights += cells.sum(0)
            sums += cells.T @ (errors / model.slope(colors)).square()
            exposures.append(exposure_error(model, colors, shots.targets[shot]))
        mean = sums.sum(0) / weights.sum()
        table = (sums + _MISFIT_PRIOR * mean) / (weights + _MISFIT_PRIOR)[:, None]
        self.misfit.copy_(table.T.reshape(self.misfit.shape))
        self.exposure_misfit.copy_(torch.stack(exposures).square().mean())

    def _calibrate(self, model: FinishedModel, shots: LeftOutShots) -> None:
        """Set the factors such that intervals cover what they should on left-out scenes."""
        pixels, exposures = [], []
        for shot, (parameters, spread) in enumerate(zip(shots.left_out, self.spread(shots.distances), strict=True)):
            nodes, local = model.coordinates(shots.inputs[shot]), shots.brightness[shot]
            colors = encoded_colors(model, nodes, parameters, local)
            variances = self._variances(colors, parameter_slopes(model, nodes, parameters), spread)
            colors = colors + shots.changes[shot]
            deviations = model.slope(colors) * variance_at(variances, local[:, None], 1).sqrt()
            pixels.append((rendered(model, colors) - shots.targets[shot]) / (deviations + _TINY))
            known = self.exposure_std(model, shots.thumbnails[shot], shots.brightness_maps[shot], parameters, spread)
            exposures.append(exposure_error(model, colors, shots.targets[shot]) / (known + _TINY))
        share = 1 / shots.excess
        few = ((shots.n_scenes + 1) / (shots.n_scenes - 1)) ** 0.5  # the fewer scenes, the less is known of the errors
        self.scale.copy_(share * few * _factor(torch.cat(pixels).abs()))
        self.exposure_scale.copy_(
            share * few**2 * _factor(torch.stack(exposures).abs())
        )  # one error per shot tells less


def variance_at(variances: Tensor, brightness: Tensor, axis: int) -> Tensor:
    """Return the variances of three channels in neighbourhoods of some brightness.

    Parameters
    ----------
    variances : 9 values along `axis`, of a polynomial of degree 2: the constants, slopes and squares of the channels.
    brightness : with one value along `axis`.
    """
    constant, slope, square = variances.chunk(3, axis)
    return (constant + brightness * (slope + brightness * square)).clamp(min=0)


def _table_error(model: FinishedModel, shots: LeftOutShots) -> Tensor:
    """Return the mean square of the error of exposures that comes of interpolation in tables, in EV squared."""
    grid, errors = lattice(shots.table_nodes), []
    for shot in range(0, len(shots.parameters), max(1, len(shots.parameters) // _TABLE_SHOTS)):
        parameters, local = shots.parameters[shot], shots.brightness[shot]
        nodes = model.coordinates(shots.inputs[shot])
        table = torch.cat(finished_colors(model, grid, parameters), 1).T.reshape(1, 6, *3 * [shots.table_nodes])
        table = prefilter(table) if model.prefilters else table
        found = look_up(table, nodes.T[None, :, None])[0, :, 0].T
        exact = light(model, encoded_colors(model, nodes, parameters, local)).mean()
        ratio = light(model, found[:, :3] + local[:, None] * found[:, 3:]).mean() / exact.clamp(min=_TINY)
        errors.append(ratio.clamp(min=_TINY).log2())
    return torch.stack(errors).square().mean()


def _cells(colors: Tensor) -> Tensor:
    """Return the weights (n, size**3) of the nodes of the misfit's table at colours (n, 3), as `look_up` has them."""
    places = colors.clamp(0, 1)[..., None] * (_MISFIT_NODES - 1)
    red, green, blue = (1 - (places - torch.arange(_MISFIT_NODES)).abs()).clamp(min=0).unbind(1)
    return torch.einsum("nb,ng,nr->nbgr", blue, green, red).flatten(1)


def _factor(relative: Tensor) -> Tensor:
    """Return the factor of standard deviations that makes the intervals cover, on the average, the right shares."""
    ordered = relative.flatten().sort().values
    logs = [
        importance * (ordered[int(share * (len(ordered) - 1))] / width + _TINY).log()
        for share, width, importance in _INTERVALS
    ]
    return torch.stack(logs).sum().exp()
