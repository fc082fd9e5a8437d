"""Take files out of archives, on the disk or on a server. An archive is untrusted input.

Only files that are asked for leave it, and only into the folder of the data set: no path that leads out, no link, no
member that unpacks to many times its size.
"""

from __future__ import annotations

import re
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import requests
from remotezip import RemoteZip, RemoteZipError
from tqdm import tqdm

from ispfit.datasets.recipe import Archive, safe_path
from ispfit.datasets.transfer import RemoteFile, check_space, get
from ispfit.errors import FileError
from ispfit.files import atomic_path, make_folder

__all__ = ["fetch_members", "remote_members", "stream_tar", "unpack"]

_BOMB_RATIO, _BOMB_BYTES = 200, 50 << 20  # no image packs better than this, above this size
_PIECE = 1 << 20


def unpack(archive: Archive, path: Path, folder: Path) -> list[Path]:
    """Unpack the members that a recipe keeps from an archive on the disk; those that are there already stay.

    Raises
    ------
    FileError
        If the archive is damaged or hostile, or the disk is full.
    """
    with _reading(path), _open(archive, path) as members:
        wanted = [member for member in members.list() if re.search(archive.keep, member.path)]
        if not wanted:
            raise FileError(f"{path}: holds no file that matches {archive.keep!r}; the data set has changed.")
        todo = [member for member in wanted if not _is_there(folder / member.path, member.size)]
        check_space(folder, sum(member.size for member in todo))
        for member in tqdm(todo, desc=f"unpacking {path.name}", unit="file", disable=None, leave=False):
            with members.open(member.name) as source:
                _write(source, folder / member.path, member.size, f"{path}: {member.name}")
    return [folder / member.path for member in wanted]


def remote_members(archive: Archive) -> list[RemoteFile]:
    """List the members of a remote ZIP archive that a recipe keeps, by reading the end of the archive alone."""
    with _remote(archive.url) as file:
        found = [_checked(archive.url, info) for info in file.infolist() if not info.is_dir()]
    if archive.size is not None:
        _check_remote_size(archive)
    return [
        RemoteFile(archive.url, member.path, member.size, None, member.name)
        for member in found
        if re.search(archive.keep, member.path)
    ]


def fetch_members(files: Iterable[RemoteFile], folder: Path) -> list[Path]:
    """Fetch members of remote ZIP archives by range requests; those that are there already stay."""
    by_archive: dict[str, list[RemoteFile]] = {}
    for file in files:
        by_archive.setdefault(file.url, []).append(file)
    paths = []
    for url, members in by_archive.items():
        paths += [folder / member.path for member in members]
        todo = [member for member in members if not _is_there(folder / member.path, member.size or -1)]
        if not todo:
            continue
        total = sum(member.size or 0 for member in todo)
        with (
            _remote(url) as archive,
            tqdm(desc="fetching", total=total, unit="B", unit_scale=True, disable=None, leave=False) as bar,
        ):
            for member in todo:
                with archive.open(member.member or member.path) as source:
                    _write(source, folder / member.path, member.size or 0, f"{url}: {member.member}")
                bar.update(member.size or 0)
    return paths


def stream_tar(archive: Archive, folder: Path, is_enough: Callable[[list[str]], bool]) -> list[Path]:
    """Unpack members of a remote TAR archive as it comes in, until `is_enough` says so of their paths.

    The rest is not fetched. So the hash of the archive cannot be checked.
    """
    kept: list[str] = []
    url = archive.url
    with _reading(url), get(url) as answer:
        answer.raise_for_status()
        with tarfile.open(fileobj=answer.raw, mode="r|*") as file:
            for info in file:
                if not info.isfile() or not re.search(archive.keep, info.name.removeprefix("./")):
                    continue
                member = _checked_tar(url, info)
                if not _is_there(folder / member.path, member.size):
                    check_space(folder, member.size)
                    source = file.extractfile(info)
                    assert source is not None  # of a regular file
                    _write(source, folder / member.path, member.size, f"{url}: {member.name}")
                kept.append(member.path)
                if is_enough(kept):
                    break
    return [folder / path for path in kept]


class _Member:
    """A file in an archive: its name there, the safe path it goes to, and its size in bytes."""

    def __init__(self, name: str, path: str, size: int) -> None:
        self.name, self.path, self.size = name, path, size


class _Zip:
    def __init__(self, path: Path, file: zipfile.ZipFile) -> None:
        self._path, self._file = path, file

    def list(self) -> list[_Member]:
        return [_checked(str(self._path), info) for info in self._file.infolist() if not info.is_dir()]

    def open(self, name: str) -> Any:
        return self._file.open(name)


class _Tar:
    def __init__(self, path: Path, file: tarfile.TarFile) -> None:
        self._path, self._file = path, file

    def list(self) -> list[_Member]:
        found = [_checked_tar(str(self._path), info) for info in self._file if not info.isdir()]
        packed = self._path.stat().st_size
        if (total := sum(member.size for member in found)) > max(_BOMB_BYTES, _BOMB_RATIO * packed):
            raise FileError(f"{self._path}: would unpack to {total / 1e9:.1f} GB, {total // packed} times its size.")
        return found

    def open(self, name: str) -> Any:
        return self._file.extractfile(name)


@contextmanager
def _open(archive: Archive, path: Path) -> Iterator[_Zip | _Tar]:
    if archive.kind == "zip":
        with zipfile.ZipFile(path) as packed:
            yield _Zip(path, packed)
    else:
        with tarfile.open(path) as file:
            yield _Tar(path, file)


@contextmanager
def _remote(url: str) -> Iterator[zipfile.ZipFile]:
    with _reading(url):
        try:
            with RemoteZip(url, headers={"User-Agent": "ispfit"}, support_suffix_range=False) as file:
                yield file
        except RemoteZipError as error:
            raise FileError(f"{url}: parts of it cannot be read by range requests: {error}.") from error


@contextmanager
def _reading(where: Path | str) -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, NotImplementedError, RuntimeError) as error:
        raise FileError(f"{where}: cannot be unpacked: {error}; it is damaged, or no such archive.") from error
    except requests.RequestException as error:
        raise FileError(f"{where}: cannot be fetched: {error}.") from error


def _checked(where: str, info: zipfile.ZipInfo) -> _Member:
    """A member of a ZIP archive, or a `FileError` if it is hostile."""
    if stat.S_ISLNK(info.external_attr >> 16):
        raise FileError(f"{where}: holds the link {info.filename!r}; archives with links are not unpacked.")
    if info.file_size > max(_BOMB_BYTES, _BOMB_RATIO * info.compress_size):
        raise FileError(
            f"{where}: {info.filename!r} would unpack to {info.file_size / 1e9:.1f} GB from "
            f"{info.compress_size / 1e6:.1f} MB; nothing was unpacked."
        )
    return _Member(info.filename, _safe(where, info.filename), info.file_size)


def _checked_tar(where: str, info: tarfile.TarInfo) -> _Member:
    """A member of a TAR archive, or a `FileError` if it is hostile."""
    if not info.isfile():
        raise FileError(f"{where}: holds {info.name!r}, a link or a device; such archives are not unpacked.")
    return _Member(info.name, _safe(where, info.name.removeprefix("./")), info.size)


def _safe(where: str, name: str) -> str:
    try:
        return safe_path(name)
    except ValueError as error:
        raise FileError(f"{where}: {error}; such archives are not unpacked.") from error


def _check_remote_size(archive: Archive) -> None:
    with _reading(archive.url):
        length = requests.head(archive.url, timeout=60, allow_redirects=True).headers.get("Content-Length")
    if length is not None and int(length) != archive.size:
        raise FileError(
            f"{archive.url}: has {length} bytes, and {archive.size} were expected; the file has changed, or this is "
            f"another one."
        )


def _is_there(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size


def _write(source: IO[bytes], target: Path, size: int, what: str) -> None:
    """Write a member, not a byte more than it was said to have."""
    make_folder(target.parent)
    with atomic_path(target) as temporary, temporary.open("wb") as file:
        while piece := source.read(_PIECE):
            file.write(piece)
            if file.tell() > size:
                raise FileError(f"{what}: unpacks to more than it says; it is damaged or hostile.")
        if file.tell() < size:
            raise FileError(f"{what}: was cut short: {file.tell()} of {size} bytes.")
