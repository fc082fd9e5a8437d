"""Ctrl-C during training."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["interruptible"]

_END_SIGNALS = (signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else []))
"""Signals by which the system ends a program; there is no SIGHUP on Windows."""


@contextmanager
def interruptible() -> Iterator[threading.Event]:
    """Turn the first Ctrl-C inside the block into an event, so that a step is completed; a second one interrupts.

    SIGTERM, and SIGHUP of a closed terminal, are treated alike if the caller handles them in Python, as the command
    line does. Signals that are ignored or left to the system stay so. In other threads than the main thread nothing
    changes.
    """
    event = threading.Event()
    previous: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, *_END_SIGNALS)}
        previous = {number: handler for number, handler in handlers.items() if callable(handler)}

    def restore() -> None:
        for number, handler in previous.items():
            signal.signal(number, handler)

    def set_event(number: int, frame: Any) -> None:
        event.set()
        restore()

    for number in previous:
        signal.signal(number, set_event)
    try:
        yield event
    finally:
        restore()
