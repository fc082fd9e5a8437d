"""An image of any size, rendered in tiles of any size, equals the image rendered whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small import small
from torch import Tensor

from ispfit import Network, Scene, Window, list_backbones
from ispfit.errors import BackboneError, InputError
from ispfit.images import FloatImage
from ispfit.rendering import cut_windows, describe_image, reflect, render_image
from ispfit.runtime import Runtime
from ispfit.testing.memory import peak_bytes

CPU = Runtime(torch.device("cpu"))
SIZES = st.integers(1, 70)


def random_image(height: int, width: int, seed: int = 0) -> FloatImage:
    return np.random.default_rng(seed).random((height, width, 3), np.float32)


def build(name: str) -> Network:
    torch.manual_seed(0)
    return small(name).build().eval()


class Identity(Network):
    """Returns its input, and records the windows."""

    def __init__(self, halo: int = 0, stride: int = 1) -> None:
        super().__init__()
        self.halo, self.stride = halo, stride
        self.seen: list[Window] = []

    def render(self, pixels: Tensor, scene: Scene, window: Window) -> Tensor:
        self.seen.append(window)
        return pixels[:, :, self.halo : self.halo + window.height, self.halo : self.halo + window.width]


class Unclipped(Network):
    """A network with an offset on its output, so that clipping does not hide differences."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network, self.halo, self.stride, self.describe = network, network.halo, network.stride, network.describe

    def render(self, pixels: Tensor, scene: Scene, window: Window) -> Tensor:
        return self.network.render(pixels, scene, window) + 0.5


class Gradient(Network):
    """Returns the position of each pixel and the mean of the scene, which shows a wrong window."""

    def describe(self, image: Tensor) -> Scene:
        return Scene(mean=image.mean((1, 2, 3)))

    def render(self, pixels: Tensor, scene: Scene, window: Window) -> Tensor:
        mean = scene["mean"].view(-1, 1, 1, 1).expand(-1, 1, window.height, window.width)
        return torch.cat([window.grid(), mean], 1)


@given(st.integers(-500, 500), st.integers(1, 80))
def test_reflection_is_that_of_numpy(start: int, size: int) -> None:
    index = torch.arange(start, start + 10)
    padding = 600
    expected = np.pad(np.arange(size), padding, mode="reflect")[index.numpy() + padding]
    np.testing.assert_array_equal(reflect(index, size), expected)


@given(st.integers(1, 80))
def test_reflection_leaves_the_inside_alone(size: int) -> None:
    assert torch.equal(reflect(torch.arange(size), size), torch.arange(size))


@settings(deadline=None)
@given(SIZES, SIZES, st.integers(0, 30), st.integers(0, 30), st.integers(1, 20), st.integers(1, 20), st.integers(0, 12))
def test_windows_are_cut_with_a_reflected_halo(
    height: int, width: int, top: int, left: int, h: int, w: int, halo: int
) -> None:
    image = random_image(height, width)
    padded = np.pad(image, ((70, 70), (70, 70), (0, 0)), mode="reflect")
    expected = padded[top + 70 - halo : top + 70 + h + halo, left + 70 - halo : left + 70 + w + halo]
    [cut] = cut_windows(torch.from_numpy(image), torch.tensor([top]), torch.tensor([left]), h, w, halo)
    np.testing.assert_array_equal(cut.permute(1, 2, 0), expected)


@settings(deadline=None, max_examples=40)
@given(SIZES, SIZES, st.integers(1, 90), st.sampled_from([1, 2, 3, 4, 8]), st.integers(0, 9))
def test_tiles_cover_every_pixel_once(height: int, width: int, tile: int, stride: int, halo: int) -> None:
    network = Identity(halo, stride)
    image = random_image(height, width)
    np.testing.assert_array_equal(render_image(network, image, CPU, tile=tile), image)
    side = -(-tile // stride) * stride
    for window in network.seen:
        assert int(window.top) % stride == int(window.left) % stride == window.height % stride == 0
        assert window.height <= side
        assert window.width <= side
    assert len(network.seen) == -(-height // side) * -(-width // side)


@settings(deadline=None, max_examples=25)
@given(SIZES, SIZES, st.integers(1, 90))
def test_windows_know_where_they_are_and_what_scene_they_belong_to(height: int, width: int, tile: int) -> None:
    image = random_image(height, width)
    output = render_image(Gradient(), image, CPU, tile=tile)
    np.testing.assert_allclose(output[:, :, 0], np.repeat((np.arange(height) + 0.5)[:, None] / height, width, 1))
    np.testing.assert_allclose(output[:, :, 1], np.repeat((np.arange(width) + 0.5)[None] / width, height, 0))
    np.testing.assert_allclose(output[:, :, 2], image.mean(), rtol=1e-5)


@pytest.mark.parametrize("name", list_backbones())
def test_tiled_equals_whole(name: str) -> None:
    network = Unclipped(build(name))

    @settings(deadline=None, max_examples=25)
    @given(SIZES, SIZES, st.integers(1, 40), st.integers(0, 9))
    def holds(height: int, width: int, tile: int, seed: int) -> None:
        image = random_image(height, width, seed)
        whole = render_image(network, image, CPU, tile=200)
        np.testing.assert_allclose(render_image(network, image, CPU, tile=tile), whole, rtol=0, atol=1e-5)

    holds()


@pytest.mark.parametrize("name", list_backbones())
def test_the_output_is_a_float32_image_in_range_and_the_input_unchanged(name: str) -> None:
    network, image = build(name), random_image(9, 13)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(5)
    kept = image.copy()
    image.flags.writeable = False
    output = render_image(network, image, CPU)
    assert output.shape == image.shape
    assert output.dtype == np.float32
    assert output.min() >= 0
    assert output.max() <= 1
    np.testing.assert_array_equal(image, kept)


@pytest.mark.parametrize("change", [lambda image: image[::-1, ::2], lambda image: image.astype(np.float64)])
def test_views_and_doubles_are_rendered_too(change: Any) -> None:
    image = change(random_image(12, 16))
    np.testing.assert_array_equal(render_image(Identity(), image, CPU), image.astype(np.float32))


def test_the_result_is_written_to_out() -> None:
    network, image = build("histpyramid"), random_image(20, 30)
    out = np.empty_like(image)
    assert render_image(network, image, CPU, out=out) is out
    np.testing.assert_array_equal(out, render_image(network, image, CPU))
    for wrong in (np.empty((20, 31, 3), np.float32), np.empty((20, 30, 3), np.float64), image):
        with pytest.raises(InputError, match=r"out: expected float32 \(20, 30, 3\) of its own memory, got float"):
            render_image(network, image, CPU, out=wrong)


def test_an_image_is_rendered_with_the_scene_of_another() -> None:
    bright, dark = np.full((4, 6, 3), 0.9, np.float32), np.full((5, 3, 3), 0.1, np.float32)
    scene = describe_image(Gradient(), bright, CPU)
    np.testing.assert_allclose(render_image(Gradient(), dark, CPU, scene=scene)[:, :, 2], 0.9, rtol=1e-6)


def test_the_default_scene_is_that_of_the_image() -> None:
    network, image = build("histpyramid"), random_image(20, 30)
    scene = describe_image(network, image, CPU)
    np.testing.assert_array_equal(render_image(network, image, CPU, scene=scene), render_image(network, image, CPU))
    other = describe_image(network, image**3, CPU)
    assert np.abs(render_image(network, image, CPU, scene=other) - render_image(network, image, CPU)).max() > 1e-4


def test_low_precision_renders_nearly_the_same() -> None:
    network, image = build("mlp"), random_image(20, 30)
    low = render_image(network, image, Runtime(torch.device("cpu"), torch.bfloat16))
    assert 0 < np.abs(low - render_image(network, image, CPU)).max() < 0.02


def test_an_output_of_the_wrong_size_is_an_error_that_states_the_contract() -> None:
    class TooSmall(Identity):
        def render(self, pixels: Tensor, scene: Scene, window: Window) -> Tensor:
            return pixels[:, :, 1:-1, 1:-1]

    message = (
        r"TooSmall\.render returned shape \(1, 3, 6, 8\), expected \(1, 3, 8, 10\): "
        r"use valid convolutions that consume exactly halo = 0 pixels on each side\."
    )
    with pytest.raises(BackboneError, match=message):
        render_image(TooSmall(), random_image(8, 10), CPU)


@pytest.mark.parametrize("name", list_backbones())
def test_memory_does_not_grow_with_the_image(name: str) -> None:
    """Input and output image do not count: they are not tensors of the renderer."""
    network = build(name)
    render_image(network, random_image(512, 512), CPU, tile=64)  # a table that is computed once does not count
    peaks = []
    for side in (256, 512):
        image = random_image(side, side)
        peaks.append(peak_bytes(lambda image=image: render_image(network, image, CPU, tile=64)))
    assert peaks[1] < 1.1 * peaks[0]


def test_nan_is_an_error_and_no_pixel() -> None:
    class NoNumber(Network):
        def render(self, pixels: Tensor, scene: Scene, window: Window) -> Tensor:
            return torch.where(pixels > 0.99, torch.nan, pixels)

    image = random_image(20, 30) * 0.9
    assert render_image(NoNumber(), image, Runtime(torch.device("cpu")), tile=8).max() <= 0.9
    image[19, 29] = 1
    message = r"^NoNumber\.render returned NaN: its weights or its code are at fault\.$"
    with pytest.raises(BackboneError, match=message):
        render_image(NoNumber(), image, Runtime(torch.device("cpu")), tile=8)
