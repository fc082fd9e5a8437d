"""The first layers of VGG-16, which `FCN` and `Hypercolumn` share."""

from __future__ import annotations

from collections.abc import Iterable
from http.client import HTTPException
from pathlib import Path
from urllib.error import URLError

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d, relu

from ispfit.backbone import Backbone, Network
from ispfit.errors import FileError, InputError
from ispfit.images import Image

__all__ = ["LEVELS", "URL", "VGG", "VGGBackbone", "load_weights"]

LEVELS = ((0, 2), (5, 7), (10, 12, 14), (17, 19, 21))
"""The convolutions of each resolution, by their numbers in torchvision's ``vgg16().features``: conv1_1 to conv4_3."""

URL = "https://download.pytorch.org/models/vgg16-397923af.pth"
"""ImageNet weights of torchvision; the name has the first digits of the file's SHA-256."""

_WIDEST = 16
_CHANNELS = (64, 128, 256, 512)
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class VGG(nn.Module):
    """VGG-16 to the end of some level, with *valid* convolutions, and names of weights as torchvision has them.

    Images in [0, 1] are normalised by the mean and the standard deviation of ImageNet's channels, as torchvision does;
    a raw too, which is linear and so darker than what the weights have seen.

    Parameters
    ----------
    levels : how many resolutions, 1 to 4; each is half as fine as the one before.
    width : factor of all channels (64, 128, 256, 512); published weights need 1.

    References
    ----------
    Simonyan & Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", ICLR 2015.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, levels: int, width: float = 1.0) -> None:
        super().__init__()
        self.channels = [max(1, round(channels * width)) for channels in _CHANNELS[:levels]]
        self.features = nn.ModuleDict()
        before = 3
        for numbers, channels in zip(LEVELS, self.channels, strict=False):
            for number in numbers:
                convolution = nn.Conv2d(before, channels, 3)
                nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
                assert convolution.bias is not None
                nn.init.zeros_(convolution.bias)
                self.features[str(number)] = convolution
                before = channels
        self.register_buffer("mean", torch.tensor(_MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(_DEVIATION).view(3, 1, 1), persistent=False)

    def forward(self, pixels: Tensor) -> list[Tensor]:
        """The last feature map of each level, as far as it is known without padding.

        A level's map is cut to whole cells of the next before it is pooled, so that cells lie where they lie in the
        image as a whole; `pixels` must start on a multiple of the coarsest cell.
        """
        maps = []
        features, start = (pixels - self.mean) / self.deviation, 0
        for level, numbers in enumerate(LEVELS[: len(self.channels)]):
            if level:
                odd = start % 2
                features = max_pool2d(_cut(features, odd), 2)
                start = (start + odd) // 2
            for number in numbers:
                features = relu(self.features[str(number)](features))
            start += len(numbers)
            maps.append(features)
        return maps


def _cut(features: Tensor, ring: int) -> Tensor:
    return features[:, :, ring : features.shape[2] - ring, ring : features.shape[3] - ring]


class VGGBackbone(Backbone):
    """A backbone whose networks have a `VGG` as their ``trunk``; it has the parameters `weights` and `width`."""

    weights: str | None
    width: float

    def check_width(self) -> None:
        """Raise an `InputError` where there would be no channels, or others than the weights have."""
        name = type(self).__name__
        number = isinstance(self.width, int | float) and not isinstance(self.width, bool)
        if not (number and 0 < self.width <= _WIDEST):
            raise InputError(f"{name}: expected 0 < width <= {_WIDEST}, got {self.width!r}.")
        if not isinstance(self.weights, str | None):
            raise InputError(f'{name}: expected weights to be None, "imagenet" or a path, got {self.weights!r}.')
        if self.weights is not None and self.width != 1:
            raise InputError(f"{name}: expected width = 1 for published weights, got {self.width}.")

    def initialise(self, network: Network, pairs: Iterable[tuple[Image, Image]]) -> None:
        """Load the weights that were asked for."""
        if self.weights is not None:
            assert isinstance(network.trunk, VGG)
            load_weights(network.trunk, self.weights)


def load_weights(vgg: VGG, weights: str) -> None:
    """Load weights into a trunk of full width.

    Parameters
    ----------
    weights : "imagenet" downloads torchvision's file once, into torch's cache, and compares its checksum; else the path
        of such a file (``.pth``), or of one in safetensors. Nothing is unpickled but tensors.

    Raises
    ------
    FileError
        If the file cannot be had, or lacks some of the weights.
    InputError
        If the trunk is not of full width.
    """
    if vgg.channels != list(_CHANNELS[: len(vgg.channels)]):
        raise InputError(f"weights: expected width = 1 for published weights, got channels {vgg.channels}.")
    source = URL if weights == "imagenet" else weights
    found = _download() if weights == "imagenet" else _read(Path(weights))
    state = {name: found.get(name) for name in vgg.state_dict()}
    wrong = [name for name, tensor in vgg.state_dict().items() if _shape(state[name]) != tuple(tensor.shape)]
    if wrong:
        raise FileError(
            f"{source}: expected weights of VGG-16 as torchvision names them; wrong or missing: {_some(wrong)}."
        )
    vgg.load_state_dict(state)


def _download() -> dict[str, Tensor]:
    place = Path(torch.hub.get_dir(), "checkpoints", URL.rsplit("/", 1)[1])
    try:
        found: dict[str, Tensor] = torch.hub.load_state_dict_from_url(
            URL, map_location="cpu", progress=False, check_hash=True, weights_only=True
        )
    except (URLError, HTTPException, TimeoutError, ConnectionError) as error:
        raise FileError(
            f"{URL}: cannot be downloaded: {_reason(error)}. Fetch the file where there is a network, and give its "
            "path as weights; or train from random weights with weights=None."
        ) from error
    except Exception as error:
        advice = f"; delete {place} to download it again" if place.exists() else ""
        raise FileError(f"{URL}: the file that was downloaded cannot be used: {_reason(error)}{advice}.") from error
    return found


def _read(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise FileError(f'{path}: no such file; expected "imagenet", None or the path of VGG-16 weights.')
    try:
        if path.suffix == ".safetensors":
            return safetensors.torch.load_file(path)
        found: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises what its parsers raise
        raise FileError(f"{path}: no file of weights that can be read: {_reason(error)}") from error
    if not isinstance(found, dict):
        raise FileError(f"{path}: expected a dictionary of weights, got {type(found).__name__}.")
    return found


def _reason(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "") or type(error).__name__


def _shape(value: object) -> tuple[int, ...] | None:
    return tuple(value.shape) if isinstance(value, Tensor) else None


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:3]) + (f" and {len(listed) - 3} more" if len(listed) > 3 else "")
