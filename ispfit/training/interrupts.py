"""Ctrl-C in the middle of training."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["interruptible"]


@contextmanager
def interruptible() -> Iterator[threading.Event]:
    """Turn Ctrl-C into an event, so that no step is cut in two; a second Ctrl-C does not wait.

    So is whatever else the caller handles as Ctrl-C, such as the command line SIGTERM. A signal that is ignored or left
    to the system stays so.
    """
    event = threading.Event()
    previous: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        previous = {number: handler for number, handler in handlers.items() if callable(handler)}

    def restore() -> None:
        for number, handler in previous.items():
            signal.signal(number, handler)

    def note(number: int, frame: Any) -> None:
        event.set()
        restore()

    for number in previous:
        signal.signal(number, note)
    try:
        yield event
    finally:
        restore()
