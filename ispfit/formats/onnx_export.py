"""Write a camera model as ONNX graphs, which run without torch and without ispfit.

Two graphs for each direction, as the backbone contract has it: ``describe`` takes a whole image of any size, ``render``
a window of any size with its halo. Each graph is checked before it gets its name: onnxruntime against torch at another
size than the captured one.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from ispfit._version import __version__
from ispfit.backbone import Network
from ispfit.directions import DIRECTIONS
from ispfit.errors import BackboneError, InputError
from ispfit.estimator import ISPModel
from ispfit.files import atomic_path
from ispfit.formats.onnx_graphs import capture, reason, write
from ispfit.images import FloatImage
from ispfit.rendering import render_image
from ispfit.runtime import resolve_runtime

__all__ = ["MAX_DIFFERENCE", "OnnxGraphs", "export_onnx", "graph_path"]

MAX_DIFFERENCE = 1e-4
"""By which outputs of onnxruntime and torch may differ."""

_PACKAGES = ("onnx", "onnxscript", "onnxruntime")
_WAYS = ((18, True), (18, False), (20, True), (20, False))
"""Opset, and whether onnxscript optimises. 18 is the lowest that torch writes; volumes in GridSample need 20."""

_CHECK_PX = (524, 540)  # of the image that is checked; from 512 x 512 on, colour maps are looked up in tables
_CHECK_TILE_PX = 160


@dataclass(frozen=True)
class OnnxGraphs:
    """The graphs of one direction.

    Parameters
    ----------
    direction : "forward" or "inverse".
    paths : the files, ``describe`` before ``render``; a backbone without a scene has no ``describe``.
    opset : version of the ONNX operators.
    difference : largest difference of onnxruntime's output to torch's on an image of random brightness and colours.
    tiled_difference : the same between onnxruntime's output in tiles and in one piece.
    """

    direction: str
    paths: tuple[Path, ...]
    opset: int
    difference: float
    tiled_difference: float


def export_onnx(model: ISPModel, path: str | os.PathLike[str], directions: tuple[str, ...] = ()) -> list[OnnxGraphs]:
    """Write the networks of a fitted model as ONNX graphs, and check them.

    ``model.onnx`` becomes ``model-forward-describe.onnx``, ``model-forward-render.onnx`` and so on. Their metadata have
    backbone, direction, halo, stride, and type, shape and range of each input and output;
    `ispfit.formats.onnx_runner` runs them on images of any size.

    Parameters
    ----------
    model : the fitted model.
    path : where to write, with the suffix ``.onnx``; the folder must exist, files are replaced.
    directions : "forward", "inverse"; all that the model has if empty.

    Returns
    -------
    One entry a direction.

    Raises
    ------
    InputError
        If the packages of the extra ``ispfit[onnx]`` are missing, or the model lacks a direction.
    BackboneError
        If a network cannot be expressed in ONNX, or its graphs differ from it by more than 1e-4; nothing is written.
    FileError
        If a file cannot be written.
    """
    _check_packages()
    target = Path(path)
    if target.suffix.lower() != ".onnx":
        raise InputError(f"path: expected a file name that ends in .onnx, got {target.name!r}.")
    missing = [direction for direction in directions if direction not in model.networks_]
    if missing:
        raise InputError(f"directions: the model has no {missing[0]!r}, but {', '.join(model.networks_)}.")
    about = {"ispfit": __version__, "backbone": model.backbone_.name, "camera": model.camera_ or ""}
    with TemporaryDirectory(prefix="ispfit-") as folder:
        made = [
            _make(model.networks_[direction], direction, Path(folder, target.name), about)
            for direction in directions or model.networks_
        ]
        return [replace(graphs, paths=_move(graphs.paths, target.parent)) for graphs in made]


def graph_path(path: Path, direction: str, graph: str) -> Path:
    """Return the file of a graph, "describe" or "render", of a model that is exported to `path`."""
    return path.with_name(f"{path.stem}-{direction}-{graph}.onnx")


def _check_packages() -> None:
    for package in _PACKAGES:
        try:
            import_module(package)
        except ImportError as error:
            raise InputError(f'ONNX: the package {package} is missing: pip install "ispfit[onnx]".') from error


def _make(network: Network, direction: str, stem: Path, about: Mapping[str, str]) -> OnnxGraphs:
    """Write the graphs of a network by the first way whose graphs run and agree with torch."""
    network = deepcopy(network).eval()
    refusal = f"{about['backbone']}, {direction}: cannot be exported to ONNX: "
    try:
        captured = capture(network)
    except Exception as error:  # torch raises anything
        raise BackboneError(f"{refusal}{reason(error)}.") from error
    scene = captured[0].outputs if captured[0].graph == "describe" else ()
    facts = {**about, "direction": direction, "maps": DIRECTIONS[direction], "scene": " ".join(scene)}
    facts |= {"halo": str(network.halo), "stride": str(network.stride)}
    paths = tuple(graph_path(stem, direction, each.graph) for each in captured)
    reasons: dict[str, None] = {}
    for opset, optimize in _WAYS:
        try:
            for each, path in zip(captured, paths, strict=True):
                write(each, path, facts | {"graph": each.graph} | each.layouts(), opset, optimize)
            differences = _measure(network, direction, stem)
        except Exception as error:  # noqa: BLE001 - exporters raise anything, and the next way may work
            reasons[reason(error)] = None
            continue
        if max(differences) <= MAX_DIFFERENCE:
            return OnnxGraphs(direction, paths, opset, *differences)
        reasons[f"the graph's output differs from torch's by {max(differences):.2g}"] = None
    raise BackboneError(f"{refusal}{'; '.join(reasons)}.")


def _measure(network: Network, direction: str, stem: Path) -> tuple[float, float]:
    """Return how much onnxruntime differs from torch, and its tiles from the whole, on an image of another size."""
    runner = import_module("ispfit.formats.onnx_runner")
    image = _check_image()
    expected = render_image(network, image, resolve_runtime("cpu", "fp32"))
    exported = runner.OnnxModel(stem, direction)
    tiled, whole = (exported(image, tile=tile) for tile in (_CHECK_TILE_PX, max(_CHECK_PX)))
    return float(np.abs(tiled - expected).max()), float(np.abs(tiled - whole).max())


def _check_image() -> FloatImage:
    """Return noise, as colourful as most pictures, that becomes darker to one side and to the lower edge."""
    random = np.random.default_rng(0)
    down, across = np.ogrid[1 : 0.3 : _CHECK_PX[0] * 1j, 1 : 0.1 : _CHECK_PX[1] * 1j]
    light = random.random(_CHECK_PX) ** 2 * down * across
    return np.clip(light[..., None] * random.uniform(0.7, 1.3, (*_CHECK_PX, 3)), 0, 1).astype(np.float32)


def _move(paths: tuple[Path, ...], folder: Path) -> tuple[Path, ...]:
    """Give the graphs their names in a folder."""
    for path in paths:
        with atomic_path(folder / path.name) as temporary:
            temporary.write_bytes(path.read_bytes())
    return tuple(folder / path.name for path in paths)
