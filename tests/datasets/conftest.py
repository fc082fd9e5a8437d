from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from dataset_server import Server, serve

from ispfit.datasets import transfer
from ispfit.datasets.recipe import Recipe
from ispfit.files import data_folder


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("ISPFIT_RETRY_SECONDS", "0")
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(transfer.shutil, "disk_usage", lambda path: SimpleNamespace(free=10**12))
    with serve() as site:
        yield site


@pytest.fixture
def local(server: Server) -> Callable[[str], Recipe]:
    """A shipped recipe, its hosts on the local server and without sizes and hashes of the real files."""

    def recipe_of(name: str) -> Recipe:
        text = (data_folder() / name / "recipe.toml").read_text(encoding="utf-8")
        return Recipe.model_validate(on_server(server, tomllib.loads(text)))

    return recipe_of


def on_server(server: Server, fields: dict[str, Any]) -> dict[str, Any]:
    for source in (*fields.get("downloads", []), *fields.get("archives", [])):
        source["url"] = server.here(source["url"])
        for name in ("size", "sha1"):
            source.pop(name, None)
        if "sha1_at" in source:
            source["sha1_at"] = server.here(source["sha1_at"])
    hosts = {"google-storage": "https://storage.googleapis.com", "huggingface": "https://huggingface.co"}
    for listing in fields.get("listings", []):
        if listing["kind"] in hosts:
            listing["url"] = server.here(hosts[listing["kind"]])
        if listing["kind"] == "checksums":
            listing["url"], listing["base"] = server.here(listing["url"]), server.here(listing["base"])
    return fields
