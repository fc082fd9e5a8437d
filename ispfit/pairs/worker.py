"""One shot of `make_pairs`: its files in, the files and the record of a pair out."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ispfit.files import atomic_path
from ispfit.io import write_linear, write_srgb
from ispfit.io.exif import read_exif
from ispfit.pairs.contact_sheet import write_tiles
from ispfit.pairs.read import PairSettings, in_memory, pair_key, prepare_pair
from ispfit.pairs.record import PairRecord, picture_style

__all__ = ["Job", "ShotFilter", "is_pairs_folder", "make_pair", "state_file"]

_FORMAT = 3  # of the state files; pairs of another format are made again
_STATE_FOLDER = ".ispfit-pairs"


@dataclass(frozen=True)
class ShotFilter:
    """Which shots to take: those whose camera and picture style contain these texts, in any case. None takes all."""

    camera: str | None = None
    style: str | None = None

    def __str__(self) -> str:
        return " and ".join(f"{name} {text!r}" for name, text in vars(self).items() if text)

    def takes(self, camera: str | None, style: str | None) -> bool:
        """Whether a shot is taken. A shot of unknown camera or style is left out if a filter is set for it."""
        return _contains(camera, self.camera) and _contains(style, self.style)


def _contains(text: str | None, part: str | None) -> bool:
    return part is None or part.casefold() in (text or "").casefold()


@dataclass(frozen=True)
class Job:
    """A shot that is to become the pair `name` in the folder `output`.

    Parameters
    ----------
    files : the RAW file and the file of the srgb.
    """

    name: str
    files: tuple[Path, Path]
    output: Path
    settings: PairSettings

    @property
    def images(self) -> dict[str, str]:
        """Where the images of the pair are written, relative to `output`."""
        return {"raw": f"raw/{self.name}.tif", "srgb": f"srgb/{self.name}.png"}

    @property
    def settings_digest(self) -> str:
        """Changes with the settings alone."""
        return hashlib.sha256(f"{_FORMAT} {self.settings}".encode()).hexdigest()[:16]

    @property
    def key(self) -> str:
        """Changes with the files and the settings."""
        text = f"{_FORMAT} {pair_key(self.files, self.settings)}"
        return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()


def is_pairs_folder(folder: Path) -> bool:
    """Return whether `make_pairs` made this folder."""
    return (folder / _STATE_FOLDER).is_dir()


def state_file(output: Path, name: str, suffix: str = ".json") -> Path:
    """Where the record of a pair is kept; its presence says that the pair is done."""
    return output / _STATE_FOLDER / f"{name}{suffix}"


def make_pair(job: Job, shots: ShotFilter) -> PairRecord | None:
    """Make a pair, or find why it is rejected, and return its record; None for a shot that `shots` does not take.

    The record is written last: its presence marks complete files. A shot of another camera is not decoded.
    """
    exif = read_exif(job.files[0])
    if exif.camera and not shots.takes(exif.camera, picture_style(job.files) if shots.style else None):
        return None
    key = job.key  # of the files before they are read
    pair = prepare_pair(job.files, job.settings)
    record = replace(pair.record, notes=pair.notes)
    try:
        if pair.raw is not None and pair.srgb is not None:
            write_linear(job.output / job.images["raw"], in_memory(pair.raw))
            write_srgb(job.output / job.images["srgb"], in_memory(pair.srgb))
        write_tiles(state_file(job.output, job.name, ".png"), pair.tiles)
        _write_state(job, key, record)
    except BaseException:
        _remove_images(job)  # half a pair must not stay
        raise
    return record


def _write_state(job: Job, key: str, record: PairRecord) -> None:
    state: dict[str, Any] = {"key": key, "record": asdict(record), "settings": job.settings_digest}
    state["source"] = str(job.files[0].absolute())
    with atomic_path(state_file(job.output, job.name)) as temporary:
        temporary.write_text(json.dumps(state), encoding="utf-8")


def _remove_images(job: Job) -> None:
    for image in job.images.values():
        with suppress(OSError):
            (job.output / image).unlink(missing_ok=True)
