"""Ask servers which files a data set has."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from ispfit.datasets.recipe import Checksums, GoogleStorage, HuggingFace, Listing, UrlTable, safe_path
from ispfit.datasets.transfer import RemoteFile, read_page, read_text
from ispfit.errors import FileError

__all__ = ["list_files"]


def list_files(listing: Listing, source: Path | None = None) -> list[RemoteFile]:
    """Return the files that a listing names and its recipe keeps.

    Parameters
    ----------
    source : folder with the tables that the user has got by hand.

    Raises
    ------
    FileError
        If the server does not answer, or answers something else than such a listing.
    """
    where = _where(listing, source)
    try:
        if isinstance(listing, UrlTable):
            assert source is not None  # a recipe with such a table has no other way
            files = list(_table(listing, source / listing.name))
        else:
            files = list(_LISTERS[type(listing)](listing))
    except OSError as error:
        if isinstance(error, FileError):
            raise
        raise FileError(f"{where}: cannot be read: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError, AttributeError, csv.Error) as error:
        raise FileError(
            f"{_where(listing, source)}: expected a list of files, got another thing: {error!r}."
        ) from error
    if not files:
        raise FileError(
            f"{_where(listing, source)}: lists no file that the recipe keeps; the set has moved or changed."
        )
    return files


def _where(listing: Listing, source: Path | None) -> str:
    if isinstance(listing, UrlTable):
        return str((source or Path()) / listing.name)
    return f"{listing.url} ({getattr(listing, 'bucket', '') or getattr(listing, 'repository', '') or listing.kind})"


def _google_storage(listing: GoogleStorage) -> Iterator[RemoteFile]:
    """The objects of a bucket, page by page (the JSON API of Cloud Storage)."""
    page = ""
    while True:
        fields = "nextPageToken,items(name,size,md5Hash)"
        query = {"prefix": listing.prefix, "fields": fields} | ({"pageToken": page} if page else {})
        answer = json.loads(read_text(f"{listing.url}/storage/v1/b/{listing.bucket}/o?{urlencode(query)}"))
        for item in answer.get("items", []):
            if re.search(listing.keep, item["name"]) and not item["name"].endswith("/"):
                md5 = base64.b64decode(item["md5Hash"]).hex() if "md5Hash" in item else None
                url = f"{listing.url}/{listing.bucket}/{quote(item['name'])}"
                yield RemoteFile(url, safe_path(item["name"]), int(item["size"]), md5 and f"md5:{md5}")
        page = answer.get("nextPageToken", "")
        if not page:
            return


def _huggingface(listing: HuggingFace) -> Iterator[RemoteFile]:
    """The files of a repository, page by page; the SHA-256 of large files is their identity in Git LFS."""
    root = f"{listing.url}/api/datasets/{listing.repository}/tree/{quote(listing.revision, safe='')}"
    url: str | None = f"{root}?recursive=true"
    while url:
        text, url = read_page(url)
        for item in json.loads(text):
            if item["type"] != "file" or not re.search(listing.keep, item["path"]):
                continue
            large: Mapping[str, Any] = item.get("lfs") or {}
            digest = large.get("oid", "")
            place = f"{listing.url}/datasets/{listing.repository}/resolve/{listing.revision}/{quote(item['path'])}"
            yield RemoteFile(
                place,
                safe_path(item["path"]),
                int(large.get("size", item["size"])),
                f"sha256:{digest}" if re.fullmatch(r"[0-9a-f]{64}", digest) else None,
            )


def _checksums(listing: Checksums) -> Iterator[RemoteFile]:
    """The files of a list that ``sha256sum`` wrote: a hash, two characters, a path."""
    for line in read_text(listing.url).splitlines():
        found = re.fullmatch(r"([0-9a-f]{64}) [ *](?:\./)?(.+)", line)
        if found and re.search(listing.keep, found[2]):
            url = f"{listing.base.rstrip('/')}/{quote(found[2])}"
            yield RemoteFile(url, safe_path(found[2]), None, f"sha256:{found[1]}")


def _table(listing: UrlTable, path: Path) -> Iterator[RemoteFile]:
    """The files whose URLs are in a column of a table, with the hosts that have moved replaced."""
    rows = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline=""))
    if listing.column not in (rows.fieldnames or []):
        raise ValueError(f"no column {listing.column!r}, but {', '.join(rows.fieldnames or [])}")
    for row in rows:
        url = row[listing.column].strip()
        for old, new in listing.replace.items():
            url = url.replace(old, new)
        if url:
            name = urlsplit(url).path.rpartition("/")[2]
            yield RemoteFile(url, safe_path(f"{listing.folder}/{name}" if listing.folder else name))


_LISTERS: dict[type, Any] = {
    GoogleStorage: _google_storage,
    HuggingFace: _huggingface,
    Checksums: _checksums,
}
