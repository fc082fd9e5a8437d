"""Read and write model files: safetensors with JSON metadata. Nothing is ever unpickled."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from os import PathLike
from pathlib import Path
from textwrap import shorten
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
from torch import Tensor

from ispfit._version import __version__
from ispfit.backbone import Backbone, Network
from ispfit.errors import InputError, IspfitError, ModelFileError, PluginError, UnknownBackboneError
from ispfit.files import atomic_path
from ispfit.plugins.manager import get_backbone, origin_of
from ispfit.training import TrainingRecord

__all__ = ["FORMAT", "ModelFile", "read_model", "to_json", "write_model"]

FORMAT = 1
"""Version of the file format; files of a later version are refused."""

_KEY = "ispfit"
_UNREGISTERED = "no plugin"


@dataclass
class ModelFile:
    """The content of a model file.

    Parameters
    ----------
    backbone : the backbone that was fitted.
    networks : the trained networks by direction; an invertible backbone has the forward one alone.
    records : the training record of each network.
    parameters : the estimator's parameters, as JSON values.
    camera : make and model of the camera, if known.
    """

    backbone: Backbone
    networks: dict[str, Network]
    records: dict[str, TrainingRecord]
    parameters: dict[str, Any]
    camera: str | None


def write_model(path: str | PathLike[str], model: ModelFile) -> None:
    """Write a model file, completely or not at all.

    Raises
    ------
    InputError
        If a parameter cannot be written as JSON, or another backbone is registered under the name of this one.
    FileError
        If the file cannot be written.
    """
    name, settings = model.backbone.name, model.backbone.settings()
    backbone = {"name": name, "origin": _origin(model.backbone), "settings": settings}
    about = {
        "format": FORMAT,
        "version": __version__,
        "backbone": backbone,
        "directions": list(model.networks),
        "parameters": model.parameters,
        "records": {direction: asdict(record) for direction, record in model.records.items()},
        "camera": model.camera,
    }
    tensors = {
        f"{direction}.{name}": tensor.detach().cpu().contiguous()
        for direction, network in model.networks.items()
        for name, tensor in network.state_dict().items()
    }
    try:
        text = to_json(about)
    except TypeError as error:
        raise InputError(
            f"the parameters of the model or of its backbone, {name!r} with {settings}, cannot be saved ({error}); "
            "use numbers, strings, booleans, None and lists."
        ) from error
    with atomic_path(path) as temporary:
        temporary.write_bytes(safetensors.torch.save(_unshared(tensors), {_KEY: text}))


def to_json(value: Any) -> str:
    """Return parameters as JSON; NumPy numbers, as in the grid of a search, become Python numbers.

    Raises
    ------
    TypeError
        If a value has no JSON form.
    """

    def plain(item: Any) -> Any:
        if isinstance(item, np.generic):
            return item.item()
        raise TypeError(f"{item!r} is not JSON")

    return json.dumps(value, default=plain)


def read_model(path: str | PathLike[str]) -> ModelFile:
    """Read a model file, with its networks on the CPU.

    Raises
    ------
    ModelFileError
        If the file does not exist, is not a model file, has a newer format, needs a backbone that is not installed, or
        does not fit the installed version of the backbone.
    """
    about, tensors = _read(Path(path))
    if about["format"] > FORMAT:
        raise ModelFileError(
            f"{path}: written by ispfit {about.get('version')} in format {about['format']}, "
            f"this one reads format {FORMAT}; pip install --upgrade ispfit."
        )
    try:
        if not about["directions"] or not all(isinstance(about[key], dict) for key in ("parameters", "records")):
            raise TypeError("its metadata lacks directions, parameters or records")
        backbone = _backbone(path, **about["backbone"])
        networks = {direction: _network(backbone, direction, tensors) for direction in about["directions"]}
        records = {direction: TrainingRecord.from_dict(record) for direction, record in about["records"].items()}
        return ModelFile(backbone, networks, records, about["parameters"], about["camera"])
    except (ModelFileError, PluginError):
        raise
    except (KeyError, TypeError, ValueError, RuntimeError, IspfitError) as error:
        reason = shorten(f"{type(error).__name__}: {error}", 200)
        raise ModelFileError(
            f"{path}: its weights do not fit the installed backbone ({reason}); it was written by ispfit "
            f"{about.get('version')} with {about.get('backbone')}."
        ) from error


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    if not path.is_file():
        raise ModelFileError(f"{path}: no such model file.")
    try:
        with safetensors.safe_open(path, "pt") as file:
            about = json.loads((file.metadata() or {}).get(_KEY, "{}"))
            if not isinstance(about, dict) or not isinstance(about.get("format"), int):
                raise TypeError("it has no metadata of ispfit")
            return about, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except (OSError, safetensors.SafetensorError, TypeError, ValueError) as error:
        raise ModelFileError(
            f"{path}: not a model file of ispfit ({error}); expected one written by ISPModel.save."
        ) from error


def _backbone(path: str | PathLike[str], name: str, origin: str, settings: dict[str, Any]) -> Backbone:
    try:
        return get_backbone(name)(**settings)
    except UnknownBackboneError as error:
        remedy = f"pip install --upgrade {origin.split()[0]}"
        if origin == _UNREGISTERED:
            remedy = "register its class with @ispfit.hookimpl"
        raise ModelFileError(
            f"{path}: needs the backbone {name!r} of {origin}, which is not installed; {remedy}."
        ) from error


def _origin(backbone: Backbone) -> str:
    """Return the distribution and version that registered a backbone."""
    try:
        registered = get_backbone(backbone.name)
    except UnknownBackboneError:
        return _UNREGISTERED
    if registered is not type(backbone):
        raise InputError(
            f"backbone: {type(backbone).__qualname__} has the name {backbone.name!r} of {registered.__qualname__} from "
            f"{origin_of(backbone.name)}, which would be loaded in its place; give it a name of its own."
        )
    return origin_of(backbone.name)


def _network(backbone: Backbone, direction: str, tensors: dict[str, Tensor]) -> Network:
    network = backbone.build()
    prefix = f"{direction}."
    network.load_state_dict(
        {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
    )
    return network.eval()


def _unshared(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return copies: safetensors refuses tensors that share memory."""
    return {name: tensor.clone() for name, tensor in tensors.items()}
