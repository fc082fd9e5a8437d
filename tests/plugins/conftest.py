"""Install small plugins for one test: a module and the metadata of its distribution, in a folder on the path."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from ispfit.plugins.manager import forget_plugins

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """``install("ispfit-sun", "code", entry="sun")`` makes a distribution 1.0 whose module is ``ispfit_sun``."""
    modules: list[str] = []
    monkeypatch.syspath_prepend(str(tmp_path))
    for variable in ("ISPFIT_STRICT_PLUGINS", "ISPFIT_DISABLE_PLUGINS"):
        monkeypatch.delenv(variable, raising=False)

    def add(distribution: str, code: str, entry: str | None = None) -> None:
        module = distribution.replace("-", "_")
        (tmp_path / f"{module}.py").write_text(dedent(code))
        metadata = tmp_path / f"{module}-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
        (metadata / "entry_points.txt").write_text(f"[ispfit]\n{entry or distribution} = {module}\n")
        modules.append(module)
        forget_plugins()

    yield add
    for module in modules:
        sys.modules.pop(module, None)
    forget_plugins()
