"""Damaged and malicious files: reading one raises an error that names the file, or returns a right image.

A seeded fuzzer damages 320 files, which are read in a worker process like those of the commands. "Right" allows for
damage that no reader can detect. Neither the header nor the samples of an uncompressed file have a checksum: damage may
change some samples, or the levels that apply to all of them. Some bits of a JPEG shift the colours of the rest of the
picture without a trace (see `check_seams`).
"""

from __future__ import annotations

import io
import os
import random
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image as PILImage

from ispfit.datasets import make_camera_pairs
from ispfit.errors import FileError, IspfitError, WhiteBalanceError
from ispfit.io import find_files, read_raw, read_srgb
from ispfit.io.dng import XTRANS, make_mosaic, write_dng
from ispfit.io.exif import read_exif
from ispfit.io.jpeg_damage import check_seams
from ispfit.jobs import run_jobs

KINDS = ["bayer.dng", "bayer.nef", "linear.dng", "x-trans.dng", "raw.tif", "picture.jpg", "picture.png", "zip.tif"]
DAMAGES = ["truncated", "zeroed", "overwritten", "flipped"]
FILES_PER_CASE = 10
MAX_UNDETECTED_SHARE = 0.06  # of JPEG files with damaged data, read as wrong pictures; measured on 900 files: 0.037


def read(path: Path) -> Any:
    return (
        read_srgb(path)
        if path.name.startswith(("picture", "zip"))
        else read_raw(path, half_size="x-trans" in path.name)
    )


def judge(job: tuple[Path, Path, bool]) -> str:
    """Classify the result of reading a damaged file; runs in a worker."""
    damaged, good, in_header = job
    try:
        image = np.asarray(read(damaged))
    except IspfitError as error:
        return "error" if str(error).startswith(str(damaged)) else f"an error that does not name the file: {error}"
    if image.size == 0 or not np.isfinite(image).all() or image.min() < 0 or image.max() > 1:
        return "no image"
    if in_header:
        return "plausible" if np.mean(image.max(axis=(1, 2)) == 0) < 0.25 else "half black"
    want = np.asarray(read(good))
    if image.shape != want.shape:
        return "another shape"
    return "right" if np.mean(np.abs(image - want).max(axis=2) > 0.02) < 0.1 else "wrong"


def damage(data: bytes, kind: str, rng: random.Random) -> tuple[bytes, int]:
    """Return the damaged bytes and the position at which the damage begins."""
    broken, at = bytearray(data), rng.randrange(len(data))
    length = min(rng.randrange(8, 600), len(data) - at)
    if kind == "truncated":
        return bytes(broken[:at]), at
    if kind == "flipped":
        broken[at] ^= 1 << rng.randrange(8)
    else:
        broken[at : at + length] = bytes(length) if kind == "zeroed" else rng.randbytes(length)
    return bytes(broken), at


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One whole file of each kind."""
    folder = tmp_path_factory.mktemp("good")
    [raw], [srgb] = (
        np.asarray(side) for side in ([x[0]] for x in make_camera_pairs(1, image_size=(96, 144), random_state=5))
    )
    codes, picture = np.round(512 + raw * 15871).astype(np.uint16), np.round(srgb * 255).astype(np.uint8)
    for name, mosaic, cfa in (
        ("bayer.dng", make_mosaic(codes, "GRBG"), "GRBG"),
        ("bayer.nef", make_mosaic(codes, "RGGB"), "RGGB"),
        ("linear.dng", codes, "RGGB"),
        ("x-trans.dng", make_mosaic(codes, XTRANS), XTRANS),
    ):
        write_dng(folder / name, mosaic, cfa=cfa, bits=14, as_shot_neutral=(0.6, 1, 0.7))
    tifffile.imwrite(folder / "raw.tif", codes, photometric="rgb", compression="zlib")
    tifffile.imwrite(folder / "zip.tif", picture, photometric="rgb", compression="zlib")
    PILImage.fromarray(picture).save(folder / "picture.jpg", quality=90)
    PILImage.fromarray(picture).save(folder / "picture.png")
    return {name: folder / name for name in KINDS}


@pytest.mark.parametrize("each", [FILES_PER_CASE, pytest.param(300, marks=pytest.mark.slow)])
def test_a_damaged_file_is_an_error_or_a_right_image(good: dict[str, Path], tmp_path: Path, each: int) -> None:
    rng, jobs, kinds = random.Random(0), [], []
    for name, source in good.items():
        data = source.read_bytes()
        body = data.index(b"\xff\xda") if name.endswith("jpg") else len(data) * 4 // 5 if "zip" in name else 1024
        for kind in DAMAGES:
            for number in range(each):
                broken, at = damage(data, kind, rng)
                path = tmp_path / f"{name.split('.')[0]}-{kind}-{number}.{name.split('.')[1]}"
                path.write_bytes(broken)
                jobs.append((path, source, at < body))
                kinds.append((name, kind))
    outcome = run_jobs(judge, jobs, n_jobs=2, time_limit=60, describe=lambda job: str(job[0]))
    assert len(outcome.results) + len(outcome.failures) == len(jobs) == each * 32
    assert outcome.failures == [], "no crash and no hang"
    count = Counter(zip(kinds, outcome.results, strict=True))
    wrong = {case: number for case, number in count.items() if case[1] not in {"error", "right", "plausible"}}
    undetected = sum(wrong.pop((("picture.jpg", kind), "wrong"), 0) for kind in ("zeroed", "flipped", "overwritten"))
    assert wrong == {}
    assert undetected <= MAX_UNDETECTED_SHARE * 3 * each + 1
    assert sum(number for case, number in count.items() if case[1] == "error") > len(jobs) / 3


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damaged_crw_is_an_error_or_an_image(shared_data: Path, tmp_path: Path, kind: str) -> None:
    data, rng = (shared_data / "raw-files" / "light.crw").read_bytes(), random.Random(1)
    jobs = []
    for number in range(2):
        path = tmp_path / f"raw-{number}.crw"
        path.write_bytes(damage(data, kind, rng)[0])
        jobs.append((path, path, True))
    assert set(run_jobs(judge, jobs, n_jobs=1, time_limit=120).results) <= {"error", "plausible"}


# -- damage that decoders do not report


@pytest.mark.parametrize("name", ["zip.tif", "picture.png"])
def test_what_a_checksum_tells_is_not_overlooked(good: dict[str, Path], tmp_path: Path, name: str) -> None:
    data = bytearray(good[name].read_bytes())
    at = len(data) * 9 // 10
    data[at : at + 300] = bytes(300)
    (tmp_path / name).write_bytes(data)
    with pytest.raises(FileError, match=name.replace(".", r"\.")):
        read_srgb(tmp_path / name)


@pytest.fixture
def picture(good: dict[str, Path]) -> bytes:
    return good["picture.jpg"].read_bytes()


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_jpeg_that_ends_early_but_properly_is_damaged(picture: bytes, tmp_path: Path, share: float) -> None:
    start = picture.index(b"\xff\xda")
    cut = start + int(share * (len(picture) - start))
    (tmp_path / "a.jpg").write_bytes(picture[:cut] + b"\xff\xd9")
    with pytest.raises(FileError, match=r"a\.jpg: the JPEG is damaged: "):
        read_srgb(tmp_path / "a.jpg")


def test_a_jpeg_whose_colours_shift_from_some_block_on_is_damaged(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).normal(0, 2, (128, 192, 3))
    planes = np.round(np.add.outer(np.arange(128), np.arange(192))[..., None] / 2 + 20 + noise)
    check_seams(planes.astype(np.uint8), (8, 8), tmp_path)
    shifted = planes.reshape(16, 8, 24, 8, 3).transpose(0, 2, 1, 3, 4).reshape(-1, 8, 8, 3).copy()
    shifted[7 * 24 + 10 :, :, :, 0] += 12
    shifted = shifted.reshape(16, 24, 8, 8, 3).transpose(0, 2, 1, 3, 4).reshape(128, 192, 3)
    with pytest.raises(FileError, match="the JPEG is damaged: its colours are shifted from one block to the end"):
        check_seams(shifted.astype(np.uint8), (8, 8), tmp_path)


@pytest.mark.parametrize(
    "options", [{"progressive": True}, {"subsampling": 0}, {"restart_marker_rows": 1}, {"quality": 30}]
)
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_whole_jpegs_of_every_kind_are_read(tmp_path: Path, good: dict[str, Path], options: Any, mode: str) -> None:
    with PILImage.open(good["picture.png"]) as source:
        source.convert(mode).save(tmp_path / "a.jpg", **options)
    assert read_srgb(tmp_path / "a.jpg").shape == (96, 144, 3)


# -- hostile numbers and texts


def test_exif_of_megabytes_and_of_wrong_types_is_cut_short(tmp_path: Path) -> None:
    exif = PILImage.Exif()
    exif.update({0x010F: "N" * 60000, 0x0110: "D\n\x00600", 0x0112: 99})
    data = io.BytesIO()
    PILImage.new("RGB", (32, 32), (90, 80, 70)).save(data, "TIFF", exif=exif)
    (tmp_path / "a.tif").write_bytes(data.getvalue())
    found = read_exif(tmp_path / "a.tif")
    assert found.make == "N" * 80
    assert found.orientation is None
    read_srgb(tmp_path / "a.tif")
    assert read_exif(b"II*\0\x08\0\0\0" + b"\xff" * 5_000_000).make is None


@pytest.mark.parametrize("value", [b"\xff\xff\xff\xff", b"\0\0\0\0"])
def test_a_negative_or_zero_white_balance_is_no_white_balance(
    good: dict[str, Path], tmp_path: Path, value: bytes
) -> None:
    data = good["bayer.dng"].read_bytes()
    neutral = (3).to_bytes(4, "little") + (5).to_bytes(4, "little")  # 0.6
    assert data.count(neutral) == 1
    (tmp_path / "a.dng").write_bytes(data.replace(neutral, value + (5).to_bytes(4, "little")))
    with pytest.raises(
        WhiteBalanceError, match=r"a\.dng: carries no usable white balance .* white_balance=\(r, g, b\)"
    ):
        read_raw(tmp_path / "a.dng")


@pytest.mark.parametrize("name", ["bayer.dng", "raw.tif"])
def test_an_absurd_size_takes_no_memory(good: dict[str, Path], tmp_path: Path, name: str) -> None:
    data, big = good[name].read_bytes(), (15000).to_bytes(2, "little")
    for side in (96, 144):
        data = data.replace(side.to_bytes(2, "little"), big)
    (tmp_path / name).write_bytes(data)
    assert run_jobs(peak_of_reading, [tmp_path / name], n_jobs=1).results[0] < 500_000_000


def peak_of_reading(path: Path) -> int:
    """Return the bytes by which the worker grew at its peak; the file must be refused."""
    import resource

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        read_raw(path)
    except FileError:
        return 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    raise AssertionError("read")


# -- folders


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is unreadable to root")
def test_an_unreadable_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0)
    with pytest.raises(FileError, match="closed: the folder cannot be listed: Permission denied"):
        find_files(tmp_path, {".dng"})


def test_a_folder_that_cannot_be_listed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(FileError, match="the folder cannot be listed: Permission denied"):
        find_files(tmp_path, {".dng"})
