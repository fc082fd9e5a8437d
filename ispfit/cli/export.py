"""``ispfit export``: a camera model as ONNX graphs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ispfit.cli.common import DONE, check_not_there, print_json, table
from ispfit.cli.options import json_option

if TYPE_CHECKING:
    from ispfit.formats.onnx_export import OnnxGraphs

__all__ = ["export"]


@click.command()
@click.argument("model", type=click.Path(path_type=Path, exists=True))
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), help="Write the graphs beside this name, *.onnx."
)
@click.option(
    "--direction",
    type=click.Choice(["both", "forward", "inverse"]),
    default="both",
    show_default=True,
    help="Export this direction: forward is raw to sRGB, inverse is sRGB to raw.",
)
@click.option("--overwrite", is_flag=True, help="Replace graphs that exist.")
@json_option("Print what was written as JSON.")
def export(model: Path, output: Path, direction: str, overwrite: bool, as_json: bool) -> int:
    """Write a fitted MODEL as ONNX graphs, which run without torch and without ispfit.

    model.onnx becomes model-forward-describe.onnx and model-forward-render.onnx, and the same for the inverse. Each
    graph is compared with the model in onnxruntime, at another size and in tiles; what differs is not written.
    """
    from ispfit import load
    from ispfit.formats.onnx_export import export_onnx, graph_path

    fitted = load(model, device="cpu")
    directions = tuple(fitted.networks_) if direction == "both" else (direction,)
    for way in directions:
        for graph in ("describe", "render"):
            check_not_there(graph_path(output, way, graph), overwrite)
    written = export_onnx(fitted, output, directions)
    if as_json:
        print_json([asdict(graphs) | {"paths": [str(path) for path in graphs.paths]} for graphs in written])
        return DONE
    rows = [
        [str(path), f"{path.stat().st_size / 1e6:.1f} MB", str(graphs.opset), *_differences(graphs)]
        for graphs in written
        for path in graphs.paths
    ]
    click.echo(table(("graph", "size", "opset", "to torch", "tiles to whole"), rows))
    return DONE


def _differences(graphs: OnnxGraphs) -> list[str]:
    return [f"{graphs.difference:.1e}", f"{graphs.tiled_difference:.1e}"]
