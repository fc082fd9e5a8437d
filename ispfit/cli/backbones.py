"""``ispfit backbones``: what is installed."""

from __future__ import annotations

from typing import Any

import click

from ispfit.cli.common import print_json

__all__ = ["backbones"]


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def backbones(as_json: bool) -> None:
    """List the backbones that are installed: origin, parameters, halo, directions."""
    from ispfit.plugins.manager import registered_backbones

    found = [_describe(name, entry) for name, entry in registered_backbones().items()]
    if as_json:
        print_json(found)
        return
    for entry in found:
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
        "directions": "one network for both directions" if backbone.invertible else "one network a direction",
    }
