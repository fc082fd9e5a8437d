"""A small network for what a model of the camera leaves, which is used as far as it helps in scenes it has not seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout, silu

from ispfit.backbones.parts.power_curve import decode, encode

__all__ = ["MIN_SCENES", "N_FOLDS", "Residual", "ResidualShots"]

N_FOLDS = 5
MIN_SCENES = 2 * N_FOLDS
"""With fewer scenes, a network that helps cannot be told from one that does not."""

_WIDTH, _SCENE_CODE = 48, 16
_STEPS, _SHOTS_PER_STEP, _PIXELS_PER_SHOT = 500, 32, 64
_LEARNING_RATE, _WEIGHT_DECAY, _DROPOUT, _WARM_UP = 3e-3, 1.0, 0.3, 0.1
_GAIN_JITTER = 0.3  # of the log gain, in units of its error in scenes that were left out
_LEAST_ERROR = 1e-5  # added to the mean squared error of a shot before the logarithm
_WEIGHTS = (0.25, 0.5, 0.75, 1.0)
_LEAST_GAIN = 0.005  # dB by which a member must raise the mean PSNR; the mean of five, which is used, raises it more
_ENOUGH_SCENES, _EVIDENCE = 20, 1.645  # with fewer, it must raise it by so many standard errors
_MEMBER_EXCESS = 0.09  # one member errs by so much more than the mean of five: measured 0.5 to 1 dB on four cameras
_MIDDLE_GREY, _MAX_EXPOSED = 0.18, 8.0  # of linear light at a standard exposure
_SEED = 0
_TINY = 1e-10


class CameraModel(Protocol):
    """One direction of a camera, as its residual sees it."""

    def finished(self, nodes: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]: ...
    def output(self, encoded: Tensor) -> Tensor: ...
    def slope(self, encoded: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class ResidualShots:
    """What the members of a `Residual` learn from: N shots, n pixels of each.

    Parameters
    ----------
    inputs : (N, n, 3), in the coordinates of the tables of a scene.
    targets : (N, n, 3), encoded.
    brightness : (N, n), of the neighbourhoods.
    statistics : (N, D), standardised.
    keys : (N,), logarithm of the mean brightness of the shots.
    parameters : (F, N, K), of the shots as they are predicted from the shots of other scenes; row f knows nothing of
        the scenes of fold f.
    folds : int64 (N,), the fold of each shot.
    gain_errors : (K,), standard deviations of the errors of log gains in scenes that were left out; 0 for all other
        parameters.
    n_scenes : number of different scenes.
    """

    inputs: Tensor
    targets: Tensor
    brightness: Tensor
    statistics: Tensor
    keys: Tensor
    parameters: Tensor
    folds: Tensor
    gain_errors: Tensor
    n_scenes: int


class Residual(nn.Module):
    """Five networks, each trained without one fold of the scenes; their mean is added to the colours of the camera.

    A member sees one pixel: its value, its value at a standard exposure, and what the camera model makes of it. Two of
    its layers are modulated by a code of the scene's statistics (FiLM: Perez et al. 2018, Eq. 1). It returns a change
    of the encoded colour, and the slope of this change by the brightness of the neighbourhood.

    Parameters
    ----------
    n_statistics : D, numbers that describe a scene.

    Attributes
    ----------
    weight : (), the factor of the change, 0 if the residual is not used.
    gain_db : (), mean gain of PSNR in dB of shots in scenes that were held out, from the best weight.
    gain_error_db : (), standard error of this mean.
    """

    weight: Tensor
    gain_db: Tensor
    gain_error_db: Tensor

    def __init__(self, n_statistics: int) -> None:
        super().__init__()
        sizes = [(12, _WIDTH), (_WIDTH, _WIDTH), (_WIDTH, _WIDTH), (_WIDTH, 6)]
        self.pixel_layers = nn.ModuleList([_Layers(*size) for size in sizes])
        self.scene_layers = nn.ModuleList([_Layers(n_statistics, _SCENE_CODE), _Layers(_SCENE_CODE, 4 * _WIDTH)])
        for name in ("weight", "gain_db", "gain_error_db"):
            self.register_buffer(name, torch.zeros(()))

    def forward(self, colors: Tensor, camera: Tensor, key: Tensor, statistics: Tensor) -> Tensor:
        """Return the change of encoded colours, and its slope by brightness: (n, 6).

        Parameters
        ----------
        colors : (n, 3), inputs in the coordinates of the tables of a scene.
        camera : (n, 3), encoded colours that the camera model makes of them.
        key, statistics : () and (D,), of the scene.
        """
        inputs = _features(colors[None], camera[None], key[None])
        members = inputs.expand(N_FOLDS, *inputs.shape), statistics.expand(N_FOLDS, 1, -1)
        return self.weight * self._members(*members).mean(0)[0]

    def _members(self, inputs: Tensor, statistics: Tensor) -> Tensor:
        """Map pixels (F, S, n, 12) of scenes (F, S, D) by their members: (F, S, n, 6)."""
        code = self.scene_layers[1](silu(self.scene_layers[0](statistics)))
        scales_and_shifts = code[:, :, None].chunk(4, -1)
        hidden = silu(self.pixel_layers[0](inputs))
        for layer, scale, shift in zip(
            self.pixel_layers[1:3], scales_and_shifts[::2], scales_and_shifts[1::2], strict=True
        ):
            hidden = silu(layer(hidden) * (1 + scale) + shift)
        changes: Tensor = self.pixel_layers[3](hidden)
        return changes

    def fit(self, model: CameraModel, shots: ResidualShots, *, required: bool) -> None:
        """Train the members, and choose the weight by the scenes that each of them has not seen.

        Parameters
        ----------
        model : what the residual is added to.
        shots : shots of at least `MIN_SCENES` scenes.
        required : use the residual even if it does not help.
        """
        with torch.random.fork_rng(devices=[]), torch.enable_grad():
            torch.manual_seed(_SEED)
            self._initialise()
            self._train(model, shots)
        with torch.no_grad():
            self._choose_weight(model, shots, required)

    def held_out_changes(self, model: CameraModel, shots: ResidualShots, shot: int) -> Tensor:
        """Return what is added to the encoded colours (n, 3) of a shot by the member that has not seen its scene."""
        if not self.weight:
            return torch.zeros_like(shots.inputs[shot])
        return self.weight * self._held_out(model, shots, shot)[1]

    @property
    def held_out_excess(self) -> float:
        """By which factor errors with `held_out_changes` exceed those with the mean of all members in new scenes."""
        return 1 + _MEMBER_EXCESS * float(self.weight)

    @property
    def verdict(self) -> str:
        """Whether the residual is used, and what it is worth, in a sentence."""
        worth = f"{self.gain_db:+.2f} dB (standard error {self.gain_error_db:.2f}) in scenes that were held out"
        if self.weight:
            return f"the residual network is used with weight {self.weight:.2f}; it is worth {worth}."
        return f"the residual network is not used; it would be worth {worth}."

    def _initialise(self) -> None:
        for layers in (*self.pixel_layers, *self.scene_layers):
            layers.initialise()
        for parameter in (*self.pixel_layers[-1].parameters(), *self.scene_layers[-1].parameters()):
            nn.init.zeros_(parameter)  # at first the members change nothing

    def _train(self, model: CameraModel, shots: ResidualShots) -> None:
        optimizer = torch.optim.AdamW(self.parameters(), lr=_LEARNING_RATE, weight_decay=_WEIGHT_DECAY)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, _LEARNING_RATE, total_steps=_STEPS, pct_start=_WARM_UP
        )
        seen = [torch.nonzero(shots.folds != fold)[:, 0] for fold in range(N_FOLDS)]
        for _ in range(_STEPS):
            index = torch.stack([members[torch.randint(len(members), (_SHOTS_PER_STEP,))] for members in seen])
            loss = self._errors(model, shots, index).log().mean(1).sum()
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()

    def _errors(self, model: CameraModel, shots: ResidualShots, index: Tensor) -> Tensor:
        """Return the mean squared errors (F, S) of outputs at some pixels of shots (F, S)."""
        flat = index.flatten()
        pixels = torch.randint(shots.inputs.shape[1], (_PIXELS_PER_SHOT,))
        inputs, targets, local = (values[flat][:, pixels] for values in (shots.inputs, shots.targets, shots.brightness))
        parameters = shots.parameters[torch.arange(N_FOLDS)[:, None], index].flatten(0, 1)
        parameters = parameters + _GAIN_JITTER * shots.gain_errors * torch.randn(len(flat), 1)
        with torch.no_grad():
            camera, lift = model.finished(inputs, parameters)
            encoded = camera + local[..., None] * lift
        features = _features(inputs, camera, shots.keys[flat]).view(*index.shape, _PIXELS_PER_SHOT, -1)
        changes = self._members(features, dropout(shots.statistics[index], _DROPOUT)).flatten(0, 1)
        error = (encoded + _at(changes, local) - targets) * model.slope(encoded)
        return error.square().mean((1, 2)).view(index.shape) + _LEAST_ERROR

    def _choose_weight(self, model: CameraModel, shots: ResidualShots, required: bool) -> None:
        psnr = torch.stack([self._held_out_psnr(model, shots, shot) for shot in range(len(shots.inputs))])
        gains = psnr[:, 1:] - psnr[:, :1]
        best = int(gains.mean(0).argmax())
        gain, error = gains[:, best].mean(), gains[:, best].std() / len(gains) ** 0.5
        least = _LEAST_GAIN if shots.n_scenes >= _ENOUGH_SCENES else _EVIDENCE * error
        used = required or bool(gain > least)
        self.gain_db.copy_(gain)
        self.gain_error_db.copy_(error)
        self.weight.fill_(_WEIGHTS[best] if used else 0.0)

    def _held_out_psnr(self, model: CameraModel, shots: ResidualShots, shot: int) -> Tensor:
        """Return the PSNR of a shot without the residual and with each weight, (1 + weights,)."""
        encoded, change = self._held_out(model, shots, shot)
        factors = torch.tensor([0.0, *_WEIGHTS])[:, None, None]
        return _psnr(model.output(encoded + factors * change).clamp(0, 1) - model.output(shots.targets[shot]))

    def _held_out(self, model: CameraModel, shots: ResidualShots, shot: int) -> tuple[Tensor, Tensor]:
        """Return encoded colours (n, 3) of a shot, and what the member that has not seen its scene would add."""
        fold, one = int(shots.folds[shot]), slice(shot, shot + 1)
        camera, lift = model.finished(shots.inputs[one], shots.parameters[fold, one])
        features = _features(shots.inputs[one], camera, shots.keys[one])
        members = features.expand(N_FOLDS, *features.shape), shots.statistics[one].expand(N_FOLDS, 1, -1)
        change = _at(self._members(*members)[fold], shots.brightness[one])[0]
        return camera[0] + shots.brightness[shot, :, None] * lift[0], change


class _Layers(nn.Module):
    """A linear layer of each of the members, which share nothing."""

    def __init__(self, n_inputs: int, n_outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(N_FOLDS, n_inputs, n_outputs))
        self.bias = nn.Parameter(torch.zeros(N_FOLDS, 1, n_outputs))

    def initialise(self) -> None:
        """Draw weights as `torch.nn.Linear` does."""
        bound = self.weight.shape[1] ** -0.5
        nn.init.uniform_(self.weight, -bound, bound)
        nn.init.uniform_(self.bias, -bound, bound)

    def forward(self, values: Tensor) -> Tensor:
        """Map (F, ..., inputs) to (F, ..., outputs)."""
        mapped = torch.baddbmm(self.bias, values.flatten(1, -2), self.weight)
        return mapped.view(*values.shape[:-1], -1)


def _features(colors: Tensor, camera: Tensor, keys: Tensor) -> Tensor:
    """Return what a member sees of pixels (S, n, 3): linear, encoded, at a standard exposure, as the camera renders."""
    linear = decode(colors)
    exposed = linear * _MIDDLE_GREY * (-keys).exp()[:, None, None]
    return torch.cat([linear, colors, encode(exposed.clamp(max=_MAX_EXPOSED)), camera], -1)


def _at(changes: Tensor, brightness: Tensor) -> Tensor:
    """Return the change (..., 3) where the neighbourhood has some brightness."""
    return changes[..., :3] + brightness[..., None] * changes[..., 3:]


def _psnr(errors: Tensor) -> Tensor:
    return -10 * (errors.square().mean((1, 2)) + _TINY).log10()
