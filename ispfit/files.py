"""Write files atomically, and identify the state of a file."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

from ispfit.errors import FileError, printable

__all__ = [
    "atomic_path",
    "claim_folder",
    "copy_time",
    "data_folder",
    "file_fingerprint",
    "hash_file",
    "make_folder",
    "printable_path",
    "refuse_to_replace",
]

_NAMED = 5  # files that a message names


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path that is renamed to `path` if the block succeeds and removed if it fails.

    The temporary file lies in the folder of `path`, is hidden (its name starts with ``.ispfit-``), has the suffix of
    `path`, and is flushed to the disk before it is renamed. At any moment, even after a power cut, `path` is either the
    old file or the new one.

    Parameters
    ----------
    path : the final name. Its folder must exist; an existing file is replaced.

    Raises
    ------
    FileError
        If the block or the renaming raises an `OSError`: no such folder, no permission, a full disk.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     with atomic_path(Path(folder, "note.txt")) as temporary:
    ...         _ = temporary.write_text("all of it or nothing")
    ...     print([file.name for file in Path(folder).iterdir()])
    ['note.txt']
    """
    final = Path(path)
    temporary = final.with_name(f".ispfit-{uuid4().hex}{final.suffix}")
    try:
        yield temporary
        _flush(temporary)
        temporary.replace(final)
    except FileError:
        raise
    except OSError as error:
        raise FileError(f"{final}: cannot be written: {_reason(error, final)}.") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _reason(error: OSError, path: Path) -> str:
    if not path.parent.is_dir():
        return f"there is no folder {path.parent}"
    return error.strerror or str(error).rstrip(".")


def file_fingerprint(path: Path) -> str:
    """Return resolved path, size and modification time of a file as one string, which changes with the file.

    Raises
    ------
    FileError
        If the file cannot be read.
    """
    try:
        status = path.stat()
    except OSError as error:
        reason = "a symbolic link to nothing" if path.is_symlink() else error.strerror
        raise FileError(f"{path}: cannot be read: {reason}.") from error
    return f"{path.resolve()} {status.st_size} {status.st_mtime_ns}"


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal digits.

    Raises
    ------
    FileError
        If the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {error.strerror}.") from error


def data_folder() -> Path:
    """Return the folder with the data about data sets and cameras: ``datasets`` at the top of the repository.

    In an installed distribution it lies within the package.
    """
    installed = Path(__file__).parent / "_data"
    return installed if installed.is_dir() else Path(__file__).parents[1] / "datasets"


def copy_time(source: Path, target: Path) -> None:
    """Give a file the time of another, by which photo libraries sort; where that is not possible, it stays."""
    with suppress(OSError):
        status = source.stat()
        os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))


@contextmanager
def printable_path(path: Path) -> Iterator[Path]:
    """Yield a path to a file for a library that takes UTF-8 only, or writes the path to the terminal.

    It is a symbolic link in a temporary folder if the name is not UTF-8 or holds control characters; else `path`.
    """
    if printable(str(path)) == str(path):
        yield path
        return
    with TemporaryDirectory(prefix="ispfit-") as folder:
        link = Path(folder, f"file{printable(path.suffix)}")
        link.symlink_to(path.resolve())
        yield link


def make_folder(folder: Path) -> Path:
    """Make a folder and those above it, unless they exist, and return it.

    Raises
    ------
    FileError
        If it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"{folder}: the folder cannot be made: {error.strerror}.") from error
    return folder


def refuse_to_replace(folder: Path, foreign: Sequence[str], command: str) -> None:
    """Raise a `FileError` that names files which a command did not make and would replace, if there are any.

    Parameters
    ----------
    folder : the folder that the command writes to.
    foreign : names of the files in it.
    command : such as "pairs".
    """
    if foreign:
        names = ", ".join(foreign[:_NAMED]) + (", ..." if len(foreign) > _NAMED else "")
        raise FileError(
            f"{folder}: holds files that ispfit {command} did not make and would replace: {names}; give another folder."
        )


def claim_folder(folder: Path, names: Iterable[str], command: str) -> None:
    """Make the folder that a command writes to, and mark it as made by that command.

    Parameters
    ----------
    folder : the folder.
    names : files and folders in it that the command writes.
    command : such as "compare".

    Raises
    ------
    FileError
        If the folder holds some of `names` and the command did not make it, or if it cannot be made.
    """
    mark = folder / f".ispfit-made-by-{command}"
    if not mark.exists():
        foreign = [name for name in names if (folder / name).exists()]
        refuse_to_replace(folder, foreign, command)
        make_folder(folder)
        with atomic_path(mark) as temporary:
            temporary.touch()
