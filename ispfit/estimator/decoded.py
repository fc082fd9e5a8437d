"""A cache of decoded files in memory: a search fits the same files many times."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

from ispfit.files import file_fingerprint
from ispfit.images import Image

__all__ = ["cache_decoded", "clear_cache"]

_MAX_BYTES = 1 << 30
_decoded: OrderedDict[tuple[str, str], Image] = OrderedDict()  # the least recently used image comes first


def cache_decoded(read: Callable[[Path], Image]) -> Callable[[Path], Image]:
    """Return a reader that decodes a file once per process, unless the file changes.

    The images share 1 GiB; the least recently used are dropped first. They are read-only, as all callers share them.

    Parameters
    ----------
    read : decodes a file.
    """

    def read_cached(path: Path) -> Image:
        key = (file_fingerprint(path), read.__name__)
        if key in _decoded:
            _decoded.move_to_end(key)
            return _decoded[key]
        image = _decoded[key] = read(path)
        image.flags.writeable = False
        while len(_decoded) > 1 and sum(image.nbytes for image in _decoded.values()) > _MAX_BYTES:
            _decoded.popitem(last=False)
        return image

    return read_cached


def clear_cache() -> None:
    """Drop all decoded images."""
    _decoded.clear()
