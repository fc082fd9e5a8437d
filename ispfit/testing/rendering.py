"""Checks of `Network.render`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ispfit.backbone import Network, Scene, Window, pick_pixels
from ispfit.errors import BackboneError
from ispfit.rendering import check_rendered, check_rendered_samples
from ispfit.testing.subject import TOLERANCE, Subject, cut, describe, difference, render

__all__ = [
    "check_batch",
    "check_halo",
    "check_inputs",
    "check_repeats",
    "check_samples",
    "check_shape",
    "output_problem",
]


def check_shape(subject: Subject) -> Iterator[str]:
    """render returns finite float32 of the window's size, for any window in whole strides."""
    network, stride = subject.network(), subject.network().stride
    image = subject.image()
    for size in ((subject.unit, 2 * subject.unit), (3 * stride, 2 * stride), (stride, stride)):
        pixels, window = cut(network, image, size=size)
        with torch.no_grad():
            rendered: Any = network.render(pixels, describe(network, image), window)
        if problem := output_problem("render", rendered, partial(check_rendered, network, rendered, window)):
            yield problem
            return
        if not rendered.isfinite().all():
            yield "render returned NaN or infinite values; look for divisions by zero and roots of negative numbers."
            return


def output_problem(method: str, rendered: Tensor, check_shape_of_output: Callable[[], None]) -> str | None:
    """Return what is wrong with the shape or the dtype of an output, or None."""
    try:
        check_shape_of_output()
    except BackboneError as error:
        return str(error)
    if rendered.dtype != torch.float32:
        return f"{method} returned {rendered.dtype}, expected torch.float32; convert it at the end of {method}."
    return None


def check_halo(subject: Subject) -> Iterator[str]:
    """an image rendered in tiles equals the image rendered whole."""
    network, unit = subject.network(), subject.unit
    reach, furthest = _reach(network, subject, unit)
    if reach > network.halo:
        if reach == furthest:
            yield (
                "render depends on every pixel of its window (instance statistics, global pooling?); whatever depends "
                "on the whole image belongs in describe."
            )
        else:
            stride = network.stride
            yield (
                f"render reads {reach} pixels around a pixel but declares halo = {network.halo}; set halo = "
                f"{-(-reach // stride) * stride} and use valid convolutions (padding=0) only."
            )
        return
    image = subject.image()
    whole, scene = render(network, image), describe(network, image)
    worst = 0.0
    for top in range(0, whole.shape[1] - unit + 1, unit):
        for left in range(0, whole.shape[2] - unit + 1, unit):
            tile = render(network, image, scene, top=top, left=left, size=unit)
            expected = whole[:, top : top + unit, left : left + unit]
            worst = max(worst, float(difference(tile, expected).amax()))
    if worst > TOLERANCE:
        yield (
            f"an image rendered in tiles differs from the image rendered whole by {worst:.2g}; use no padding and no "
            "statistics of the window in render: valid convolutions read the true neighbours from the halo."
        )


def _reach(network: Network, subject: Subject, unit: int) -> tuple[int, int]:
    """Return the distance of the farthest pixel on which the output depends, and the largest distance in the window.

    The gradient of one cell, stride x stride output pixels in the middle of a window, shows the pixels that it reads::

        . . . . . . . . . .
        . . . r r r r . . .     c  the cell
        . . . r c c r . . .     r  pixels with a gradient: the reach is 1
        . . . r c c r . . .
        . . . r r r r . . .
        . . . . . . . . . .
    """
    image = subject.image(0, 5 * unit, 5 * unit)
    with torch.no_grad():
        scene = describe(network, image)
    pixels, window = cut(network, image)
    pixels = pixels.clone().requires_grad_()
    rendered = network.render(pixels, scene, window)
    start, stop = 2 * unit, 2 * unit + network.stride
    if not rendered.requires_grad:
        return 0, -1  # without gradient, such as a table: comparing tiles must do
    cell = rendered[:, :, start:stop, start:stop]
    (gradient,) = torch.autograd.grad(
        (cell * torch.randn_like(cell)).sum(), pixels, allow_unused=True, materialize_grads=True
    )
    touched = torch.nonzero(gradient.abs().amax((0, 1)) > 0)
    if not len(touched):
        return 0, -1
    low, high = start + network.halo - touched.amin(), touched.amax() - (stop - 1 + network.halo)
    return max(0, int(low), int(high)), max(start, 5 * unit - stop) + network.halo


def check_batch(subject: Subject) -> Iterator[str]:
    """no window of a batch depends on another, in evaluation or in training."""
    network = subject.network()
    batch = [cut(network, subject.image(seed), size=(subject.unit,) * 2) for seed in range(3)]
    scene = Scene.cat([describe(network, subject.image(seed)) for seed in range(3)]).detach()
    window = _concatenate([window for _, window in batch])
    with torch.no_grad():
        together = network.render(torch.cat([pixels for pixels, _ in batch]), scene, window)
        alone = [network.render(pixels, scene.select(torch.tensor([i])), one) for i, (pixels, one) in enumerate(batch)]
    depends = bool(difference(together, torch.cat(alone)).amax() > TOLERANCE)
    pixels = torch.cat([pixels for pixels, _ in batch]).requires_grad_()
    rendered = network.train().render(pixels, scene, window)
    if rendered.requires_grad:
        loss = rendered[0].square().sum()
        (gradient,) = torch.autograd.grad(loss, pixels, allow_unused=True, materialize_grads=True)
        depends |= bool(gradient[1:].abs().amax() > 0)
    if depends:
        yield (
            "the output of a window depends on the other windows of its batch; use no batch statistics (BatchNorm) in "
            "render."
        )
    elif _differ(subject.network().state_dict(), network.state_dict()):
        yield "render changes the network's buffers in training; keep no running statistics in it."


def check_samples(subject: Subject) -> Iterator[str]:
    """render_samples returns the pixels of render."""
    network, image = subject.network(), subject.image()
    count = network.samples_per_window
    if not (count is None or (isinstance(count, int) and count > 0)):
        yield f"samples_per_window is {count!r}; set it to a number of pixels of each window, or to None for all."
        return
    cuts = [cut(network, image, top, 0, (subject.unit, 2 * subject.unit)) for top in (0, subject.unit)]
    pixels, window = torch.cat([one for one, _ in cuts]), _concatenate([one for _, one in cuts])
    sample_index = torch.randint(window.height * window.width, (2, 50))
    scene = describe(network, image).select(torch.tensor([0, 0]))
    whole = network.render(pixels, scene, window)
    rendered = network.render_samples(pixels, scene, window, sample_index)
    check_shape_of_output = partial(check_rendered_samples, network, rendered, sample_index)
    if problem := output_problem("render_samples", rendered, check_shape_of_output):
        yield problem
    elif whole.requires_grad and not rendered.requires_grad:
        yield "render_samples returns pixels that do not depend on the weights; use no detach in it."
    elif (worst := float(difference(rendered, pick_pixels(whole, sample_index)).detach().amax())) > TOLERANCE:
        yield (
            f"render_samples differs from the same pixels of render by {worst:.2g}; sample_index numbers the pixels of "
            "each window row by row, without the halo."
        )


def _concatenate(windows: list[Window]) -> Window:
    """Return several windows of one size as one batch."""
    return Window(
        torch.cat([window.top for window in windows]),
        torch.cat([window.left for window in windows]),
        windows[0].height,
        windows[0].width,
        torch.cat([window.image_height for window in windows]),
        torch.cat([window.image_width for window in windows]),
    )


def check_inputs(subject: Subject) -> Iterator[str]:
    """describe and render leave their inputs unchanged."""
    network, image = subject.network(), subject.image()
    pixels, window = cut(network, image)
    whole = image.permute(2, 0, 1)[None].contiguous()
    kept = whole.clone()
    with torch.no_grad():
        scene = network.describe(whole)
        if not torch.equal(whole, kept):
            yield "describe changes its image; use no in-place operations on it, such as image -= mean."
        given = {"pixels": pixels, **scene}
        before = {name: tensor.clone() for name, tensor in given.items()}
        network.render(pixels, scene, window)
    for name, tensor in given.items():
        if not torch.equal(tensor, before[name]):
            yield f"render changes its {name}; use no in-place operations on its inputs."


def check_repeats(subject: Subject) -> Iterator[str]:
    """the same input gives the same output after any other calls."""
    image, other = subject.image(), subject.image(1) ** 2
    first = _seeded_render(subject.network(), image, 1)
    if not torch.equal(first, _seeded_render(subject.network(), image, 2)):
        yield "the output is random; draw random numbers only while self.training is True."
        return
    network = subject.network()
    scene = describe(network, image)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    repeated = [render(network, image, scene)]
    render(network, other)
    repeated.append(render(network, image, scene))
    if not all(_close(first, again) for again in repeated) or _differ(before, network.state_dict()):
        yield (
            "the output depends on earlier calls; keep no state between calls: describe returns its results in the "
            "Scene and stores nothing in self."
        )


def _seeded_render(network: Network, image: Tensor, seed: int) -> Tensor:
    torch.manual_seed(seed)
    return render(network, image)


def _close(first: Tensor, second: Tensor) -> bool:
    return bool(difference(first, second).amax() <= TOLERANCE)


def _differ(before: dict[str, Tensor], after: dict[str, Tensor]) -> bool:
    return any(not torch.equal(before[name], after[name]) for name in before)
