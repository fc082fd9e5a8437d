"""The first layers of VGG-16, the trunk of `FCN` and `Hypercolumn`."""

from __future__ import annotations

from collections.abc import Iterable
from http.client import HTTPException
from pathlib import Path
from typing import Annotated, TypeAlias
from urllib.error import URLError

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d, relu

from ispfit.backbone import Backbone, Network
from ispfit.errors import FileError, InputError
from ispfit.images import Image
from ispfit.settings import Range

__all__ = ["LEVELS", "URL", "VGG", "VGGBackbone", "Width", "load_weights"]

LEVELS = ((0, 2), (5, 7), (10, 12, 14), (17, 19, 21))
"""The convolutions of each resolution, by their numbers in torchvision's ``vgg16().features``: conv1_1 to conv4_3."""

URL = "https://download.pytorch.org/models/vgg16-397923af.pth"
"""ImageNet weights of torchvision; the name contains the first digits of the file's SHA-256."""

Width: TypeAlias = Annotated[float, Range(0.001, 16)]
"""Factor of the numbers of channels."""
_CHANNELS = (64, 128, 256, 512)
_IMAGENET_MEAN, _IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class VGG(nn.Module):
    """The first levels of VGG-16 with *valid* convolutions; its weights have torchvision's names.

    Images in [0, 1] are normalised by the mean and the standard deviation of ImageNet's channels, as in torchvision.
    This includes raw images, although they are linear and thus darker than the images of ImageNet.

    Parameters
    ----------
    levels : number of resolutions, 1 to 4, each half of the one before.
    width : factor by which the numbers of channels (64, 128, 256, 512) are multiplied; published weights need 1.

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
        self.register_buffer("mean", torch.tensor(_IMAGENET_MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(_IMAGENET_DEVIATION).view(3, 1, 1), persistent=False)

    def forward(self, pixels: Tensor) -> list[Tensor]:
        """Return the last feature map of each level, which shrinks with each convolution because nothing is padded.

        Before it is pooled, a map is cut to whole cells of the next level, so that the cells of a window coincide with
        those of the whole image. `pixels` must start on a multiple of the coarsest cell.
        """
        maps = []
        features, start = (pixels - self.mean) / self.deviation, 0
        for level, numbers in enumerate(LEVELS[: len(self.channels)]):
            if level:
                odd = start % 2
                features = max_pool2d(_without_ring(features, odd), 2)
                start = (start + odd) // 2
            for number in numbers:
                features = relu(self.features[str(number)](features))
            start += len(numbers)
            maps.append(features)
        return maps


def _without_ring(features: Tensor, ring: int) -> Tensor:
    return features[:, :, ring : features.shape[2] - ring, ring : features.shape[3] - ring]


class VGGBackbone(Backbone):
    """A backbone with the parameters `weights` and `width`, whose networks have a `VGG` as their ``trunk``."""

    weights: str | None
    width: float

    def check_settings(self) -> None:
        """Raise an `InputError` if a hyper-parameter is invalid, or if `weights` and `width` do not fit together."""
        super().check_settings()
        if self.weights is not None and self.width != 1:
            raise InputError(f"{type(self).__name__}: expected width = 1 for published weights, got {self.width}.")

    def initialise(self, network: Network, pairs: Iterable[tuple[Image, Image]]) -> None:
        """Load the weights into the trunk, unless `weights` is None."""
        if self.weights is not None:
            assert isinstance(network.trunk, VGG)
            load_weights(network.trunk, self.weights)


def load_weights(vgg: VGG, weights: str) -> None:
    """Load weights into a trunk of full width.

    Parameters
    ----------
    vgg : the trunk, which gets the weights.
    weights : "imagenet" downloads torchvision's file once, into torch's cache, and verifies its checksum. Otherwise the
        path of such a file (``.pth``) or of a safetensors file. Only tensors are unpickled.

    Raises
    ------
    FileError
        If the file cannot be downloaded or read, or lacks some of the weights.
    InputError
        If the trunk's width is not 1.
    """
    if vgg.channels != list(_CHANNELS[: len(vgg.channels)]):
        raise InputError(f"weights: expected width = 1 for published weights, got channels {vgg.channels}.")
    source = URL if weights == "imagenet" else weights
    found = _download_weights() if weights == "imagenet" else _read_weights(Path(weights))
    state = {name: found.get(name) for name in vgg.state_dict()}
    wrong = [name for name, tensor in vgg.state_dict().items() if _shape_of(state[name]) != tuple(tensor.shape)]
    if wrong:
        raise FileError(
            f"{source}: expected weights of VGG-16 as torchvision names them; wrong or missing: {_first_three(wrong)}."
        )
    vgg.load_state_dict(state)


def _download_weights() -> dict[str, Tensor]:
    cached = Path(torch.hub.get_dir(), "checkpoints", URL.rsplit("/", 1)[1])
    try:
        found: dict[str, Tensor] = torch.hub.load_state_dict_from_url(
            URL, map_location="cpu", progress=False, check_hash=True, weights_only=True
        )
    except (URLError, HTTPException, TimeoutError, ConnectionError) as error:
        raise FileError(
            f"{URL}: cannot be downloaded: {_first_line(error)}. Download the file on another machine and "
            "give its path as weights, or train from random weights with weights=None."
        ) from error
    except Exception as error:
        advice = f"; delete {cached} to download it again" if cached.exists() else ""
        raise FileError(f"{URL}: the downloaded file cannot be used: {_first_line(error)}{advice}.") from error
    return found


def _read_weights(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise FileError(f'{path}: no such file; expected "imagenet", None or the path of VGG-16 weights.')
    try:
        if path.suffix == ".safetensors":
            return safetensors.torch.load_file(path)
        found: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises what its parsers raise
        raise FileError(f"{path}: not a readable file of weights: {_first_line(error)}") from error
    if not isinstance(found, dict):
        raise FileError(f"{path}: expected a dictionary of weights, got {type(found).__name__}.")
    return found


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "") or type(error).__name__


def _shape_of(value: object) -> tuple[int, ...] | None:
    return tuple(value.shape) if isinstance(value, Tensor) else None


def _first_three(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
