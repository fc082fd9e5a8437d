"""The pyramid of histograms, compared with a plain implementation of the paper's section 4 on whole images."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from ispfit import ISPModel, Scene, Window, color
from ispfit.backbones.histpyramid import HistPyramid, HistPyramidNetwork
from ispfit.errors import InputError
from ispfit.rendering import cut_windows, render_image
from ispfit.runtime import resolve_runtime
from ispfit.testing.memory import peak_bytes

BORDER = 8
SIZES = [(32, 40), (33, 41), (34, 47), (35, 38), (47, 61)]


def build(bins: int = 6, channels: int = 5, seed: int = 0) -> HistPyramidNetwork:
    torch.manual_seed(seed)
    network = HistPyramid.paper(bins, channels).build()
    assert isinstance(network, HistPyramidNetwork)
    with torch.no_grad():  # initially, channels and bins may be alike and weights zero
        network.histogram.widths *= 1 + 0.3 * torch.rand(3, bins)
        for parameter in network.parameters():
            parameter += 0.05 * torch.randn(parameter.shape)
    return network


@pytest.fixture
def exact_chromaticity(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eq. 4 as it is printed, undefined at black."""
    monkeypatch.setattr(color, "EPSILON", 0)


def random_image(n: int, height: int, width: int) -> Tensor:
    return 0.05 + 0.95 * torch.rand((n, 3, height, width), generator=torch.Generator().manual_seed(height))


def render_whole(network: HistPyramidNetwork, image: Tensor) -> Tensor:
    """Render the whole image as one window by `describe` and `render`."""
    height, width = (-(-size // 4) * 4 for size in image.shape[2:])
    zero = torch.zeros(1, dtype=torch.int64)
    pixels = torch.cat([cut_windows(one.permute(1, 2, 0), zero, zero, height, width, network.halo) for one in image])
    corner = torch.zeros(len(image), dtype=torch.int64)
    window = Window(corner, corner, height, width, corner + image.shape[2], corner + image.shape[3])
    rendered = network.render(pixels, network.describe(image), window)
    return rendered[:, :, : image.shape[2], : image.shape[3]]


def transcribe(network: HistPyramidNetwork, image: Tensor) -> Tensor:
    """Implement the paper equation by equation on the whole image, with the network's weights."""
    height, width = image.shape[2:]
    red, green, blue = image.unbind(1)
    total = red + green + blue
    features = [total / 3, red / total, green / total]  # Eq. 4
    votes = torch.stack(
        [
            torch.clamp(
                1 - torch.abs(features[k] - network.histogram.centers[k, b]) * network.histogram.widths[k, b], min=0
            )
            for k in range(3)
            for b in range(network.histogram.centers.shape[1])
        ],
        dim=1,
    )  # Eq. 3
    scales = []
    pooled = votes
    for stride in (1, 2, 2):
        pooled = F.avg_pool2d(pooled, 3, stride, padding=1, count_include_pad=False)
        scales.append(pooled)
    scales.append(pooled.mean((2, 3), keepdim=True))  # the global average
    pixelwise = [to_pixels(scale, height, width) for scale in scales]  # Eq. 5
    descriptor = torch.cat([image, *pixelwise], dim=1)
    weight = torch.cat(
        [
            network.mix_pixels.weight,
            network.mix_half.weight,
            network.mix_quarter.weight,
            network.mix_global.weight[:, :, None, None],
        ],
        dim=1,
    )
    hidden = torch.relu(F.conv2d(descriptor, weight, network.mix_pixels.bias))
    first, second = (module for module in network.body if isinstance(module, torch.nn.Conv2d))
    hidden = torch.relu(F.conv2d(hidden, first.weight, first.bias, padding=1))
    return F.conv2d(hidden, second.weight, second.bias, padding=1)


def to_pixels(scale: Tensor, height: int, width: int) -> Tensor:
    """Upsample by nearest neighbour: each cell covers a square of pixels."""
    if scale.shape[2:] == (1, 1):
        return scale.expand(-1, -1, height, width)
    factor = -(-height // scale.shape[2])
    return scale.repeat_interleave(factor, 2).repeat_interleave(factor, 3)[:, :, :height, :width]


def inside(maps: Tensor) -> Tensor:
    return maps[:, :, BORDER:-BORDER, BORDER:-BORDER]


def test_the_upsampling_of_the_transcription_is_torchs_nearest() -> None:
    scale = torch.rand(1, 2, 5, 7)
    assert torch.equal(to_pixels(scale, 20, 28), F.interpolate(scale, size=(20, 28), mode="nearest"))


@pytest.mark.usefixtures("exact_chromaticity")
@pytest.mark.parametrize(("height", "width"), SIZES)
def test_the_network_is_the_paper_s(height: int, width: int) -> None:
    network, image = build(), random_image(2, height, width)
    expected, rendered = transcribe(network, image), render_whole(network, image)
    torch.testing.assert_close(inside(rendered), inside(expected), rtol=0, atol=1e-5)
    assert expected.std() > 0.01


@pytest.mark.usefixtures("exact_chromaticity")
@pytest.mark.parametrize(("height", "width"), SIZES)
def test_its_gradients_are_the_paper_s(height: int, width: int) -> None:
    network, image = build(), random_image(2, height, width)
    target = random_image(2, height, width).flip(1)

    def gradients(render: object) -> dict[str, Tensor]:
        assert callable(render)
        network.zero_grad()
        loss = (inside(render(network, image)) - inside(target)).square().mean()
        loss.backward()
        return {
            name: parameter.grad.clone() for name, parameter in network.named_parameters() if parameter.grad is not None
        }

    expected, found = gradients(transcribe), gradients(render_whole)
    assert found.keys() == expected.keys() == dict(network.named_parameters()).keys()
    for name in expected:
        torch.testing.assert_close(
            found[name], expected[name], rtol=1e-3, atol=1e-5, msg=lambda text, n=name: f"{n}: {text}"
        )


def test_the_paper_s_descriptor_has_seventy_five_channels() -> None:
    network = HistPyramid.paper().build()
    assert isinstance(network, HistPyramidNetwork)
    parts = [network.mix_pixels.in_channels, network.mix_half.in_channels, network.mix_quarter.in_channels]
    assert sum(parts) + network.mix_global.in_features == 3 + 4 * 18 == 75
    assert [conv.kernel_size for conv in network.body if isinstance(conv, torch.nn.Conv2d)] == [(3, 3), (3, 3)]


def test_the_scene_is_the_mean_of_the_third_pooled_map() -> None:
    network, image = build(), random_image(2, 37, 50)
    pooled = network.histogram(image)
    for stride in (1, 2, 2):
        pooled = F.avg_pool2d(pooled, 3, stride, padding=1, count_include_pad=False)
    torch.testing.assert_close(network.describe(image)["histogram"], pooled.mean((2, 3)), rtol=1e-5, atol=1e-6)


def test_a_cell_of_four_pixels_sees_its_halo_and_all_of_it() -> None:
    network = build(channels=16)
    pixels = random_image(1, 48, 48).requires_grad_()
    corner = torch.zeros(1, dtype=torch.int64)
    window = Window(corner, corner, 32, 32, corner + 32, corner + 32)
    rendered = network.render(pixels, Scene(histogram=torch.rand(1, 18)), window)
    (gradient,) = torch.autograd.grad(rendered[:, :, 16:20, 16:20].abs().sum(), pixels)
    for seen in gradient.abs().sum((0, 1)).nonzero().unbind(1):
        assert network.stride == 4
        assert 16 <= seen.min() < 16 + network.stride
        assert 20 + 2 * network.halo - network.stride <= seen.max() < 20 + 2 * network.halo


@pytest.mark.parametrize("bins", [1, 0, -3])
def test_fewer_than_two_bins_are_refused(bins: int) -> None:
    with pytest.raises(InputError, match=rf"HistPyramid: expected bins to be a whole number from 2 to 256, got {bins}"):
        HistPyramid(bins=bins).build()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"channels": 0}, "expected channels to be a whole number from 1 to 4096, got 0"),
        ({"gamma": 0.5}, "expected gamma to be a number from 1 to 10, got 0.5"),
        ({"grids": [16, 128]}, r"expected grids to be a list, each item a whole number from 1 to 64, got \[16, 128\]"),
        ({"grids": 16}, "expected grids to be a list, each item a whole number from 1 to 64, got 16"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=f"HistPyramid: {message}"):
        HistPyramid(**settings).build()


def test_the_default_is_the_paper_s_network_and_four_additions() -> None:
    published = dict(HistPyramid.paper().build().named_parameters())
    default = dict(HistPyramid().build().named_parameters())
    assert default.keys() - published.keys() == {
        "mix_grids.0.weight",
        "mix_grids.1.weight",
        "skip.map.weight",
        "skip.map.bias",
    }
    assert default["mix_pixels.weight"].shape[1] - published["mix_pixels.weight"].shape[1] == 3 + 18


def test_the_paper_s_network_on_a_compressed_input_has_the_histogram_of_it() -> None:
    network, image = HistPyramid(grids=[], gamma=2.2).build(), random_image(1, 37, 50)
    plain = HistPyramid.paper().build()
    compressed = (image + 1e-4) ** (1 / 2.2) - 1e-4 ** (1 / 2.2)
    torch.testing.assert_close(network.describe(image)["histogram"], plain.describe(compressed)["histogram"])


def test_the_scene_does_not_grow_with_the_image() -> None:
    network = HistPyramid().build()
    scenes = [network.describe(random_image(1, *size)) for size in ((20, 30), (64, 64), (200, 150))]
    assert len({tuple(tensor.shape for tensor in scene.values()) for scene in scenes}) == 1
    assert [tuple(tensor.shape[2:]) for tensor in scenes[0].values()] == [(), (16, 16), (4, 4)]


def test_the_histogram_of_a_part_is_seen_in_that_part() -> None:
    network = HistPyramid(grids=[2]).build()
    image = random_image(1, 64, 64)
    before, image[:, :, :32, :32] = network.describe(image)["grid2"].clone(), 0.5
    changed = (network.describe(image)["grid2"] - before).abs().sum((0, 1)) > 1e-4
    assert changed.tolist() == [[True, False], [False, False]]


def test_the_untrained_network_starts_near_the_identity() -> None:
    network, image = HistPyramid().build(), random_image(1, 32, 32)
    assert network.skip is not None
    torch.testing.assert_close(network.skip(image), image)


def test_training_begins_with_the_best_curves_for_all_scenes() -> None:
    network, image = HistPyramid().build(), random_image(1, 32, 32)
    assert isinstance(network, HistPyramidNetwork)
    assert network.skip is not None
    inputs = image[0].permute(1, 2, 0).numpy()
    targets = 0.1 + 0.5 * inputs[..., ::-1] ** 2 + 0.2 * inputs
    HistPyramid().initialise(network, [(inputs, targets)] * 2)
    fitted = network.skip(image)[0].permute(1, 2, 0).detach()
    torch.testing.assert_close(fitted, torch.from_numpy(targets), rtol=0, atol=1e-4)


def test_a_fit_begins_so() -> None:
    raw = random_image(1, 32, 32)[0].permute(1, 2, 0).numpy()
    model = ISPModel(HistPyramid(channels=2), max_steps=1, learning_rate=1e-9, random_state=0)
    skip = model.fit([raw] * 2, [1 - raw] * 2).networks_["forward"].skip
    darkest = skip(torch.zeros(1, 3, 1, 1)).detach()
    torch.testing.assert_close(darkest, torch.ones(1, 3, 1, 1), rtol=0, atol=0.05)


def test_the_global_histogram_holds_no_map_of_votes() -> None:
    network, image = HistPyramid.paper().build().eval(), random_image(1, 1536, 1536)
    assert peak_bytes(lambda: network.describe(image)) < image.nbytes / 2  # 18 maps would be 6 times the image


def test_what_is_skipped_keeps_its_precision_in_bf16() -> None:
    network, image = HistPyramid(channels=4).build().eval(), random_image(1, 64, 64)[0].permute(1, 2, 0).numpy()
    with torch.no_grad():
        network.body[-1].weight.zero_()
        network.body[-1].bias.zero_()
    exact, low = (render_image(network, image, resolve_runtime("cpu", name)) for name in ("fp32", "bf16"))
    assert abs(exact - low).max() < 1e-6
