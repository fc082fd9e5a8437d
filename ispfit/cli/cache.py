"""``ispfit cache``: what decoded and registered pairs take on the disk."""

from __future__ import annotations

import click

from ispfit.cli.common import DONE, count, print_json
from ispfit.cli.options import json_option

__all__ = ["cache"]


@click.command()
@click.option("--check", is_flag=True, help="Remove the entries that are damaged; they are made anew when needed.")
@click.option("--clear", is_flag=True, help="Remove all entries. No other command should be using them.")
@json_option("Print what was found as JSON.")
def cache(check: bool, clear: bool, as_json: bool) -> int:
    """Show the cache of decoded images and registered pairs, check it, or empty it.

    The cache is the folder $ISPFIT_CACHE, or ispfit in the user's cache folder. Beyond $ISPFIT_CACHE_GB gigabytes (50),
    the entries that were not used for longest are removed, if that is more than a day. Files that ispfit did not put
    there stay.
    """
    from ispfit.cache import cache_use, clear_cache, remove_damaged

    if check and clear:
        raise click.UsageError("--check: with --clear nothing is left to check; leave one out.")
    damaged = remove_damaged() if check else []
    found = clear_cache() if clear else cache_use()
    if as_json:
        about = {"folder": str(found.folder), "entries": found.n_entries, "bytes": found.n_bytes, "limit": found.limit}
        print_json(about | {"removed": [str(path) for path in damaged], "cleared": clear})
        return DONE
    for path in damaged:
        click.echo(f"removed {path}: it was damaged")
    entries = f"{found.n_entries} {'entry' if found.n_entries == 1 else 'entries'}, {found.n_bytes / 1e9:.3f} GB"
    if clear:
        click.echo(f"{found.folder}: removed {entries}")
    else:
        click.echo(f"{found.folder}: {entries} of {found.limit / 1e9:g} GB at most")
        if check:
            click.echo(f"{count(len(damaged), 'damaged file')}")
    return DONE
