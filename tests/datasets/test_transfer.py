"""Downloads: resumed, retried, checked, and never half-written under their names."""

from __future__ import annotations

import hashlib
import io
import stat
import tarfile
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from dataset_server import Server

from ispfit.datasets import transfer
from ispfit.datasets.archives import fetch_members, remote_members, stream_tar, unpack
from ispfit.datasets.listings import list_files
from ispfit.datasets.recipe import Archive, Checksums, GoogleStorage, HuggingFace
from ispfit.datasets.transfer import RemoteFile, check_space, fetch_file, fetch_files, read_text
from ispfit.errors import FileError

CONTENT = bytes(range(256)) * 4000
URL = "https://host.example/folder/photo.dng"
PATH = "/host.example/folder/photo.dng"


def sha256(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@pytest.fixture
def photo(server: Server) -> RemoteFile:
    server.put(URL, CONTENT)
    return RemoteFile(server.here(URL), "raw/photo.dng", len(CONTENT), sha256(CONTENT))


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_a_file_is_fetched_once(photo: RemoteFile, server: Server, tmp_path: Path) -> None:
    [path] = fetch_files([photo], tmp_path, "fetching")
    assert path.read_bytes() == CONTENT
    assert names(tmp_path) == {"raw/photo.dng"}
    fetch_file(photo, tmp_path)
    assert len(server.requests) == 1


def test_a_broken_connection_is_resumed(photo: RemoteFile, server: Server, tmp_path: Path) -> None:
    server.cut[PATH] = [300_000, 200_000]
    assert fetch_file(photo, tmp_path).read_bytes() == CONTENT
    assert [wanted for _, wanted in server.requests] == ["", "bytes=262144-", "bytes=458752-"]
    assert names(tmp_path) == {"raw/photo.dng"}


def test_a_download_that_was_stopped_goes_on_the_next_time(photo: RemoteFile, server: Server, tmp_path: Path) -> None:
    server.cut[PATH] = [300_000] + [0] * 8
    with pytest.raises(FileError, match=r"photo.dng: (was cut short 5 times|the connection failed 5 times)"):
        fetch_file(photo, tmp_path)
    assert names(tmp_path) == {"raw/.photo.dng.part", "raw/.photo.dng.etag"}
    server.cut.clear()
    assert fetch_file(photo, tmp_path).read_bytes() == CONTENT
    assert server.requests[-1][1] == "bytes=262144-"
    assert names(tmp_path) == {"raw/photo.dng"}


def test_a_file_that_changed_meanwhile_is_begun_anew(photo: RemoteFile, server: Server, tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw/.photo.dng.part").write_bytes(b"of another version")
    (tmp_path / "raw/.photo.dng.etag").write_text('"older"')
    server.ranges = False  # what a server does if the mark is of another version
    assert fetch_file(photo, tmp_path).read_bytes() == CONTENT


def test_a_busy_server_is_asked_again(photo: RemoteFile, server: Server, tmp_path: Path) -> None:
    server.statuses[PATH] = [503, 429]
    assert fetch_file(photo, tmp_path).read_bytes() == CONTENT
    assert len(server.requests) == 3


def test_another_hash_keeps_nothing(photo: RemoteFile, server: Server, tmp_path: Path) -> None:
    wrong = RemoteFile(photo.url, photo.path, None, sha256(b"another"))
    with pytest.raises(FileError, match=r"photo.dng: what came has another SHA256 than the recipe says \([0-9a-f]{64}"):
        fetch_file(wrong, tmp_path)
    assert names(tmp_path) == set()


def test_another_size_keeps_nothing(photo: RemoteFile, server: Server, tmp_path: Path) -> None:
    wrong = RemoteFile(photo.url, photo.path, 12)
    with pytest.raises(FileError, match=r"photo.dng: has 1024000 bytes, and 12 were expected"):
        fetch_file(wrong, tmp_path)
    assert names(tmp_path) == set()


@pytest.mark.parametrize("says_so", [True, False])
def test_a_web_page_is_no_photograph(photo: RemoteFile, server: Server, tmp_path: Path, says_so: bool) -> None:
    server.put(URL, b"\n<!DOCTYPE html><html>Please log in</html>")
    server.types[PATH] = "text/html; charset=utf-8" if says_so else "application/octet-stream"
    with pytest.raises(FileError, match=r"photo.dng: expected photo.dng, got a web page: .* need a login"):
        fetch_file(RemoteFile(photo.url, photo.path), tmp_path)
    assert names(tmp_path) == set()


def test_a_missing_file_is_told_at_once(server: Server, tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"none.dng: there is no such file \(HTTP 404\); the data set may have moved"):
        fetch_file(RemoteFile(server.here("https://host.example/none.dng"), "none.dng"), tmp_path)
    assert len(server.requests) == 1


def test_no_server_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISPFIT_RETRY_SECONDS", "0")
    with pytest.raises(FileError, match=r"the connection failed 5 times"):
        fetch_file(RemoteFile("http://127.0.0.1:9/x", "x"), tmp_path)
    with pytest.raises(FileError, match=r"cannot be read after 5 tries"):
        read_text("http://127.0.0.1:9/x")


def test_a_full_disk_is_told_before_anything_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer.shutil, "disk_usage", lambda path: SimpleNamespace(free=2_000_000_000))
    check_space(tmp_path / "new/folder", 1_900_000_000)
    with pytest.raises(FileError, match=r"1.95 GB are needed and 2.00 GB are free; .* or fetch fewer shots"):
        check_space(tmp_path / "new/folder", 1_950_000_000)


@pytest.mark.parametrize(
    ("listing", "answer"),
    [
        (GoogleStorage(kind="google-storage", bucket="b"), b"[]"),
        (GoogleStorage(kind="google-storage", bucket="b"), b'{"items": [{"name": "a"}]}'),
        (GoogleStorage(kind="google-storage", bucket="b"), b"not json"),
        (HuggingFace(kind="huggingface", repository="a/b"), b'{"error": "gated"}'),
        (HuggingFace(kind="huggingface", repository="a/b"), b'[{"type": "file", "path": "../../x", "size": 1}]'),
        (Checksums(kind="checksums", url="http://x/sums", base="http://x"), b"no sums\n"),
    ],
)
def test_another_thing_than_a_list_is_told(listing: object, answer: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    page = lambda url: (answer.decode(), None)  # noqa: E731
    monkeypatch.setattr("ispfit.datasets.listings.read_text", lambda url: page(url)[0])
    monkeypatch.setattr("ispfit.datasets.listings.read_page", page)
    with pytest.raises(FileError, match=r"expected a list of files, got another thing|lists no file that the recipe"):
        list_files(listing)  # type: ignore[arg-type]


# Archives


def zip_with(*members: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue()


def tar_with(*members: tarfile.TarInfo) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for info in members:
            archive.addfile(info, io.BytesIO(b"x" * info.size))
    return buffer.getvalue()


def link(name: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, "/etc/passwd"
    return info


def entry(name: str, size: int = 3) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size = size
    return info


def zip_link() -> bytes:
    info = zipfile.ZipInfo("photo.dng")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return zip_with((info, b"/etc/passwd"))


HOSTILE = {
    "zip, path": ("zip", zip_with(("../../evil.dng", b"x")), r"expected a path within .* got '../../evil.dng'"),
    "zip, root": ("zip", zip_with(("/tmp/evil.dng", b"x")), r"expected a path within .* got '/tmp/evil.dng'"),
    "zip, link": ("zip", zip_link(), r"holds the link 'photo.dng'"),
    "zip, bomb": ("zip", zip_with(("big.dng", bytes(60 << 20))), r"'big.dng' would unpack to 0.1 GB from 0.1 MB"),
    "tar, path": ("tar", tar_with(entry("a/../../evil.dng")), r"expected a path within .* got 'a/../../evil.dng'"),
    "tar, link": ("tar", tar_with(link("photo.dng")), r"holds 'photo.dng', a link or a device"),
    "tar, hard link": ("tar", tar_with(link("photo.dng", tarfile.LNKTYPE)), r"holds 'photo.dng', a link or a device"),
    "tar, device": ("tar", tar_with(link("photo.dng", tarfile.CHRTYPE)), r"holds 'photo.dng', a link or a device"),
    "no zip": ("zip", b"PK but no archive", r"cannot be unpacked: .* it is damaged, or no such archive"),
    "no tar": ("tar", b"no archive" * 100, r"archive.tar: cannot be unpacked: file could not be opened"),
}


@pytest.mark.parametrize(("kind", "content", "message"), HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_archive_gets_nowhere(kind: str, content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "set" / f"archive.{kind}"
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(FileError, match=message):
        unpack(Archive(url="http://x/a", kind=kind, keep=""), path, tmp_path / "set" / "files")  # type: ignore[arg-type]
    assert names(tmp_path) == {f"set/archive.{kind}"}


def test_a_hostile_remote_archive_gets_nowhere(server: Server, tmp_path: Path) -> None:
    server.put("http://x.example/a.zip", zip_with(("../evil.dng", b"x")))
    server.put("http://x.example/a.tar", tar_with(link("evil.dng"), entry("../evil.dng")))
    remote = Archive(url=server.here("http://x.example/a.zip"), kind="zip", ranged=True)
    with pytest.raises(FileError, match="expected a path within"):
        remote_members(remote)
    streamed = Archive(url=server.here("http://x.example/a.tar"), kind="tar")
    with pytest.raises(FileError, match="expected a path within"):
        stream_tar(streamed, tmp_path / "files", lambda paths: False)
    assert names(tmp_path) == set()


def test_a_damaged_member_keeps_nothing(server: Server, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("photo.dng", CONTENT)
    damaged = buffer.getvalue().replace(CONTENT[:512], bytes(512), 1)
    server.put("http://x.example/a.zip", damaged)
    remote = Archive(url=server.here("http://x.example/a.zip"), kind="zip", ranged=True)
    with pytest.raises(FileError, match=r"a.zip: cannot be unpacked: Bad CRC-32 for file 'photo.dng'"):
        fetch_members(remote_members(remote), tmp_path)
    assert names(tmp_path) == set()


def test_a_server_without_ranges_is_told(server: Server) -> None:
    server.put("http://x.example/a.zip", zip_with(("photo.dng", CONTENT)))
    server.ranges = False
    remote = Archive(url=server.here("http://x.example/a.zip"), kind="zip", ranged=True)
    with pytest.raises(FileError, match=r"a.zip: parts of it cannot be read by range requests"):
        remote_members(remote)


def test_an_archive_that_changed_is_told(server: Server) -> None:
    server.put("http://x.example/a.zip", zip_with(("photo.dng", CONTENT)))
    remote = Archive(url=server.here("http://x.example/a.zip"), kind="zip", ranged=True, size=99)
    with pytest.raises(FileError, match=r"a.zip: has \d+ bytes, and 99 were expected"):
        remote_members(remote)


def test_an_archive_without_what_is_kept_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(zip_with(("other.txt", b"x")))
    with pytest.raises(FileError, match=r"holds no file that matches 'dng\$'; the data set has changed"):
        unpack(Archive(url="http://x/a", kind="zip", keep="dng$"), path, tmp_path)
