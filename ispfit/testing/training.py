"""Checks of training, saving and inverting."""

from __future__ import annotations

import json
from collections.abc import Iterator

import safetensors.torch
import torch
from torch import Tensor

from ispfit.backbone import Network
from ispfit.errors import BackboneError
from ispfit.testing.rendering import check_halo, check_shape
from ispfit.testing.subject import TOLERANCE, Subject, cut, describe, difference, render

__all__ = ["check_inverse", "check_learns", "check_saves"]

_N_STEPS = 20


def check_learns(subject: Subject) -> Iterator[str]:
    """training lowers the loss."""
    network = subject.backbone.build()
    before = _loss(network.eval(), subject).detach()
    _fit(network, subject)
    after = _loss(network.eval(), subject).detach()
    if not after < before:
        method = "fit_pairs" if network.has_closed_form else f"{_N_STEPS} steps of Adam"
        yield (
            f"{method} did not lower the loss on three pairs (before {float(before):.3g}, after {float(after):.3g}); "
            "check that the output depends on the weights by differentiable operations, without detach or rounding."
        )


def check_saves(subject: Subject) -> Iterator[str]:
    """another network of the backbone gives the same output with the saved weights."""
    network, image = subject.network(), subject.image()
    saved = safetensors.torch.save({name: tensor.contiguous() for name, tensor in _weights(network).items()})
    torch.manual_seed(1)  # so that anything that is not saved differs
    settings = json.loads(json.dumps(subject.backbone.settings()))
    loaded = type(subject.backbone)(**settings).build().eval()
    try:
        loaded.load_state_dict(safetensors.torch.load(saved))
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        yield (
            f"the weights of one network do not fit another of the same backbone ({reason}); the shapes of parameters "
            "and buffers must depend on the hyper-parameters only."
        )
        return
    if difference(render(network, image), render(loaded, image)).amax() > TOLERANCE:
        yield (
            "a network loaded from its saved weights renders differently; register everything that training changes as "
            "torch.nn.Parameter or by register_buffer."
        )


def check_inverse(subject: Subject) -> Iterator[str]:
    """the inverse of an invertible backbone is a network that undoes the forward network."""
    if not subject.backbone.invertible:
        return
    network = subject.backbone.build()
    _fit(network, subject)
    try:
        inverse = network.eval().inverse()
    except BackboneError as error:
        yield str(error)
        return
    reverse = _Inverse(subject, inverse.eval())
    yield from (f"the inverse: {problem}" for check in (check_shape, check_halo) for problem in check(reverse))
    image = subject.image()
    rendered = render(network, image).permute(1, 2, 0)[: image.shape[0], : image.shape[1]].clamp(0, 1)
    derendered = render(inverse, rendered).permute(1, 2, 0)[: image.shape[0], : image.shape[1]]
    if not (derendered - image).square().mean() < (rendered - image).square().mean():
        yield (
            "the inverse does not undo the forward network: a rendered and derendered image differs more from the "
            "original than the rendered one."
        )


class _Inverse(Subject):
    """The network of the other direction under examination."""

    def __init__(self, subject: Subject, network: Network) -> None:
        super().__init__(subject.backbone)
        self._network = network


def _fit(network: Network, subject: Subject) -> None:
    if network.has_closed_form:
        network.fit_pairs(subject.pairs())
        return
    optimizer = torch.optim.Adam([weight for weight in network.parameters() if weight.requires_grad], 1e-3)
    network.train()
    for _ in range(_N_STEPS):
        optimizer.zero_grad()
        _loss(network, subject).backward()  # type: ignore[no-untyped-call]
        optimizer.step()


def _loss(network: Network, subject: Subject) -> Tensor:
    losses = []
    for source, target in subject.pairs():
        image = torch.from_numpy(source.copy())
        pixels, window = cut(network, image)
        rendered = network.render(pixels, describe(network, image), window)[0]
        inside = rendered[:, : image.shape[0], : image.shape[1]].permute(1, 2, 0)
        losses.append((inside - torch.from_numpy(target.copy())).square().mean())
    return torch.stack(losses).mean()


def _weights(network: Network) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
