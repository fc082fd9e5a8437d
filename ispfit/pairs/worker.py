"""One pair: files in, files and a record out."""

from __future__ import annotations

import hashlib
import json
import warnings
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ispfit.errors import FileError, InputWarning
from ispfit.files import atomic_path
from ispfit.images import Image, Shot
from ispfit.io import read_raw, read_srgb, resize_area, write_linear, write_srgb
from ispfit.io.exif import Exif, read_exif, read_style
from ispfit.pairs.contact_sheet import write_tiles
from ispfit.pairs.splits import look_of
from ispfit.registration.align import AlignedPair, Tolerances, align_pair

__all__ = ["Job", "Settings", "Wanted", "Worker", "load_record", "make_pair", "state_file"]

_VERSION = 1
"""Of what a record holds and how a pair is made; another one makes all pairs anew."""

_STATE = ".ispfit-pairs"


@dataclass(frozen=True)
class Settings:
    """How pairs are made; see `make_pairs`."""

    size: tuple[int, int] | None = (512, 512)
    limits: Tolerances = field(default_factory=Tolerances)
    white_balance: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Wanted:
    """Which shots to take: those whose camera and picture style contain these, in any case."""

    camera: str | None = None
    style: str | None = None

    def __str__(self) -> str:
        return " and ".join(f"{name} {text!r}" for name, text in vars(self).items() if text)

    def has(self, record: dict[str, Any]) -> bool:
        """Whether a record is wanted; what it does not know is not."""
        return all(
            text is None or text.casefold() in (record[name] or "").casefold() for name, text in vars(self).items()
        )


@dataclass(frozen=True)
class Worker:
    """Makes the pairs that are wanted; for another it returns None, having decoded no more than it had to."""

    wanted: Wanted

    def __call__(self, job: Job) -> dict[str, Any] | None:
        exif = read_exif(job.raw)
        camera = Shot(make=exif.make, model=exif.model).camera
        if camera and not self.wanted.has({"camera": camera, "style": _style(job) if self.wanted.style else None}):
            return None
        return make_pair(job)


@dataclass(frozen=True)
class Job:
    """A shot that is to become the pair `name` in the folder `output`."""

    name: str
    raw: Path
    srgb: Path
    output: Path
    settings: Settings


def state_file(output: Path, name: str, suffix: str = ".json") -> Path:
    """Where the record of a pair is kept; its presence says that the pair is done."""
    return output / _STATE / f"{name}{suffix}"


def load_record(job: Job) -> dict[str, Any] | None:
    """The record of a pair that is done, from the same files with the same settings; else None."""
    try:
        state = json.loads(state_file(job.output, job.name).read_text(encoding="utf-8"))
        record: dict[str, Any] = state["record"]
        done = state["key"] == _key(job) and all((job.output / path).is_file() for path in _outputs(record))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return record if done else None


def make_pair(job: Job) -> dict[str, Any]:
    """Make a pair, or find why it is rejected, and return its record: what ``pairs.csv`` is to say and its look.

    The record is written last: it stands for a pair whose files are whole.
    """
    for path in (job.raw, job.srgb):
        if path.is_symlink() and not path.exists():
            raise FileError(f"{path}: cannot be read: a symbolic link to nothing.")
    key = _key(job)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", InputWarning)
        raw, srgb = _read(job)
        pair = align_pair(raw, srgb, job.settings.size, job.settings.limits)
        record = _describe(job, raw, srgb, pair)
    record["notes"] = "; ".join(str(each.message) for each in caught if issubclass(each.category, InputWarning))
    try:
        if pair.raw is not None and pair.srgb is not None:
            write_linear(job.output / record["raw"], pair.raw)
            write_srgb(job.output / record["srgb"], pair.srgb)
        _write_tiles(job, raw, srgb, pair)
        text = json.dumps({"key": key, "record": record})
        with atomic_path(state_file(job.output, job.name)) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except OSError:
        for output in _outputs(record):  # half of a pair is none
            with suppress(OSError):
                (job.output / output).unlink(missing_ok=True)
        raise
    return record


def _read(job: Job) -> tuple[Image, Image]:
    gains, size = job.settings.white_balance, job.settings.size
    raw = read_raw(job.raw, white_balance=gains, half_size=size is not None)
    if size is not None and any(side < 2 * wanted for side, wanted in zip(raw.shape, size, strict=False)):
        raw = read_raw(job.raw, white_balance=gains)  # half of it is not enough
    return raw, read_srgb(job.srgb)


def _describe(job: Job, raw: Image, srgb: Image, pair: AlignedPair) -> dict[str, Any]:
    exif, rendered = read_exif(job.raw), read_exif(job.srgb) if job.srgb != job.raw else Exif()
    shot, other = raw.shot, srgb.shot
    gains = shot.white_balance or (None, None, None)
    found, done = pair.registration, pair.raw is not None
    return {
        "name": job.name,
        "raw": f"raw/{job.name}.tif" if done else "",
        "srgb": f"srgb/{job.name}.png" if done else "",
        "make": shot.make or other.make,
        "model": shot.model or other.model,
        "camera": Shot(make=shot.make or other.make, model=shot.model or other.model).camera,
        "style": _style(job),
        "iso": shot.iso or other.iso,
        "exposure_time": shot.exposure_time or other.exposure_time,
        **{f"white_balance_{letter}": gain for letter, gain in zip("rgb", gains, strict=True)},
        "taken": rendered.taken or exif.taken,
        "residual": _rounded(found.residual, 3),
        "overlap": _rounded(found.overlap, 4),
        "zoom": _rounded(pair.zoom, 5),
        "rotation": _rounded(found.transform.rotation, 3),
        "distortion": _rounded(found.transform.k1 + found.transform.k2, 5),
        "resampled": pair.resampled,
        "reason": pair.reason,
        "digest": _digest(job.raw),
        "look": look_of(srgb),
    }


def _style(job: Job) -> str | None:
    return read_style(job.srgb) or read_style(job.raw)


def _rounded(value: float, digits: int) -> float | None:
    return round(float(value), digits) if np.isfinite(value) else None


def _write_tiles(job: Job, raw: Image, srgb: Image, pair: AlignedPair) -> None:
    """Keep checkerboards of the pair for the contact sheet: before, and after if there is one."""
    if pair.raw is not None and pair.srgb is not None:
        shape, after = pair.raw.shape, [(pair.raw, pair.srgb)]
    else:
        shape, after = (512, 512), []
    height, width = (min(sides) for sides in zip(shape[:2], raw.shape, srgb.shape, strict=False))
    before = resize_area(raw, (height, width)), resize_area(srgb, (height, width))
    write_tiles(state_file(job.output, job.name, ".png"), [before, *after])


def _outputs(record: dict[str, Any]) -> list[str]:
    return [record[side] for side in ("raw", "srgb") if record[side]]


def _key(job: Job) -> str:
    """Changes with the files and the settings."""
    files = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in (job.raw, job.srgb)]
    return hashlib.sha256(repr((_VERSION, files, asdict(job.settings))).encode()).hexdigest()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]
