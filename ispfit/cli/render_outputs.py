"""Where `ispfit render` and `ispfit derender` write to: a name for each output, and none that is not theirs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

from ispfit.cli.common import count

__all__ = ["Output", "OutputPlan", "plan_outputs"]

_NAMED = 5  # files that a message names


@dataclass(frozen=True)
class Output:
    """A file to read, and one to write.

    Parameters
    ----------
    source, target : the two files.
    recipe : what the target is made from, see `ispfit.io.recipe_id`.
    """

    source: Path
    target: Path
    recipe: str


@dataclass(frozen=True)
class OutputPlan:
    """What there is to do.

    Parameters
    ----------
    todo : outputs to make.
    kept : outputs that are there, made from the same file, model and options.
    replaced : those of `todo` that are there, made from other ones.
    failures : a sentence for each file that has no output of its own.
    """

    todo: list[Output] = field(default_factory=list)
    kept: list[Output] = field(default_factory=list)
    replaced: list[Output] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


def plan_outputs(
    files: Sequence[Path],
    suffixes: Iterable[str],
    output: Path,
    output_suffix: str,
    options: Sequence[object],
    *,
    match: str | None,
    overwrite: bool,
) -> OutputPlan:
    """Give each file its output, whose name depends on the file and the arguments alone.

    Parameters
    ----------
    files : files and folders that were named.
    suffixes : of the files to take from folders.
    output, output_suffix : folder and suffix of what is written.
    options : the state of the model and the options, as far as the pictures depend on them.
    match : take only files whose names match this pattern of a shell.
    overwrite : whether to make again what is there.

    Raises
    ------
    FileError
        If there are no files, or an output would replace a file that this command did not write.
    """
    from ispfit.errors import FileError
    from ispfit.io import recipe_id, recipe_of

    if output.exists() and not output.is_dir():
        raise FileError(f"{output}: expected a folder to write to, got a file.")
    plan, targets, foreign = OutputPlan(), dict[Path, Path](), list[Path]()
    named = list(_name_outputs(files, frozenset(suffixes), output, output_suffix, match))
    sources = {source.resolve() for source, _ in named}
    for source, target in named:
        if (other := targets.setdefault(target, source)) != source:
            plan.failures.append(f"{source}: its output {target} is that of {other}; give it another -o.")
            continue
        made = Output(source, target, recipe_id(_state(source), *options))
        found = recipe_of(target) if target.exists() else None
        if target.exists() and (found is None or target.resolve() in sources):
            foreign.append(target)
        elif found == made.recipe and not overwrite:
            plan.kept.append(made)
        else:
            plan.todo.append(made)
            plan.replaced.extend([made] if found else [])
    if foreign:
        names = ", ".join(map(str, foreign[:_NAMED])) + (", ..." if len(foreign) > _NAMED else "")
        raise FileError(
            f"{output}: {count(len(foreign), 'file')} would be replaced that this command did not write: {names}; give "
            "another -o."
        )
    if not targets:
        wanted = f" that match {match!r}" if match else ""
        raise FileError(
            f"{', '.join(map(str, files))}: no files to work on{wanted}; expected {', '.join(sorted(suffixes))}."
        )
    return plan


def _name_outputs(
    files: Sequence[Path], suffixes: frozenset[str], output: Path, output_suffix: str, match: str | None
) -> Iterator[tuple[Path, Path]]:
    """Yield each input file once, with its output, which keeps the folders below an argument.

    If several folders are named, the outputs of each lie in a folder of its name.
    """
    from ispfit.io import find_files

    folders = [argument for argument in files if argument.is_dir()]
    done: set[Path] = set()
    for argument in files:
        home = output / argument.resolve().name if argument.is_dir() and len(folders) > 1 else output
        top, wanted = _search_in(argument, suffixes)
        for path in find_files([top], wanted):
            if path.resolve() in done or not fnmatch(path.name, match or "*"):
                continue
            done.add(path.resolve())
            folder = home / path.parent.relative_to(top) if top.is_dir() else home
            yield path, folder / f"{path.stem}.{output_suffix}"


def _search_in(argument: Path, suffixes: frozenset[str]) -> tuple[Path, frozenset[str]]:
    """Return where to search and what for: of a folder that ``ispfit pairs`` made, the images of one side alone."""
    from ispfit.pairs import is_pairs_folder

    if not is_pairs_folder(argument):
        return argument, suffixes
    side, suffix = ("raw", ".tif") if ".dng" in suffixes else ("srgb", ".png")
    return argument / side, frozenset({suffix})


def _state(path: Path) -> str:
    """Return size and time of a file, which change with it; not its name, so that a folder can be moved."""
    status = path.stat()
    return f"{status.st_size} {status.st_mtime_ns}"
