"""``ispfit backbones``: the installed backbones."""

from __future__ import annotations

from typing import Any

import click

from ispfit.cli.common import print_json, report_failures
from ispfit.cli.options import json_option
from ispfit.errors import debugging, explain

__all__ = ["backbones"]


@click.command()
@json_option("Print the backbones as JSON.")
def backbones(as_json: bool) -> int:
    """List the installed backbones.

    Each is listed with its distribution, parameters, number of weights, halo in pixels, and the networks it needs for
    the two directions. A backbone of a plugin that cannot be built is reported with the reason.
    """
    from ispfit.plugins.manager import registered_backbones

    entries = [_describe(name, entry) for name, entry in registered_backbones().items()]
    broken = [f"{entry['name']} of {entry['origin']}: {entry['error']}" for entry in entries if "error" in entry]
    if as_json:
        print_json(entries)
        return report_failures(broken, len(entries))
    for entry in entries:
        if "error" in entry:
            continue
        settings = ", ".join(f"{name}={value!r}" for name, value in entry["parameters"].items())
        click.echo(f"{entry['name']}  ({entry['origin']})")
        click.echo(f"    {entry['summary']}")
        click.echo(f"    parameters: {settings}")
        click.echo(f"    {entry['weights']:,} weights, halo {entry['halo']} px, {entry['directions']}")
    return report_failures(broken, len(entries))


def _describe(name: str, entry: Any) -> dict[str, Any]:
    about = {"name": name, "origin": entry.origin}
    try:
        return about | _properties(entry.item())
    except Exception as error:
        if debugging():
            raise
        return about | {"error": f"cannot be built: {explain(error)}."}


def _properties(backbone: Any) -> dict[str, Any]:
    network = backbone.build()
    return {
        "summary": backbone.summary(),
        "parameters": backbone.settings(),
        "weights": sum(parameter.numel() for parameter in network.parameters()),
        "halo": network.halo,
        "directions": "one network for both directions" if backbone.invertible else "one network per direction",
    }
