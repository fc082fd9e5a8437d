"""Model files: one safetensors file with JSON metadata. Nothing is ever unpickled."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
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

__all__ = ["FORMAT", "ModelFile", "read_model", "to_json", "write_model"]

FORMAT = 1
"""Version of the file format; a file of a higher one is refused."""

_KEY = "ispfit"
_NOBODY = "no plugin"


@dataclass
class ModelFile:
    """What a model file holds.

    Parameters
    ----------
    backbone : the family and its hyper-parameters.
    networks : a network for each fitted direction, "forward" and "inverse".
    parameters : those of the estimator, JSON values.
    records : the training record of each direction.
    camera : make and model of the camera that was fitted, where the images told.
    """

    backbone: Backbone
    networks: dict[str, Network]
    parameters: dict[str, Any] = field(default_factory=dict)
    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    camera: str | None = None


def write_model(path: str | PathLike[str], model: ModelFile) -> None:
    """Write a model file, all of it or nothing.

    Raises
    ------
    InputError
        If a parameter is not JSON, or another backbone is registered by the name of this one.
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
        "records": model.records,
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
    """JSON of parameters; a number of NumPy, such as a search's grid holds, is written as Python's.

    Raises
    ------
    TypeError
        If anything in it is no JSON.
    """

    def plain(item: Any) -> Any:
        if isinstance(item, np.generic):
            return item.item()
        raise TypeError(f"{item!r} is no JSON")

    return json.dumps(value, default=plain)


def read_model(path: str | PathLike[str]) -> ModelFile:
    """Read a model file; its networks lie on the CPU.

    Raises
    ------
    ModelFileError
        If there is no such file, it is no model, it is of a newer format, its backbone is not installed, or its
        weights do not fit the installed version of the backbone.
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
        return ModelFile(backbone, networks, about["parameters"], about["records"], about["camera"])
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
            return about, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no dict
    except (OSError, safetensors.SafetensorError, TypeError, ValueError) as error:
        raise ModelFileError(
            f"{path}: not a model file of ispfit ({error}); expected one written by ISPModel.save."
        ) from error


def _backbone(path: str | PathLike[str], name: str, origin: str, settings: dict[str, Any]) -> Backbone:
    try:
        return get_backbone(name)(**settings)
    except UnknownBackboneError as error:
        remedy = f"pip install --upgrade {origin.split()[0]}"
        if origin == _NOBODY:
            remedy = "register its class with @ispfit.hookimpl"
        raise ModelFileError(
            f"{path}: needs the backbone {name!r} of {origin}, which is not installed; {remedy}."
        ) from error


def _origin(backbone: Backbone) -> str:
    """The distribution and version that a backbone came from."""
    try:
        registered = get_backbone(backbone.name)
    except UnknownBackboneError:
        return _NOBODY
    if registered is not type(backbone):
        raise InputError(
            f"backbone: {type(backbone).__qualname__} is called {backbone.name!r}, as {registered.__qualname__} of "
            f"{origin_of(backbone.name)} is, which would be loaded in its place; give it a name of its own."
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
    """Safetensors refuses tensors that share memory; each becomes its own."""
    return {name: tensor.clone() for name, tensor in tensors.items()}
