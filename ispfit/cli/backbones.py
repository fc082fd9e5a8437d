"""``ispfit backbones``: the installed backbones."""

from __future__ import annotations

from typing import Any

import click

from ispfit.cli.common import print_json
from ispfit.cli.options import json_option

__all__ = ["backbones"]


@click.command()
@json_option("Print the backbones as JSON.")
def backbones(as_json: bool) -> None:
    """List the installed backbones.

    Each is listed with its distribution, parameters, number of weights, halo in pixels, and the networks it needs for
    the two directions.
    """
    from ispfit.plugins.manager import registered_backbones

    entries = [_describe(name, entry) for name, entry in registered_backbones().items()]
    if as_json:
        print_json(entries)
        return
    for entry in entries:
        settings = ", ".join(f"{name}={value!r}" for name, value in entry["parameters"].items())
        click.echo(f"{entry['name']}  ({entry['origin']})")
        click.echo(f"    {entry['summary']}")
        click.echo(f"    parameters: {settings}")
        click.echo(f"    {entry['weights']:,} weights, halo {entry['halo']} px, {entry['directions']}")


def _describe(name: str, entry: Any) -> dict[str, Any]:
    backbone = entry.item()
    network = backbone.build()
    return {
        "name": name,
        "origin": entry.origin,
        "summary": backbone.summary(),
        "parameters": backbone.settings(),
        "weights": sum(parameter.numel() for parameter in network.parameters()),
        "halo": network.halo,
        "directions": "one network for both directions" if backbone.invertible else "one network per direction",
    }
