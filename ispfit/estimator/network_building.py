"""Build networks from the settings of a model file, at a cost that is bounded by what the file holds."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from ispfit.backbone import Backbone, Network
from ispfit.errors import IspfitError
from ispfit.tensor_files import TensorFile

__all__ = ["build_networks", "check_sizes"]

_LARGEST_BUILT_IN = 1 << 20  # whole number among the settings of ispfit's own backbones
_LARGEST = 1 << 31  # of a plugin's: it may be a seed
_MOST_SETTINGS = 1000  # values, those in lists counted one by one
_LONGEST_TEXT = 1000
_FEWEST_CALLS, _CALLS_PER_TENSOR, _MOST_CALLS = 20_000, 200, 200_000  # of torch by `Backbone.build`
_SPARE_ELEMENTS = 1 << 22  # of tensors that the file does not hold, such as constants


def check_sizes(settings: dict[str, Any], built_in: bool) -> None:
    """Raise a `ValueError` if settings are of no kind or size that a backbone has."""
    values = list(settings.values())
    for value in values:  # which grows by the lists that are found
        if isinstance(value, list):
            values += value
        elif isinstance(value, dict):
            raise ValueError("a setting is an object; expected numbers, strings, booleans, null and lists")
        elif isinstance(value, str) and len(value) > _LONGEST_TEXT:
            raise ValueError(f"a setting is a text of {len(value)} letters")
        elif isinstance(value, int | float) and abs(value) > (_LARGEST_BUILT_IN if built_in else _LARGEST):
            raise ValueError(f"the setting {value} is larger than any of a backbone")
        if len(values) > _MOST_SETTINGS:
            raise ValueError(f"it has more than {_MOST_SETTINGS} settings")


def build_networks(backbone: Backbone, directions: list[str], file: TensorFile) -> dict[str, Network]:
    """Build the networks of a model file and load their weights.

    A network is first built on torch's meta device, which has shapes and no data, and compared with the tensors of the
    file. So settings that ask for more than the file holds cost neither memory nor time.

    Raises
    ------
    ValueError, TypeError, RuntimeError, IspfitError
        If the settings are invalid, or the weights do not fit the network.
    """
    state = _expected_state(backbone, file)
    expected = {f"{direction}.{name}": tensor for direction in directions for name, tensor in state.items()}
    file.check_shapes({name: tuple(tensor.shape) for name, tensor in expected.items()})
    networks = {}
    for direction in directions:
        network = backbone.build()
        network.load_state_dict(
            {name: file.read(f"{direction}.{name}", tensor.dtype) for name, tensor in state.items()}
        )
        networks[direction] = network.eval()
    return networks


def _expected_state(backbone: Backbone, file: TensorFile) -> dict[str, Tensor]:
    """Return the tensors of a network that was just built, without data if the backbone can be built without."""
    try:
        with torch.device("meta"), _Bounded(file):
            return dict(backbone.build().state_dict())
    except (_TooMuchError, IspfitError):
        raise
    except Exception:  # noqa: BLE001 - a plugin's network that reads the values of its tensors as it is built
        with _Bounded(file):
            return dict(backbone.build().state_dict())


class _TooMuchError(ValueError):
    """The settings ask for more than the file holds."""


class _Bounded(TorchFunctionMode):
    """Raises a `_TooMuchError` if its block makes more calls of torch, or larger tensors, than a file accounts for."""

    def __init__(self, file: TensorFile) -> None:
        super().__init__()
        self._calls = min(_MOST_CALLS, max(_FEWEST_CALLS, _CALLS_PER_TENSOR * len(file.shapes)))
        self._elements = sum(math.prod(shape) for shape in file.shapes.values()) + _SPARE_ELEMENTS

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self._calls -= 1
        result = func(*args, **(kwargs or {}))
        if self._calls < 0 or (isinstance(result, Tensor) and result.numel() > self._elements):
            raise _TooMuchError("its settings describe a larger network than its weights")
        return result
