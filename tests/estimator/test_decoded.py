"""The cache of decoded files."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ispfit.estimator import decoded
from ispfit.images import Image

reads: Counter[str] = Counter()


def read(path: Path) -> Image:
    reads[path.name] += 1
    return Image(np.full((4, 4, 3), len(path.read_bytes()) / 100, np.float32))


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    reads.clear()
    decoded.clear_cache()
    yield
    decoded.clear_cache()


def files(folder: Path, count: int) -> list[Path]:
    paths = [folder / f"{number}.bin" for number in range(count)]
    for number, path in enumerate(paths):
        path.write_bytes(b"x" * (number + 1))
    return paths


def test_a_file_is_decoded_once(tmp_path: Path) -> None:
    [path] = files(tmp_path, 1)
    assert decoded.cache_decoded(read)(path) is decoded.cache_decoded(read)(path)
    assert reads == {"0.bin": 1}


def test_a_file_that_changes_is_decoded_again(tmp_path: Path) -> None:
    [path] = files(tmp_path, 1)
    decoded.cache_decoded(read)(path)
    path.write_bytes(b"xy")
    assert decoded.cache_decoded(read)(path).max() == pytest.approx(0.02)
    os.utime(path, (1, 1))
    decoded.cache_decoded(read)(path)
    assert reads == {"0.bin": 3}


def test_what_everybody_shares_cannot_be_changed(tmp_path: Path) -> None:
    image = decoded.cache_decoded(read)(files(tmp_path, 1)[0])
    with pytest.raises(ValueError, match="read-only"):
        image[0] = 1


def test_what_was_used_longest_ago_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoded, "_MAX_BYTES", 2 * 4 * 4 * 3 * 4)
    first, second, third = files(tmp_path, 3)
    for path in (first, second, first, third, first, second):
        decoded.cache_decoded(read)(path)
    assert reads == {"0.bin": 1, "1.bin": 2, "2.bin": 1}
