"""EXIF is read as far as it exists; missing and damaged EXIF raises nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ispfit.images import Shot
from ispfit.io.exif import Exif, read_exif
from ispfit.io.exif_writer import make_exif


def test_a_dng_tells_everything(write_shot: Any, patches: Any) -> None:
    options = {"make": "Canon", "model": "EOS 650D", "iso": 3200, "exposure_time": 1 / 30, "orientation": 8}
    exif = read_exif(write_shot(patches, **options))
    assert (exif.make, exif.model, exif.iso, exif.orientation) == ("Canon", "EOS 650D", 3200, 8)
    assert exif.exposure_time == pytest.approx(1 / 30, rel=1e-4)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_what_make_exif_writes_is_read_from_a_jpeg(jpeg: Any, patches: Any, orientation: int) -> None:
    shot = Shot(make="Sony", model="ILCE-7", iso=125, exposure_time=1 / 8000)
    exif = read_exif(jpeg(patches, exif=make_exif(shot, orientation)))
    assert exif == Exif("Sony", "ILCE-7", 125, 1 / 8000, orientation, color_space=1)


def test_an_unknown_shot_makes_an_exif_without_it(jpeg: Any, patches: Any) -> None:
    assert read_exif(jpeg(patches, exif=make_exif(Shot()))) == Exif(orientation=1, color_space=1)


def test_no_exif_is_no_error(jpeg: Any, patches: Any, tmp_path: Path) -> None:
    assert read_exif(jpeg(patches)) == Exif()
    assert read_exif(b"") == read_exif(b"a text that is no picture at all") == Exif()


def test_names_are_cleaned_and_cut(write_shot: Any, patches: Any) -> None:
    exif = read_exif(write_shot(patches, make=" Nikon \n\t\x07", model="M" * 5_000_000))
    assert exif.make == "Nikon"
    assert exif.model is not None
    assert len(exif.model) <= 80


def test_damaged_exif_never_raises(write_shot: Any, patches: Any, jpeg: Any) -> None:
    dng = write_shot(patches).read_bytes()[:1500]
    picture = jpeg(patches, exif=make_exif(Shot(make="Nikon", model="D600", iso=100, exposure_time=0.01)))[:400]
    rng = np.random.default_rng(0)
    for data in (dng, picture):
        for _ in range(100):
            damaged = bytearray(data)
            for place in rng.integers(0, len(data), 8):
                damaged[place] = int(rng.integers(256))
            assert isinstance(read_exif(bytes(damaged)), Exif)
