"""Fetch files over the network: resumed, retried, checked, never half-written under their names."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pooch
import requests
from tqdm import tqdm

from ispfit.errors import FileError
from ispfit.files import make_folder

__all__ = ["RemoteFile", "check_space", "fetch_file", "fetch_files", "get", "read_page", "read_text"]

_TRIES = 5
_TIMEOUT_SECONDS = (15, 60)  # to connect, and between two pieces of an answer
_PIECE = 1 << 16  # bytes; of a piece that is cut off nothing is kept
_SPARE = 1.05  # bytes that must be free for each byte that is fetched
_TRANSIENT = {408, 425, 429, 500, 502, 503, 504}
_LONGEST_TEXT = 256 << 20  # bytes of a list of files


@dataclass(frozen=True)
class RemoteFile:
    """A file that can be fetched.

    Parameters
    ----------
    url : where it is; of a member of a remote archive, the archive.
    path : where it goes, relative to the folder of the data set.
    size, hash : bytes, and such as "sha256:...", where known.
    member : its name in a remote ZIP archive.
    """

    url: str
    path: str
    size: int | None = None
    hash: str | None = None
    member: str | None = None


def check_space(folder: Path, needed: int) -> None:
    """Raise a `FileError` if the disk of a folder, which need not exist yet, has not `needed` bytes free."""
    there = next(each for each in [folder.absolute(), *folder.absolute().parents] if each.exists())
    free = shutil.disk_usage(there).free
    if free < needed * _SPARE:
        raise FileError(
            f"{folder}: {needed / 1e9:.2f} GB are needed and {free / 1e9:.2f} GB are free; free some space, give "
            f"another folder, or fetch fewer shots."
        )


def fetch_files(files: Sequence[RemoteFile], folder: Path, label: str) -> list[Path]:
    """Fetch files that are not there yet, with one bar for all of them."""
    sizes = [file.size for file in files]
    total = None if None in sizes else sum(size or 0 for size in sizes)
    with tqdm(desc=label, total=total, unit="B", unit_scale=True, unit_divisor=1000, disable=None, leave=False) as bar:
        return [fetch_file(file, folder, bar) for file in files]


def fetch_file(file: RemoteFile, folder: Path, bar: Any = None) -> Path:
    """Fetch a file, unless it is there with the right hash or, if no hash is known, with the right size.

    What was fetched of a file when the connection broke, or the program ended, is kept as ``.NAME.part`` and continued.

    Raises
    ------
    FileError
        If the server does not answer or has no such file, if what came is a web page or has another size or hash than
        the recipe says, or if the file cannot be written.
    """
    target = folder / file.path
    make_folder(target.parent)
    if file.hash is None and file.size is not None and target.exists() and target.stat().st_size != file.size:
        target.unlink()
    pooch.get_logger().setLevel("ERROR")
    try:
        found = pooch.retrieve(
            file.url, file.hash, fname=target.name, path=target.parent, downloader=_Downloader(file, target, bar)
        )
    except ValueError as error:  # pooch's, about the hash
        raise FileError(
            f"{file.url}: what came has another {str(file.hash).partition(':')[0].upper()} than the recipe says "
            f"({str(file.hash).partition(':')[2]}): the download is damaged, or the file has changed; nothing was kept."
        ) from error
    except OSError as error:
        if isinstance(error, FileError):
            raise
        raise FileError(f"{target}: cannot be written: {error.strerror or error}.") from error
    return Path(found)


class _Downloader:
    """pooch's downloader, which resumes and retries."""

    def __init__(self, file: RemoteFile, target: Path, bar: Any) -> None:
        self._file, self._bar = file, bar
        self._part = target.with_name(f".{target.name}.part")
        self._mark = target.with_name(f".{target.name}.etag")

    def __call__(self, url: str, output_file: str, _: Any) -> None:
        if not url.startswith("http"):
            pooch.choose_downloader(url)(url, output_file, _)
            return
        for number in range(_TRIES):
            try:
                if self._receive(url):
                    break
            except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
                if number == _TRIES - 1:
                    raise FileError(f"{url}: the connection failed {_TRIES} times: {error}.") from error
            time.sleep(_pause(number))
        else:
            raise FileError(f"{url}: was cut short {_TRIES} times; what came is kept, so try again later.")
        try:
            self._check()
        except FileError:
            self._part.unlink()
            raise
        finally:
            self._mark.unlink(missing_ok=True)
        self._part.replace(output_file)

    def _receive(self, url: str) -> bool:
        """Add to the partial file what is missing, and return whether that was all."""
        start = self._part.stat().st_size if self._part.exists() else 0
        with get(url, headers=self._resume_from(start)) as answer:
            if answer.status_code == 416:  # the partial file is longer than the file
                self._part.unlink(missing_ok=True)
                return False
            if answer.status_code in _TRANSIENT:
                return False
            _check_answer(answer, self._file.path)
            if answer.status_code != 206:
                start = 0
            length = answer.headers.get("Content-Length")
            expected = None if length is None else start + int(length)
            if self._file.size is not None and expected not in (None, self._file.size):
                raise FileError(
                    f"{url}: has {expected} bytes, and {self._file.size} were expected; the file has changed, or this "
                    f"is another one."
                )
            self._remember(answer)
            with self._part.open("ab" if start else "wb") as part:
                for piece in answer.iter_content(_PIECE):
                    part.write(piece)
                    if self._bar is not None:
                        self._bar.update(len(piece))
        return expected is None or self._part.stat().st_size >= expected

    def _resume_from(self, start: int) -> dict[str, str]:
        """Headers that ask for the rest of the same version of the file."""
        if not start or not self._mark.exists():
            return {}
        return {"Range": f"bytes={start}-", "If-Range": self._mark.read_text(encoding="latin-1")}

    def _remember(self, answer: requests.Response) -> None:
        """Keep the mark of this version of the file, without which it cannot be resumed."""
        mark = answer.headers.get("ETag", "")
        mark = mark if mark and not mark.startswith("W/") else answer.headers.get("Last-Modified", "")
        if mark:
            self._mark.write_text(mark, encoding="latin-1")
        else:
            self._mark.unlink(missing_ok=True)

    def _check(self) -> None:
        with self._part.open("rb") as file:
            head = file.read(512).lstrip().lower()
        if head.startswith((b"<!doctype html", b"<html")) and not self._file.path.lower().endswith((".html", ".htm")):
            raise FileError(_web_page(self._file.url, self._file.path))


def get(url: str, **options: Any) -> requests.Response:
    """Ask a server for a URL; the answer's body is read as it is used, and is not decompressed."""
    headers = {"Accept-Encoding": "identity", "User-Agent": "ispfit"} | options.pop("headers", {})
    return requests.get(url, stream=True, timeout=_TIMEOUT_SECONDS, headers=headers, **options)


def _check_answer(answer: requests.Response, path: str) -> None:
    if answer.status_code >= 400:
        what = "there is no such file" if answer.status_code in (404, 410) else f"the server answers {answer.reason!r}"
        raise FileError(f"{answer.url}: {what} (HTTP {answer.status_code}); the data set may have moved.")
    is_page = answer.headers.get("Content-Type", "").startswith("text/html")
    if is_page and not path.lower().endswith((".html", ".htm")):
        raise FileError(_web_page(answer.url, path))


def _web_page(url: str, path: str) -> str:
    return (
        f"{url}: expected {PurePosixPath(path).name}, got a web page: the file may have moved, or need a login; "
        f"nothing was kept."
    )


def read_text(url: str) -> str:
    """Return a text from a server, such as a list of files; see `read_page`."""
    return read_page(url)[0]


def read_page(url: str) -> tuple[str, str | None]:
    """Return a text from a server, retried as files are, and the URL of its next page, if the server names one.

    Raises
    ------
    FileError
        As `fetch_file`, or if the text is longer than 256 MB.
    """
    reason = ""
    for number in range(_TRIES):
        try:
            with get(url) as answer:
                if answer.status_code not in _TRANSIENT:
                    _check_answer(answer, url)
                    return _text(answer), answer.links.get("next", {}).get("url")
                reason = f"the server answers {answer.reason!r} (HTTP {answer.status_code})"
        except requests.RequestException as error:
            reason = str(error)
        time.sleep(_pause(number))
    raise FileError(f"{url}: cannot be read after {_TRIES} tries: {reason}.")


def _text(answer: requests.Response) -> str:
    pieces, length = [], 0
    for piece in answer.iter_content(_PIECE):
        pieces.append(piece)
        length += len(piece)
        if length > _LONGEST_TEXT:
            raise FileError(f"{answer.url}: expected a list of files, got more than {_LONGEST_TEXT >> 20} MB.")
    with suppress(UnicodeDecodeError):
        return b"".join(pieces).decode("utf-8-sig")
    return b"".join(pieces).decode("latin-1")


def _pause(number: int) -> float:
    """Seconds before the next try."""
    return float(os.environ.get("ISPFIT_RETRY_SECONDS", "1")) * float(2**number)
