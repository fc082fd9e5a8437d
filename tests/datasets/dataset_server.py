"""A server of files on this machine, with range requests, which stands for the hosts of data sets."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

__all__ = ["Server", "serve"]

Answer = Callable[[str], bytes]


@dataclass
class Server:
    """What the server has, and what it was asked for.

    Parameters
    ----------
    url : its address.
    files : content by path, such as "/host/folder/file.png".
    answers : functions that make an answer of the query, by path.
    types : content types other than octet-stream, by path.
    cut : number of bytes after which an answer breaks off, by path, used up one by one.
    statuses : HTTP statuses to answer first, by path, used up one by one.
    ranges : False does not support range requests.
    requests : (path, range) of each GET.
    """

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    answers: dict[str, Answer] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    cut: dict[str, list[int]] = field(default_factory=dict)
    statuses: dict[str, list[int]] = field(default_factory=dict)
    ranges: bool = True
    requests: list[tuple[str, str]] = field(default_factory=list)

    def here(self, url: str) -> str:
        """The address on this server that stands for a URL: the host becomes a folder."""
        parts = urlsplit(url)
        query = f"?{parts.query}" if parts.query else ""
        return f"{self.url}/{parts.netloc}{parts.path}{query}"

    def put(self, url: str, content: bytes) -> None:
        """Serve a file for a URL."""
        parts = urlsplit(url)
        self.files[f"/{parts.netloc}{unquote(parts.path)}"] = content


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    site: Server

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def _answer(self, with_body: bool) -> None:
        site, parts = self.site, urlsplit(self.path)
        path = unquote(parts.path)
        wanted = self.headers.get("Range", "")
        if with_body:
            site.requests.append((path, wanted))
        if site.statuses.get(path):
            self._send(site.statuses[path].pop(0), b"", with_body)
            return
        content = site.answers[path](parts.query) if path in site.answers else site.files.get(path)
        if content is None:
            self._send(404, b"nothing here", with_body)
            return
        whole = len(content)
        headers = {"ETag": f'"{hash(content)}"', "Content-Type": site.types.get(path, "application/octet-stream")}
        if not (wanted and site.ranges):
            self._send(200, content, with_body, headers, path)
            return
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        start, end = (whole - int(last), whole) if not first else (int(first), int(last or whole - 1) + 1)
        if start >= whole:
            self._send(416, b"", with_body)
            return
        end = min(end, whole)
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{whole}"
        self._send(206, content[start:end], with_body, headers, path)

    def _send(
        self, status: int, content: bytes, with_body: bool, headers: dict[str, str] | None = None, path: str = ""
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if not with_body:
            return
        if self.site.cut.get(path):
            self.wfile.write(content[: self.site.cut[path].pop(0)])
            self.close_connection = True
            return
        self.wfile.write(content)

    def log_message(self, *arguments: object) -> None:
        pass


@contextmanager
def serve() -> Iterator[Server]:
    """Serve until the block ends."""
    site = Server()
    handler = type("Handler", (_Handler,), {"site": site})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        site.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield site
        finally:
            server.shutdown()
            thread.join()
