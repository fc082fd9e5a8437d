"""Read and write model files: safetensors with JSON metadata. Nothing is ever unpickled."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from os import PathLike
from pathlib import Path
from textwrap import shorten
from typing import Any

import numpy as np

from ispfit._version import __version__
from ispfit.backbone import Backbone, Network
from ispfit.directions import DIRECTIONS
from ispfit.errors import InputError, IspfitError, ModelFileError, UnknownBackboneError, printable
from ispfit.estimator.network_building import build_networks, check_sizes
from ispfit.plugins.manager import get_backbone, is_built_in, origin_of
from ispfit.tensor_files import TensorFile, open_tensor_file, write_tensor_file
from ispfit.training import TrainingRecord

__all__ = ["FORMAT", "ModelFile", "read_model", "to_json", "write_model"]

FORMAT = 1
"""Version of the file format; files of a later version are refused."""

_KEY = "ispfit"
_UNREGISTERED = "no plugin"
_LARGEST_COEFFICIENT = 1e3  # of a colour matrix
_LONGEST_TEXT = 200  # of a camera, or of a parameter


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
    color_matrix : from CIE XYZ (D65) to the camera's RGB before white balance, 3 x 3, if known.
    version : version of ispfit that wrote the file, as the file claims.
    """

    backbone: Backbone
    networks: dict[str, Network]
    records: dict[str, TrainingRecord]
    parameters: dict[str, Any]
    camera: str | None
    color_matrix: list[list[float]] | None = None
    version: str = __version__


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
        "version": model.version,
        "backbone": backbone,
        "directions": list(model.networks),
        "parameters": model.parameters,
        "records": {direction: asdict(record) for direction, record in model.records.items()},
        "camera": model.camera,
    } | ({} if model.color_matrix is None else {"color_matrix": model.color_matrix})
    tensors = {
        f"{direction}.{name}": tensor
        for direction, network in model.networks.items()
        for name, tensor in network.state_dict().items()
    }
    try:
        text = to_json(about)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"the parameters of the model or of its backbone, {name!r} with {settings}, cannot be saved ({error}); "
            "use finite numbers, strings, booleans, None and lists."
        ) from error
    write_tensor_file(Path(path), _KEY, text, tensors)


def to_json(value: Any) -> str:
    """Return parameters as JSON; NumPy numbers, as in the grid of a search, become Python numbers.

    Raises
    ------
    TypeError
        If a value has no JSON form; a `ValueError` if a number is NaN or infinite.
    """

    def plain(item: Any) -> Any:
        if isinstance(item, np.generic):
            return item.item()
        raise TypeError(f"{item!r} is not JSON")

    return json.dumps(value, default=plain, allow_nan=False)


def read_model(path: str | PathLike[str]) -> ModelFile:
    """Read a model file, with its networks on the CPU.

    The file is checked before anything is built from it, whatever it holds: this takes a second and little more memory
    than the file.

    Raises
    ------
    ModelFileError
        If the file does not exist, is not a model file, has a newer format, needs a backbone that is not installed, or
        does not fit the installed version of the backbone.
    """
    source = Path(path)
    try:
        if not source.is_file():
            raise ModelFileError(f"{source}: no such model file.")
        with open_tensor_file(source, _KEY) as file:
            _check_format(source, file.about)
            return _read(source, file)
    except ModelFileError:
        raise
    except Exception as error:
        raise ModelFileError(
            f"{source}: not a model file of ispfit ({_short(error)}); expected one written by ISPModel.save."
        ) from error


def _check_format(source: Path, about: dict[str, Any]) -> None:
    found = about.get("format")
    if not isinstance(found, int) or isinstance(found, bool) or found < 1:
        raise ValueError("it has no metadata of ispfit")
    if found > FORMAT:
        raise ModelFileError(
            f"{source}: written by ispfit {_claim(about.get('version'))} in format {found}, this one reads format "
            f"{FORMAT}; pip install --upgrade ispfit."
        )


def _read(source: Path, file: TensorFile) -> ModelFile:
    about = file.about
    try:
        claimed = _part(about, "backbone", dict)
        name, settings = _part(claimed, "name", str), _part(claimed, "settings", dict)
        backbone_class = _backbone_class(source, name, _claim(claimed.get("origin")))
        check_sizes(settings, built_in=is_built_in(name))
        backbone = backbone_class(**settings)
        backbone.check_settings()
        directions = _directions(about, backbone)
        records = {
            direction: TrainingRecord.from_dict(_part(_part(about, "records", dict), direction, dict))
            for direction in directions
        }
        parameters, camera, matrix = _parameters(about), _camera(about), _color_matrix(about)
        networks = build_networks(backbone, directions, file)
        return ModelFile(backbone, networks, records, parameters, camera, matrix, _version(about))
    except ModelFileError:
        raise
    except Exception as error:
        raise ModelFileError(
            f"{source}: its weights do not fit the installed backbone ({_short(error)}); it was written by ispfit "
            f"{_claim(about.get('version'))} with the backbone {_claim(_get(about.get('backbone'), 'name'))}."
        ) from error


def _part(data: dict[str, Any], name: str, kind: type[Any]) -> Any:
    """Return a part of the metadata, or raise a `TypeError` that says what was expected."""
    if not isinstance(data.get(name), kind):
        raise TypeError(f"{name} in its metadata: expected a {kind.__name__}, got {shorten(repr(data.get(name)), 60)}")
    return data[name]


def _directions(about: dict[str, Any], backbone: Backbone) -> list[str]:
    directions: list[Any] = _part(about, "directions", list)
    known = list(DIRECTIONS)[:1] if backbone.invertible else list(DIRECTIONS)
    if directions not in [known, *([direction] for direction in known)]:
        raise ValueError(f"directions in its metadata: expected some of {known}, got {shorten(repr(directions), 60)}")
    return directions


def _parameters(about: dict[str, Any]) -> dict[str, Any]:
    parameters: dict[str, Any] = _part(about, "parameters", dict)
    for name, value in parameters.items():
        if isinstance(value, list | dict) or (isinstance(value, str) and len(value) > _LONGEST_TEXT):
            raise TypeError(f"parameter {name[:60]!r}: expected a number, a word, true, false or null")
    return parameters


def _camera(about: dict[str, Any]) -> str | None:
    camera = about.get("camera")
    if camera is not None and not (isinstance(camera, str) and len(camera) <= _LONGEST_TEXT):
        raise TypeError(f"camera in its metadata: expected a name or null, got {shorten(repr(camera), 60)}")
    return camera


def _color_matrix(about: dict[str, Any]) -> list[list[float]] | None:
    matrix = about.get("color_matrix")
    if matrix is None:
        return None
    rows = matrix if isinstance(matrix, list) and len(matrix) == 3 else []
    values = [value for row in rows if isinstance(row, list) and len(row) == 3 for value in row]
    good = all(isinstance(value, int | float) and abs(value) < _LARGEST_COEFFICIENT for value in values)
    if len(values) != 9 or not good or np.linalg.matrix_rank(np.array(values, float).reshape(3, 3)) < 3:
        raise TypeError("color_matrix in its metadata: expected 3 rows of 3 numbers that can be inverted, or null")
    return [[float(value) for value in row] for row in rows]


def _version(about: dict[str, Any]) -> str:
    version = about.get("version")
    return shorten(version, 60, placeholder="...") if isinstance(version, str) else "of an unknown version"


def _backbone_class(source: Path, name: str, origin: str) -> type[Backbone]:
    try:
        return get_backbone(name)
    except UnknownBackboneError as error:
        claim = f"The file says that it came with {origin}"
        advice = "that is the file's own claim: install only what you know and trust"
        if origin == repr(_UNREGISTERED):
            claim, advice = "The file says that no plugin registered it", "register its class with @ispfit.hookimpl"
        raise ModelFileError(
            f"{source}: needs the backbone {_claim(name)}, which is not installed. {claim}; {advice}."
        ) from error


def _claim(value: Any) -> str:
    """Return what a file says of itself as a quoted text without control characters, and short."""
    return repr(shorten(str(value), 60, placeholder="...")) if isinstance(value, str) else "of unknown origin"


def _get(data: Any, name: str) -> Any:
    return data.get(name) if isinstance(data, dict) else None


def _short(error: Exception) -> str:
    text = shorten(printable(str(error)), 200)
    return text if isinstance(error, ValueError | OSError | IspfitError) and text else f"{type(error).__name__}: {text}"


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
