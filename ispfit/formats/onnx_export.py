"""Write a camera model as ONNX graphs, which run without torch and without ispfit.

Two graphs for each direction, as the backbone contract has it: ``describe`` takes a whole image of any size, ``render``
a window of any size with its halo. Each graph is checked before it gets its name: onnxruntime against torch at another
size than the exported one.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import warnings
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d
from torch.overrides import TorchFunctionMode

from ispfit._version import __version__
from ispfit.backbone import Network, Scene, Window
from ispfit.directions import DIRECTIONS
from ispfit.errors import BackboneError, InputError, explain
from ispfit.estimator import ISPModel
from ispfit.files import atomic_path
from ispfit.rendering import render_image
from ispfit.runtime import resolve_runtime

__all__ = ["MAX_DIFFERENCE", "OnnxGraphs", "export_onnx"]

MAX_DIFFERENCE = 1e-4
"""By which outputs of onnxruntime and torch may differ."""

_PACKAGES = ("onnx", "onnxscript", "onnxruntime")
_OPSETS = (18, 20)  # 18 is the lowest that torch writes; volumes in GridSample need 20
_EXPORT_PX = (96, 128)  # height and width of the example that is traced
_CHECK_PX = (524, 540)  # of the image that is checked; from 512 x 512 on, colour maps are looked up in tables
_CHECK_TILE_PX = 160
_WINDOW_INPUTS = ("pixels", "top", "left", "image_height", "image_width")


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
    backbone, direction, halo and stride; `ispfit.formats.onnx_runner` shows how to run them on large images.

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
    chosen = {way: model.networks_[way] for way in (directions or model.networks_)}
    about = {"ispfit": __version__, "backbone": model.backbone_.name, "camera": model.camera_ or ""}
    return [_export(network, way, target, about) for way, network in chosen.items()]


def _check_packages() -> None:
    for package in _PACKAGES:
        try:
            import_module(package)
        except ImportError as error:
            raise InputError(f'ONNX: the package {package} is missing: pip install "ispfit[onnx]".') from error


def _export(network: Network, direction: str, target: Path, about: Mapping[str, str]) -> OnnxGraphs:
    """Write the graphs of a network by the first way of exporting whose graphs run and agree with torch."""
    network = deepcopy(network).eval()
    reasons = []
    with TemporaryDirectory(prefix="ispfit-") as folder, _quiet():
        for opset in _OPSETS:
            for optimize in (True, False):  # the optimizer of onnxscript makes wrong graphs at times
                stem = Path(folder, "model.onnx")
                try:
                    paths = _trace(network, direction, stem, about, opset, optimize)
                    differences = _measure(network, direction, stem)
                except Exception as error:  # noqa: BLE001 - exporters raise anything, and the next way may work
                    reasons.append(_reason(error))
                    continue
                if max(differences) <= MAX_DIFFERENCE:
                    written = _move(paths, target)
                    return OnnxGraphs(direction, written, opset, *differences)
                reasons.append(f"the graph's output differs from torch's by {max(differences):.2g}")
    raise BackboneError(
        f"{about['backbone']}, {direction}: cannot be exported to ONNX: {'; '.join(dict.fromkeys(reasons))}."
    )


def _trace(
    network: Network, direction: str, stem: Path, about: Mapping[str, str], opset: int, optimize: bool
) -> list[Path]:
    """Write the graphs of a network to a temporary folder."""
    height, width = _EXPORT_PX
    image = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        scene = network.describe(image)
    window = _window(0, 0, height, width, *_CHECK_PX)
    side = torch.rand(1, 3, height + 2 * network.halo, width + 2 * network.halo)
    with torch.inference_mode():
        network.render(side, scene, window)  # tables that networks keep for large images are made now
    facts = {**about, "direction": direction, "halo": str(network.halo), "stride": str(network.stride)}
    facts |= {"scene": " ".join(scene), "maps": DIRECTIONS[direction]}
    free = {2: torch.export.Dim.DYNAMIC, 3: torch.export.Dim.DYNAMIC}
    paths = []
    if len(scene):
        names = ["image"], list(scene)
        paths.append(_write(_Describe(network), (image,), (free,), names, stem, "describe", facts, opset, optimize))
    inputs = (side, window.top, window.left, window.image_height, window.image_width, *scene.values())
    shapes = (free, {}, {}, {}, {}, *([tuple({} for _ in scene)] if len(scene) else []))
    names = [*_WINDOW_INPUTS, *scene], ["output"]
    render = _Render(network, list(scene))
    paths.append(_write(render, inputs, shapes, names, stem, "render", facts, opset, optimize))
    return paths


class _Describe(torch.nn.Module):
    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.network.describe(image).values())


class _Render(torch.nn.Module):
    def __init__(self, network: Network, names: list[str]) -> None:
        super().__init__()
        self.network, self.names = network, names

    def forward(
        self, pixels: Tensor, top: Tensor, left: Tensor, image_height: Tensor, image_width: Tensor, *scene: Tensor
    ) -> Tensor:
        height, width = (side - 2 * self.network.halo for side in pixels.shape[2:])
        window = Window(top, left, height, width, image_height, image_width)
        return self.network.render(pixels, Scene(**dict(zip(self.names, scene, strict=True))), window).clamp(0, 1)


def _write(
    module: torch.nn.Module,
    inputs: tuple[Tensor, ...],
    shapes: tuple[Any, ...],
    names: tuple[list[str], list[str]],
    stem: Path,
    graph: str,
    facts: Mapping[str, str],
    opset: int,
    optimize: bool,
) -> Path:
    with torch.no_grad(), _Expressible():
        program = torch.onnx.export(
            module,
            inputs,
            dynamo=True,
            dynamic_shapes=shapes,
            input_names=names[0],
            output_names=names[1],
            opset_version=opset,
            optimize=optimize,
            verbose=False,
        )
    assert program is not None  # with dynamo=True
    program.model.metadata_props.update({**facts, "graph": graph})
    path = _graph_path(stem, facts["direction"], graph)
    program.save(str(path))
    return path


class _Expressible(TorchFunctionMode):
    """Replace operations that ONNX cannot express for images of any size, or that onnxruntime gets wrong."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if function is adaptive_avg_pool2d:
            return _average_areas(*args, **kwargs)
        if function in (torch.matmul, Tensor.matmul, Tensor.__matmul__) and args[1].ndim == 1 and args[0].ndim > 1:
            return (args[0] * args[1]).sum(-1)  # onnxruntime fuses it with a transposition before it, wrongly
        return function(*args, **kwargs)


def _average_areas(image: Tensor, output_size: int | tuple[int, int]) -> Tensor:
    """Do what `adaptive_avg_pool2d` does, as two products with matrices that follow from the size of the image."""
    rows, columns = output_size if isinstance(output_size, tuple | list) else (output_size, output_size)
    return _area_weights(image.shape[2], rows) @ image @ _area_weights(image.shape[3], columns).T


def _area_weights(size: int, cells: int) -> Tensor:
    """Return the weights (cells, size) of the pixels in each cell; a cell reaches from floor to ceil of its bounds."""
    cell, pixel = torch.arange(cells)[:, None], torch.arange(size)[None]
    start = torch.div(cell * size, cells, rounding_mode="floor")
    end = torch.div((cell + 1) * size + cells - 1, cells, rounding_mode="floor")
    return ((pixel >= start) & (pixel < end)).float() / (end - start)


def _window(top: int, left: int, height: int, width: int, image_height: int, image_width: int) -> Window:
    corner = torch.tensor([top]), torch.tensor([left])
    return Window(*corner, height, width, torch.tensor([image_height]), torch.tensor([image_width]))


def _measure(network: Network, direction: str, stem: Path) -> tuple[float, float]:
    """Return how much onnxruntime differs from torch, and its tiles from the whole, on an image of another size."""
    runner = import_module("ispfit.formats.onnx_runner")
    random = np.random.default_rng(0)
    light = random.random((*_CHECK_PX, 1), np.float32) ** 2
    image = np.clip(light * random.uniform(0.7, 1.3, (*_CHECK_PX, 3)), 0, 1).astype(np.float32)  # as colourful as most
    expected = render_image(network, image, resolve_runtime("cpu", "fp32"))
    exported = runner.OnnxModel(stem, direction)
    tiled, whole = (exported(image, tile=tile) for tile in (_CHECK_TILE_PX, max(_CHECK_PX) + network.stride))
    return float(np.abs(tiled - expected).max()), float(np.abs(tiled - whole).max())


def _graph_path(stem: Path, direction: str, graph: str) -> Path:
    return stem.with_name(f"{stem.stem}-{direction}-{graph}.onnx")


def _move(paths: list[Path], target: Path) -> tuple[Path, ...]:
    """Give the graphs their names, beside `target`."""
    written = []
    for path in paths:
        final = target.with_name(path.name.replace("model", target.stem, 1))
        with atomic_path(final) as temporary:
            temporary.write_bytes(path.read_bytes())
        written.append(final)
    return tuple(written)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence the exporter, which reports each step."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _reason(error: BaseException) -> str:
    """Return what stands in the way, in a line: the operation if one is named, else the first sentence."""
    texts: list[str] = []
    while True:
        texts.append(str(error))
        following = error.__cause__ or error.__context__
        if following is None:
            break
        error = following
    for text in reversed(texts):
        operation = re.search(r"No ONNX function found for .*?'?(\w+\.\w+(?:\.\w+)?)'?\)?", text)
        if operation:
            return f"ONNX has no counterpart of the operation {operation[1]}"
        if "data-dependent" in text:
            return "its code branches on the values of a tensor, which a graph cannot (see torch.compiler.is_exporting)"
    return re.sub(r"\s+", " ", explain(error))[:200].rstrip(". ")
