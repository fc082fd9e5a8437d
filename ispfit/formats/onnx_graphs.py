"""The graphs of a network: `describe` and `render` as ONNX programs, for windows and images of any size."""

from __future__ import annotations

import contextlib
import io
import logging
import re
import traceback
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.export import Dim, ExportedProgram
from torch.nn.functional import adaptive_avg_pool2d
from torch.overrides import TorchFunctionMode

from ispfit.backbone import Network, Scene, Window
from ispfit.errors import explain

__all__ = ["Captured", "capture", "reason", "write"]

_EXAMPLE_PX = (96, 128)  # height and width of the image from which the graphs are captured
_LARGE_PX = (1024, 1024)  # of the image in which its window lies
_LAYOUTS = {
    "image": "float32 (1, 3, H, W), an image in [0, 1]",
    "pixels": "float32 (1, 3, h + 2 halo, w + 2 halo), a window with its halo, in [0, 1]; h, w: multiples of stride",
    "top": "int64 (1,), first row of the window in its image, a multiple of stride",
    "left": "int64 (1,), first column of the window in its image, a multiple of stride",
    "image_height": "int64 (1,), H",
    "image_width": "int64 (1,), W",
    "output": "float32 (1, 3, h, w), the window in [0, 1]",
}


@dataclass(frozen=True)
class Captured:
    """One graph of a network, as torch operations.

    Parameters
    ----------
    graph : "describe" or "render".
    program : what torch recorded.
    inputs, outputs : names of the tensors.
    """

    graph: str
    program: ExportedProgram
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    def layouts(self) -> dict[str, str]:
        """Return type, shape and range of each input and output."""
        return {name: _LAYOUTS.get(name, "of the scene") for name in (*self.inputs, *self.outputs)}


def capture(network: Network) -> list[Captured]:
    """Record `describe`, if the network has a scene, and `render`.

    Parameters
    ----------
    network : on the CPU, in evaluation mode.

    Raises
    ------
    Exception
        Whatever torch raises if it cannot record the network; see `reason`.
    """
    height, width = _EXAMPLE_PX
    image = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(0))
    pixels = torch.rand(1, 3, height + 2 * network.halo, width + 2 * network.halo)
    place = [torch.tensor([number]) for number in (0, 0, *_LARGE_PX)]
    with torch.no_grad():
        scene = network.describe(image)
        window = Window(place[0], place[1], height, width, place[2], place[3])
        network.render(pixels, scene, window)  # makes the tables that it keeps
    free, names = {2: Dim.DYNAMIC, 3: Dim.DYNAMIC}, tuple(scene)
    graphs = []
    if names:
        program = _record(_Describe(network), (image,), (free,))
        graphs.append(Captured("describe", program, ("image",), names))
    shapes = (free, {}, {}, {}, {}, *([tuple({} for _ in names)] if names else []))
    program = _record(_Render(network, names), (pixels, *place, *scene.values()), shapes)
    inputs = ("pixels", "top", "left", "image_height", "image_width", *names)
    return [*graphs, Captured("render", program, inputs, ("output",))]


def write(captured: Captured, path: Path, metadata: Mapping[str, str], opset: int, optimize: bool) -> None:
    """Write a graph as an ONNX file.

    Parameters
    ----------
    captured : the graph.
    path : the file.
    metadata : texts that the file carries.
    opset : version of the ONNX operators.
    optimize : whether onnxscript simplifies the graph.
    """
    with torch.no_grad(), _quiet():
        program = torch.onnx.export(
            captured.program,
            input_names=captured.inputs,
            output_names=captured.outputs,
            opset_version=opset,
            optimize=optimize,
            dynamo=True,
            verbose=False,
        )
    assert program is not None  # with dynamo=True
    program.model.metadata_props.update(metadata)
    program.save(str(path))


def _record(module: torch.nn.Module, inputs: tuple[Tensor, ...], shapes: tuple[Any, ...]) -> ExportedProgram:
    with torch.no_grad(), _quiet(), _Expressible():
        return torch.export.export(module, inputs, dynamic_shapes=shapes, strict=False)


class _Describe(torch.nn.Module):
    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.network.describe(image).values())


class _Render(torch.nn.Module):
    def __init__(self, network: Network, names: tuple[str, ...]) -> None:
        super().__init__()
        self.network, self.names = network, names

    def forward(
        self, pixels: Tensor, top: Tensor, left: Tensor, image_height: Tensor, image_width: Tensor, *scene: Tensor
    ) -> Tensor:
        height, width = (side - 2 * self.network.halo for side in pixels.shape[2:])
        window = Window(top, left, height, width, image_height, image_width)
        return self.network.render(pixels, Scene(**dict(zip(self.names, scene, strict=True))), window).clamp(0, 1)


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


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence the exporter, which reports each step, and prints the graph if it fails."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)


def reason(error: BaseException) -> str:
    """Return what stands in the way of a graph, without a full stop: the operation, or the line of code, if known."""
    chain = [error]
    while following := chain[0].__cause__ or chain[0].__context__:
        chain.insert(0, following)
    for text in map(str, chain):
        if operation := re.search(r"Error when translating node .*target=torch\.ops\.(\w+\.\w+)", text):
            return f"ONNX has no counterpart of the operation {operation[1]}"
        if "data-dependent" in text:
            how = "which a graph cannot (see torch.compiler.is_exporting)"
            return f"its code branches on the values of a tensor{_place(chain)}, {how}"
        if "Constraints violated" in text:
            return "its code works for images of one size only"
    return re.sub(r"\s+", " ", explain(chain[0]))[:200].rstrip(". ")


def _place(chain: list[BaseException]) -> str:
    """Return the file and the line where a network called torch, in parentheses; "" if that is unknown."""
    own = Path(__file__), Path(torch.__file__).parent
    for error in chain:
        for frame in reversed(traceback.extract_tb(error.__traceback__)):
            file = Path(frame.filename)
            if own[1] not in file.parents and file.parent != own[0].parent and file.is_file():
                return f" ({file.name}, line {frame.lineno})"
    return ""
