"""The standard streams of a command. All text passes here on its way to the terminal, and is cleaned.

File names, and the texts of model files and plugins, may hold control characters, which would move the cursor, colour
the text or set the title. A stream that is closed, full or in another encoding costs what is printed, and no work.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from ispfit.errors import FileError, printable

__all__ = ["Terminal", "standard_streams"]

_MOVES = re.compile("(\n|\x1b\\[A)*")  # of the cursor, by which tqdm draws several bars


class Terminal:
    """A text stream that writes to another one.

    Parameters
    ----------
    stream : the stream, or None if it was closed when the program was started.
    required : whether a text that cannot be written is an error. A reader that has gone is none (``| head``).
    """

    buffer = None  # by which click would go round this object

    def __init__(self, stream: Any, required: bool) -> None:
        self._stream, self._required = stream, required

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @property
    def encoding(self) -> str:
        return getattr(self._stream, "encoding", None) or "utf-8"

    def isatty(self) -> bool:
        return self._stream is not None and self._stream.isatty()

    def write(self, text: str) -> int:
        """Write text; control characters, and what the encoding lacks, as escapes."""
        bar = text[:1] if text.startswith("\r") else ""  # tqdm draws a bar over the one before
        shown = text if _MOVES.fullmatch(text) else bar + printable(text[len(bar) :])
        if not shown:  # by which click probes a stream
            return 0
        encoded = shown.encode(self.encoding, "backslashreplace").decode(self.encoding)
        self._guarded(lambda: self._stream.write(encoded))
        return len(text)

    def flush(self) -> None:
        self._guarded(lambda: self._stream.flush())

    def _guarded(self, act: Callable[[], Any]) -> None:
        if self._stream is None:
            return
        try:
            act()
        except BrokenPipeError:
            self._discard()
        except OSError as error:
            self._discard()
            if self._required:
                raise FileError(f"the standard output cannot be written: {error.strerror}.") from error

    def _discard(self) -> None:
        """Let the stream lead nowhere, or Python would fail to flush it when it exits."""
        with suppress(OSError, ValueError, AttributeError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)


@contextmanager
def standard_streams() -> Iterator[None]:
    """Make `sys.stdout` and `sys.stderr` a `Terminal` for the block."""
    _open_closed_descriptors()
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = Terminal(sys.stdout, True), Terminal(sys.stderr, False)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def _open_closed_descriptors() -> None:
    """Open the closed ones among the descriptors 0, 1 and 2, or the next files that are opened would get them."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
