"""From folders of files to a folder of registered pairs."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial
from os import PathLike
from pathlib import Path

from ispfit.errors import FileError, InputError, InputWarning
from ispfit.jobs import run_jobs
from ispfit.pairs.match import folded_name, match_files
from ispfit.pairs.outputs import MadePair, PairsReport, write_outputs
from ispfit.pairs.read import PairSettings
from ispfit.pairs.worker import Job, ShotFilter, load_record, make_pair, state_file
from ispfit.registration import Tolerances
from ispfit.resize import Size, check_size

__all__ = ["PairsReport", "make_pairs"]

_LONGEST_NAME = 120  # letters of a pair's name


def make_pairs(
    paths: str | PathLike[str] | Iterable[str | PathLike[str]],
    output: str | PathLike[str],
    *,
    size: Size | None = 512,
    register: bool = True,
    max_residual: float = Tolerances.max_residual,
    min_overlap: float = Tolerances.min_overlap,
    camera: str | None = None,
    style: str | None = None,
    white_balance: Sequence[float] | None = None,
    n_test: int = 50,
    random_state: int = 0,
    n_jobs: int | None = None,
    time_limit: float = 600,
) -> PairsReport:
    """Make registered pairs of the RAW files and pictures in folders, as a folder that `load_pairs` reads.

    Each shot is decoded, turned upright, cut to the camera's crop box, registered, resampled, cropped to what both
    files show and reduced to `size`, as by `ispfit.pairs.read_pair`, whose cache is used. The folder gets ``raw/*.tif``
    (16 bits, linear), ``srgb/*.png``, ``pairs.csv``, ``rejected.csv`` with the reasons, and ``contact.png``:
    checkerboards of raw and srgb before and after registration. If there are several cameras or styles, each also gets
    a table of its own, such as ``pairs-nikon-d600-vivid.csv``.

    What was converted, or is smaller than `size`, is told by an `InputWarning` and in the column ``notes``.

    A run that was stopped resumes, and ends with the same files as one that was not. Pairs whose files or settings
    have changed are made again.

    Parameters
    ----------
    paths : RAW files and folders; see `match_files` for which picture belongs to which.
    output : folder to write to; it is made if it does not exist.
    size : largest longer side of the pairs in pixels, or (height, width) of a centred crop; None keeps full resolution.
    register : False does not register: both files are assumed to show the same field of view.
    max_residual, min_overlap : see `Tolerances`; a pair beyond them is rejected.
    camera, style : take only shots whose camera (make and model) or picture style contains this text, in any case.
    white_balance : gains (r, g, b) for all RAW files instead of those in them.
    n_test : number of test shots per camera and style, at most a fifth of the shots. The rest is split into 80 % for
        training and 20 % for validation. Look-alikes (bursts, copies) are never divided between two splits.
    random_state : seed of the splits.
    n_jobs : number of processes; see `ispfit.jobs.run_jobs`.
    time_limit : seconds after which a file counts as failed.

    Raises
    ------
    FileError
        If there are no RAW files, or if the folder cannot be written to or holds pairs that were made otherwise.
    InputError
        If a parameter is not as above.
    """
    gains = None if white_balance is None else tuple(float(gain) for gain in white_balance)
    tolerances = Tolerances(max_residual, min_overlap)
    settings = PairSettings(None if size is None else check_size(size), register, tolerances, gains)
    folder, shots = Path(output), ShotFilter(camera, style)
    matched = match_files(paths)
    _make_folders(folder)
    plan = [Job(name, files, folder, settings) for name, files in zip(_names(matched), matched, strict=True)]
    records = {job.name: load_record(job) for job in plan}
    todo = [job for job in plan if records[job.name] is None]
    work = partial(make_pair, shots=shots)
    results = run_jobs(work, todo, n_jobs=n_jobs, time_limit=time_limit, label="pairs", unit="shot", describe=_raw_of)
    failed = dict(zip(results.failed, results.failures, strict=True))
    done = [job for index, job in enumerate(todo) if index not in failed]
    records |= {job.name: record for job, record in zip(done, results.results, strict=True)}
    made = [
        MadePair(job, record)
        for job in plan
        if (record := records[job.name]) is not None and shots.takes(record.camera, record.style)
    ]
    if not made and not failed:
        raise InputError(f"none of the {len(plan)} shots is of {shots}.")
    for note in dict.fromkeys(note for pair in made if not pair.record.reason for note in pair.record.notes):
        warnings.warn(note, InputWarning, stacklevel=2)
    failures = [(todo[index], failure) for index, failure in failed.items()]
    return write_outputs(folder, made, failures, len(plan) - len(todo), n_test=n_test, random_state=random_state)


def _raw_of(job: Job) -> str:
    return str(job.files[0])


def _make_folders(folder: Path) -> None:
    """Make the folders, and clear them of the temporary files of a killed run.

    Pairs that are there already must have been made by this function.
    """
    if (folder / "pairs.csv").exists() and not state_file(folder, "").parent.is_dir():
        raise FileError(f"{folder}: holds a pairs.csv that ispfit pairs did not make; give another folder.")
    try:
        for made in (folder / "raw", folder / "srgb", state_file(folder, "").parent):
            made.mkdir(parents=True, exist_ok=True)
            for leftover in made.glob(".ispfit-*"):
                leftover.unlink(missing_ok=True)
    except OSError as error:
        raise FileError(f"{folder}: cannot be written to: {error.strerror}.") from error


def _names(matched: Sequence[tuple[Path, Path]]) -> list[str]:
    """Unique names, also where case is ignored: the stem of the RAW file, plus a hash of its path if stems collide.

    The hash depends on the path alone, so that a name stays when other files come or go.
    """
    stems = ["".join(letter if letter.isprintable() else "_" for letter in raw.stem) for raw, _ in matched]
    stems = [stem[:_LONGEST_NAME] for stem in stems]
    count = Counter(map(folded_name, stems))
    hashes = [hashlib.sha256(os.fsencode(raw.resolve())).hexdigest()[:6] for raw, _ in matched]
    return [
        stem if count[folded_name(stem)] == 1 else f"{stem}-{digest}"
        for stem, digest in zip(stems, hashes, strict=True)
    ]
