"""From folders of files to a folder of registered pairs."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from os import PathLike
from pathlib import Path

from ispfit.errors import FileError, InputError, InputWarning
from ispfit.files import refuse_to_replace
from ispfit.io import is_of_ispfit
from ispfit.jobs import run_jobs
from ispfit.pairs.listed import ListedShot
from ispfit.pairs.match import match_files
from ispfit.pairs.names import EarlierPair, done_already, earlier_pairs, name_shots
from ispfit.pairs.outputs import MadePair, PairsReport, write_outputs
from ispfit.pairs.read import WHOLE, PairSettings
from ispfit.pairs.worker import Job, ShotFilter, is_pairs_folder, make_pair, state_file
from ispfit.registration import Tolerances
from ispfit.resize import Size, check_size

__all__ = ["PairsReport", "make_listed_pairs", "make_pairs"]


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
    have changed are made again. Pairs that an earlier run made of other files stay: a second card is added to the
    first, even if its files have the same names. Files that this function did not make are never replaced.

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
        If there are no RAW files, or if the folder cannot be written to, holds files that would be replaced, or holds
        pairs of other files that were made with other settings.
    InputError
        If a parameter is not as above.
    """
    settings = _settings(size, register, max_residual, min_overlap, white_balance)
    folder, matched = Path(output), match_files(paths)
    earlier = earlier_pairs(folder, settings)
    names = name_shots(matched, earlier, settings)
    plan = [Job(name, files, folder, settings) for name, files in zip(names, matched, strict=True)]
    workers = _Workers(n_jobs, time_limit, ShotFilter(camera, style))
    return _make(plan, earlier, workers, n_test=n_test, random_state=random_state)


def make_listed_pairs(
    shots: Sequence[ListedShot],
    output: str | PathLike[str],
    *,
    size: Size | None = 512,
    register: bool = True,
    max_residual: float = Tolerances.max_residual,
    min_overlap: float = Tolerances.min_overlap,
    white_balance: Sequence[float] | None = None,
    keep: tuple[float, float, float, float] = WHOLE,
    camera: str | None = None,
    n_test: int = 50,
    random_state: int = 0,
    n_jobs: int | None = None,
    time_limit: float = 600,
) -> PairsReport:
    """Make registered pairs as `make_pairs` does, of shots whose names, files and splits are known.

    Parameters
    ----------
    shots : the shots, whose names differ. Those of a scene are never divided between two splits, unless their splits
        say so.
    keep : part of the pair that is used, as shares of its sides: top, left, bottom, right, from the top left corner.
    """
    settings = _settings(size, register, max_residual, min_overlap, white_balance, keep)
    folder = Path(output)
    plan = [Job(shot.name, (shot.raw, shot.srgb), folder, settings) for shot in shots]
    workers = _Workers(n_jobs, time_limit, ShotFilter(camera))
    listed = {shot.name: shot for shot in shots}
    return _make(plan, earlier_pairs(folder, settings), workers, listed, n_test=n_test, random_state=random_state)


@dataclass(frozen=True)
class _Workers:
    """How the shots are worked on, and which of them; see `make_pairs`."""

    n_jobs: int | None
    time_limit: float
    takes: ShotFilter


def _settings(
    size: Size | None,
    register: bool,
    max_residual: float,
    min_overlap: float,
    white_balance: Sequence[float] | None,
    keep: tuple[float, float, float, float] = WHOLE,
) -> PairSettings:
    gains = None if white_balance is None else tuple(float(gain) for gain in white_balance)
    tolerances = Tolerances(max_residual, min_overlap)
    return PairSettings(None if size is None else check_size(size), register, tolerances, gains, keep)


def _make(
    plan: Sequence[Job],
    earlier: Mapping[str, EarlierPair],
    workers: _Workers,
    listed: Mapping[str, ListedShot] | None = None,
    *,
    n_test: int,
    random_state: int,
) -> PairsReport:
    """Make what of the plan is not done, and write the tables of all that is in the folder."""
    folder, names, shots = plan[0].output, {job.name for job in plan}, workers.takes
    others = [pair for name, pair in earlier.items() if name not in names]
    _check_settings(folder, others, plan[0])
    _check_replaced(folder, [job for job in plan if job.name not in earlier])
    _make_folders(folder)
    records = {job.name: done_already(job, earlier) for job in plan}
    todo = [job for job in plan if records[job.name] is None]
    results = run_jobs(
        partial(make_pair, shots=shots),
        todo,
        n_jobs=workers.n_jobs,
        time_limit=workers.time_limit,
        label="pairs",
        unit="shot",
        describe=_raw_of,
    )
    failed = dict(zip(results.failed, results.failures, strict=True))
    done = [job for index, job in enumerate(todo) if index not in failed]
    records |= {job.name: record for job, record in zip(done, results.results, strict=True)}
    made = [MadePair(pair.job, pair.record) for pair in others]
    made += [
        MadePair(job, record, (listed or {}).get(job.name))
        for job in plan
        if (record := records[job.name]) is not None and shots.takes(record.camera, record.style)
    ]
    if len(made) == len(others) and not failed:
        raise InputError(f"none of the {len(plan)} shots is of {shots}.")
    for note in dict.fromkeys(note for pair in made if not pair.record.reason for note in pair.record.notes):
        warnings.warn(note, InputWarning, stacklevel=3)
    failures = [(todo[index], failure) for index, failure in failed.items()]
    n_kept = len(plan) - len(todo) + len(others)
    return write_outputs(folder, made, failures, n_kept, n_test=n_test, random_state=random_state)


def _raw_of(job: Job) -> str:
    return str(job.files[0])


def _check_settings(folder: Path, others: Sequence[EarlierPair], job: Job) -> None:
    """Raise a `FileError` if pairs of other files were made with other settings: one table would mix them."""
    different = [pair.job.name for pair in others if pair.settings != job.settings_digest]
    if different:
        raise FileError(
            f"{folder}: holds {len(different)} pairs of other files that were made with other settings, such as "
            f"{different[0]}; make them all with the same settings, or give another folder."
        )


def _check_replaced(folder: Path, plan: Sequence[Job]) -> None:
    """Raise a `FileError` if files would be replaced that this function did not make."""
    outputs = [folder / image for job in plan for image in job.images.values()]
    sources = {path.resolve() for job in plan for path in job.files}
    foreign = [path for path in outputs if path.exists() and (path.resolve() in sources or not is_of_ispfit(path))]
    if not is_pairs_folder(folder):
        tables = ["pairs.csv", "rejected.csv", "contact.png"]
        foreign += [folder / name for name in tables if (folder / name).exists()] + sorted(folder.glob("pairs-*.csv"))
    refuse_to_replace(folder, [str(path.relative_to(folder)) for path in foreign], "pairs")


def _make_folders(folder: Path) -> None:
    """Make the folders, and clear them of the temporary files of a killed run."""
    try:
        for made in (folder / "raw", folder / "srgb", state_file(folder, "").parent):
            made.mkdir(parents=True, exist_ok=True)
            for leftover in made.glob(".ispfit-*"):
                leftover.unlink(missing_ok=True)
    except OSError as error:
        raise FileError(f"{folder}: cannot be written to: {error.strerror}.") from error
