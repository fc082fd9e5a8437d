"""Files that were decoded stay in memory for a while: a search fits the same files many times."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

from ispfit.images import Image

__all__ = ["forget_files", "remember"]

_BYTES = 1 << 30
_Key = tuple[Path, int, int, str]
_decoded: OrderedDict[_Key, Image] = OrderedDict()


def remember(read: Callable[[Path], Image]) -> Callable[[Path], Image]:
    """A reader that decodes a file once in this process, unless it changes, while 1 GiB holds what was read last.

    Parameters
    ----------
    read : decodes a file.

    Returns
    -------
    The same function with a memory; its images are read-only, as everybody shares them.
    """

    def recall(path: Path) -> Image:
        status = path.stat()
        key = (path.resolve(), status.st_size, status.st_mtime_ns, read.__name__)
        image = _decoded.get(key)
        if image is None:
            image = _decoded[key] = read(path)
            image.flags.writeable = False
            while len(_decoded) > 1 and sum(image.nbytes for image in _decoded.values()) > _BYTES:
                _decoded.popitem(last=False)
        else:
            _decoded.move_to_end(key)
        return image

    return recall


def forget_files() -> None:
    """Give the memory back."""
    _decoded.clear()
