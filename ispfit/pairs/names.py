"""The names of the pairs in a folder, beside those that earlier runs made there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ispfit.errors import FileError
from ispfit.pairs.match import folded_name
from ispfit.pairs.read import PairSettings
from ispfit.pairs.record import PairRecord, content_digest
from ispfit.pairs.worker import Job, state_file

__all__ = ["EarlierPair", "done_already", "earlier_pairs", "name_shots"]

_LONGEST_NAME = 120  # letters of a pair's name


@dataclass(frozen=True)
class EarlierPair:
    """A shot that an earlier run made into a pair, or rejected.

    Parameters
    ----------
    job : its name, RAW file and folder; of the settings, only those of this run are known.
    record : what is known of it.
    key : of its files and settings, see `Job.key`.
    settings : of that run, as a digest.
    """

    job: Job
    record: PairRecord
    key: str
    settings: str


def earlier_pairs(folder: Path, settings: PairSettings) -> dict[str, EarlierPair]:
    """Return the shots of earlier runs by name; those whose images are gone are left out, as if they had never been."""
    found = {}
    for path in sorted(state_file(folder, "").parent.glob("[!.]*.json")):
        try:
            state = json.loads(path.read_text(encoding="utf-8"))
            record, source = PairRecord.from_json(state["record"]), Path(state["source"])
            job = Job(path.name.removesuffix(".json"), (source, source), folder, settings)
            if record.reason or all((folder / image).is_file() for image in job.images.values()):
                found[job.name] = EarlierPair(job, record, state["key"], state["settings"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue  # of another format, or damaged: made again
    return found


def done_already(job: Job, earlier: Mapping[str, EarlierPair]) -> PairRecord | None:
    """Return the record of a pair that an earlier run made from the same files with the same settings; else None."""
    pair = earlier.get(job.name)
    return pair.record if pair is not None and pair.key == job.key else None


def name_shots(
    matched: Sequence[tuple[Path, Path]], earlier: Mapping[str, EarlierPair], settings: PairSettings
) -> list[str]:
    """Return a name for each shot: the stem of its RAW file, unless that names another shot already.

    Then a part of the hash of its RAW file follows. So a pair keeps its name whatever other files come or go, and cards
    whose files have the same names can go into one folder. Names differ also where case is ignored.

    Parameters
    ----------
    matched : the files of each shot.
    earlier : see `earlier_pairs`.
    settings : of this run.
    """
    known = {folded_name(name): pair for name, pair in earlier.items()}
    names: list[str] = []
    used: set[str] = set()
    for files in matched:
        name = "".join(letter if letter.isprintable() else "_" for letter in files[0].stem)[:_LONGEST_NAME]
        if folded_name(name) in used or not _is_same(known.get(folded_name(name)), files, settings):
            name = f"{name}-{_digest(files[0])[:6]}"
        number = 2
        while folded_name(name) in used:  # a copy of a copy
            name, number = f"{name}-{number}", number + 1
        names.append(name)
        used.add(folded_name(name))
    return names


def _is_same(pair: EarlierPair | None, files: tuple[Path, Path], settings: PairSettings) -> bool:
    """Return whether an earlier pair, if there is one, is of the same shot."""
    if pair is None or pair.key == Job(pair.job.name, files, pair.job.output, settings).key:
        return True
    return pair.record.content == _digest(files[0])


def _digest(path: Path) -> str:
    try:
        return content_digest(path)
    except FileError:  # it will fail as a shot, under a name of its own
        return hashlib.sha256(str(path).encode(errors="surrogateescape")).hexdigest()
