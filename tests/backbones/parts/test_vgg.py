"""The VGG-16 trunk and its two networks: layers as documented, pretrained weights, memory."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor
from torch.nn.functional import conv2d, conv_transpose2d, interpolate, max_pool2d, relu

from ispfit import ISPModel, Network
from ispfit.backbone import pick_pixels
from ispfit.backbones import hypercolumn
from ispfit.backbones.fcn import FCN
from ispfit.backbones.hypercolumn import Hypercolumn
from ispfit.backbones.parts import vgg
from ispfit.backbones.parts.vgg import LEVELS, VGG, load_weights
from ispfit.datasets import make_camera_pairs
from ispfit.errors import FileError, InputError
from ispfit.testing.memory import peak_bytes
from ispfit.testing.subject import cut

CHANNELS = (64, 128, 256, 512)


def published(seed: int = 0) -> dict[str, Tensor]:
    """Return random weights with names and shapes of torchvision's VGG-16: those of the trunk, and an unused one."""
    torch.manual_seed(seed)
    state, before = {"classifier.0.weight": torch.zeros(2, 2)}, 3
    for numbers, channels in zip(LEVELS, CHANNELS, strict=True):
        for number in numbers:
            state[f"features.{number}.weight"] = torch.randn(channels, before, 3, 3) / (9 * before) ** 0.5
            state[f"features.{number}.bias"] = torch.randn(channels)
            before = channels
    return state


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "vgg16.pth"
    torch.save(published(), path)
    return path


def trunk_maps(state: dict[str, Tensor], image: Tensor, levels: int) -> list[Tensor]:
    """Return the last map of each level of a whole image; it is padded, so that only its middle is comparable."""
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    features, maps = (image - mean.view(3, 1, 1)) / deviation.view(3, 1, 1), []
    for level, numbers in enumerate(LEVELS[:levels]):
        if level:
            features = max_pool2d(features, 2)
        for number in numbers:
            weight, bias = (state[f"trunk.features.{number}.{name}"] for name in ("weight", "bias"))
            features = relu(conv2d(features, weight, bias, padding=1))
        maps.append(features)
    return maps


def render(network: Network, image: Tensor) -> Tensor:
    pixels, window = cut(network, image)
    with torch.no_grad():
        return network.render(pixels, network.describe(pixels), window)


def test_the_layers_have_torchvisions_names_and_shapes() -> None:
    state, expected = VGG(4).state_dict(), published()
    assert set(state) == set(expected) - {"classifier.0.weight"}
    assert all(state[name].shape == expected[name].shape for name in state)


def test_the_hypercolumn_is_its_layers_laid_side_by_side() -> None:
    """Compared with a plain implementation that enlarges and concatenates whole maps, then regresses."""
    network = Hypercolumn(hidden=6, width=0.1).build().eval()
    image, state = torch.rand(96, 104, 3), network.state_dict()
    maps = trunk_maps(state, image.permute(2, 0, 1)[None], 3)
    wide = [interpolate(features, size=image.shape[:2], mode="bilinear") for features in maps]
    weight = torch.cat([state[f"mix.{level}.weight"] for level in range(3)], 1)
    hidden = relu(conv2d(torch.cat(wide, 1), weight, state["mix.0.bias"]))
    hidden = relu(conv2d(hidden, state["regress.1.weight"], state["regress.1.bias"]))
    expected = conv2d(hidden, state["regress.3.weight"], state["regress.3.bias"])
    inner = (slice(None), slice(None), slice(32, -32), slice(32, -32))
    torch.testing.assert_close(render(network, image)[inner], expected[inner], atol=1e-5, rtol=1e-4)


def test_training_gathers_the_hypercolumn_at_samples_and_enlarges_no_map(monkeypatch: Any) -> None:
    network = Hypercolumn(hidden=6, width=0.1, samples_per_window=9).build()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    pixels, window = cut(network, torch.rand(32, 32, 3), top=8, left=4, size=(16, 16))
    at = torch.randint(256, (1, 9))
    expected = pick_pixels(network.render(pixels, network.describe(pixels), window), at).detach()
    monkeypatch.setattr(hypercolumn, "interpolate", None)
    widest = 0

    def note(layer: Any, inputs: Any, output: Tensor) -> None:
        nonlocal widest
        widest = max(widest, output.shape[2] * output.shape[3])

    for layer in [*network.mix, *network.regress]:
        layer.register_forward_hook(note)
    found = network.render_samples(pixels, network.describe(pixels), window, at).detach()
    torch.testing.assert_close(found, expected, atol=1e-5 * float(expected.abs().max()), rtol=1e-4)
    assert widest == 9


def test_the_fcn_fuses_three_resolutions_as_the_original_does() -> None:
    network = FCN(width=0.1).build().eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    image, state = torch.rand(160, 168, 3), network.state_dict()
    maps = trunk_maps(state, image.permute(2, 0, 1)[None], 4)
    scores = [
        conv2d(features, state[f"score.{index}.weight"], state[f"score.{index}.bias"])
        for index, features in enumerate((maps[3], max_pool2d(maps[1], 2), max_pool2d(maps[0], 2)))
    ]
    output = scores[0]
    for index in range(3):
        output = conv_transpose2d(output, state[f"enlarge.{index}.weight"], stride=2, padding=1)
        output = output + scores[index + 1] if index < 2 else output
    inner = (slice(None), slice(None), slice(64, -64), slice(64, -64))
    found, expected = render(network, image)[inner], output[inner]
    torch.testing.assert_close(found, expected, atol=1e-4 * float(expected.abs().max()), rtol=0)


def test_a_new_fcn_enlarges_its_coarsest_prediction_bilinearly() -> None:
    network = FCN(width=0.1).build().eval()
    coarse = torch.rand(2, 3, 6, 7)
    for enlarge in network.enlarge:
        found, expected = enlarge(coarse), interpolate(coarse, scale_factor=2, mode="bilinear")
        torch.testing.assert_close(found[:, :, 2:-2, 2:-2], expected[:, :, 2:-2, 2:-2])
    finer = [tensor for name, tensor in network.state_dict().items() if name.startswith(("score.1", "score.2"))]
    assert len(finer) == 4
    assert not any(tensor.any() for tensor in finer)


@pytest.mark.parametrize("backbone", [FCN(), Hypercolumn()])
def test_a_tile_takes_memory_for_24_megapixels_in_4_gib(backbone: Any) -> None:
    """An image is rendered tile by tile: besides input and output (576 MB) only one tile is in memory."""
    network = backbone.build().eval()
    image = torch.rand(384, 384, 3)
    pixels, window = cut(network, image)
    assert peak_bytes(lambda: network.render(pixels, network.describe(pixels), window)) < 1.5 * 2**30


# -- pretrained weights


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("backbone", [FCN, Hypercolumn])
def test_weights_of_a_file_are_what_training_begins_with(
    file: Path, tmp_path: Path, backbone: Any, suffix: str
) -> None:
    path = tmp_path / f"weights{suffix}"
    if suffix == ".pth":
        path.write_bytes(file.read_bytes())
    else:
        safetensors.torch.save_file(published(), path)
    X, Y = make_camera_pairs(1, image_size=16, random_state=0)
    model = ISPModel(backbone(weights=str(path)), direction="forward", max_steps=0, random_state=0).fit(X, Y)
    state = model.networks_["forward"].trunk.state_dict()
    assert all(torch.equal(tensor, published()[name]) for name, tensor in state.items())
    path.unlink()
    model.save(tmp_path / "model.ispfit")
    loaded = ISPModel.load(tmp_path / "model.ispfit")  # without the weights' file
    assert torch.equal(loaded.networks_["forward"].trunk.features["0"].weight, published()["features.0.weight"])


@pytest.fixture
def server(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Replace the download server by a local one, and torch's cache by an empty one."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *arguments: Any) -> None:
            pass

    folder = tmp_path / "served"
    folder.mkdir()
    digest = hashlib.sha256(file.read_bytes()).hexdigest()[:8]
    (folder / f"vgg16-{digest}.pth").write_bytes(file.read_bytes())
    (folder / "vgg16-00000000.pth").write_bytes(file.read_bytes())
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        monkeypatch.setattr(vgg, "URL", f"http://127.0.0.1:{httpd.server_port}/vgg16-{digest}.pth")
        yield vgg.URL
        httpd.shutdown()
        thread.join()


def test_imagenet_is_downloaded_once_and_its_checksum_compared(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    trunk = VGG(3)
    load_weights(trunk, "imagenet")
    assert torch.equal(trunk.state_dict()["features.14.bias"], published()["features.14.bias"])
    monkeypatch.setattr("torch.hub.download_url_to_file", lambda *_, **__: pytest.fail("downloaded again"))
    load_weights(VGG(4), "imagenet")


def test_a_download_of_another_checksum_is_refused(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vgg, "URL", server.rsplit("/", 1)[0] + "/vgg16-00000000.pth")
    with pytest.raises(FileError, match=r"vgg16-00000000\.pth: the downloaded file cannot be used: .*hash"):
        load_weights(VGG(3), "imagenet")


def test_without_a_network_the_way_out_is_told(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vgg, "URL", "http://127.0.0.1:9/vgg16-397923af.pth")
    with pytest.raises(FileError, match=r"cannot be downloaded: .* give its path as weights, or train .* weights=None"):
        load_weights(VGG(3), "imagenet")


def test_the_published_file_is_the_one_of_torchvision() -> None:
    assert vgg.URL == "https://download.pytorch.org/models/vgg16-397923af.pth"


def test_files_that_are_no_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r'none: no such file; expected "imagenet", None or the path'):
        load_weights(VGG(3), str(tmp_path / "none"))
    (tmp_path / "text.pth").write_text("no weights")
    with pytest.raises(FileError, match=r"text\.pth: not a readable file of weights: "):
        load_weights(VGG(3), str(tmp_path / "text.pth"))
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(FileError, match=r"list\.pth: expected a dictionary of weights, got list"):
        load_weights(VGG(3), str(tmp_path / "list.pth"))
    torch.save({"features.0.weight": torch.zeros(3, 3)}, tmp_path / "other.pth")
    with pytest.raises(FileError, match=r"wrong or missing: features\.0\.weight, features\.0\.bias, .* and 11 more"):
        load_weights(VGG(3), str(tmp_path / "other.pth"))
    with pytest.raises(InputError, match=r"weights: expected width = 1 for published weights, got channels \[6, 13\]"):
        load_weights(VGG(2, 0.1), "imagenet")


def test_a_file_that_would_run_code_is_refused(tmp_path: Path) -> None:
    class Harm:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "harmed",))

    torch.save({"features.0.weight": Harm()}, tmp_path / "harm.pth")
    with pytest.raises(FileError, match=r"harm\.pth: not a readable file of weights"):
        load_weights(VGG(3), str(tmp_path / "harm.pth"))
    assert not (tmp_path / "harmed").exists()


@pytest.mark.parametrize("damage", [lambda data: b"", lambda data: data[: len(data) // 50], lambda data: data[::-1]])
def test_damaged_files_are_named(file: Path, tmp_path: Path, damage: Any) -> None:
    (tmp_path / "damaged.pth").write_bytes(damage(file.read_bytes()))
    with pytest.raises(FileError, match=r"damaged\.pth: not a readable file of weights: \w"):
        load_weights(VGG(3), str(tmp_path / "damaged.pth"))


def test_a_damaged_file_in_torch_s_cache_is_to_be_deleted(server: str) -> None:
    load_weights(VGG(3), "imagenet")
    place = Path(torch.hub.get_dir(), "checkpoints", server.rsplit("/", 1)[1])
    place.write_bytes(b"")
    with pytest.raises(FileError, match=rf"cannot be used: \w.*; delete {place} to download it again"):
        load_weights(VGG(3), "imagenet")


@pytest.mark.parametrize("family", [FCN, Hypercolumn])
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"width": "wide"}, "expected width to be a number from 0.001 to 16, got 'wide'"),
        ({"width": float("inf")}, "expected width to be a number from 0.001 to 16, got inf"),
        ({"weights": 3}, "expected weights to be a text or None, got 3"),
        ({"weights": "imagenet", "width": 0.5}, "expected width = 1 for published weights, got 0.5"),
    ],
)
def test_settings_that_cannot_be_are_refused_at_once(family: Any, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        family(**settings).build()


def test_samples_are_a_number_of_pixels_or_all() -> None:
    assert Hypercolumn(width=0.1, samples_per_window=None).build().samples_per_window is None
    with pytest.raises(
        InputError, match=r"expected samples_per_window to be a whole number from 1 to .* or None, got 0"
    ):
        Hypercolumn(samples_per_window=0).build()
