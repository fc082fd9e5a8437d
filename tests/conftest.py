"""Fixtures shared by all tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ispfit.plugins.manager import forget_plugins

collect_ignore_glob = ["conftest.py", "*/conftest.py"]  # they have no doctests, and all have one module name


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real development data beside the checkout."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"the development data is not at {folder}")
    return folder


@pytest.fixture(autouse=True, scope="session")
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Decoded images of the tests do not go into the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ISPFIT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True, scope="session")
def _one_core() -> Iterator[None]:
    """Commands start one worker, which all tests of this process share: each core has its own process of pytest."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOKY_MAX_CPU_COUNT", "1")
        yield


@pytest.fixture
def brief_photofinish() -> Iterator[None]:
    """A quick fit of `photofinish`, see `small.brief_photofinish`."""
    import small  # with torch, which the process that deals out the tests does without

    with small.brief_photofinish():
        yield


@pytest.fixture
def toy_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The backbones of `toys` as a plugin that is installed: ispfit-toys 1.2."""
    metadata = tmp_path / "site-packages" / "ispfit_toys-1.2.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: ispfit-toys\nVersion: 1.2\n")
    (metadata / "entry_points.txt").write_text("[ispfit]\ntoys = toys\n")
    monkeypatch.syspath_prepend(str(metadata.parent))
    forget_plugins()
    yield
    forget_plugins()
