"""Tell how training progresses: by a bar on a terminal or in a notebook, elsewhere by a line a minute."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any

from tqdm.std import tqdm

__all__ = ["ProgressDisplay", "duration_text", "in_notebook", "tell"]

_SECONDS_BETWEEN_LINES = 60.0


class ProgressDisplay:
    """The progress of one run; a context manager.

    Parameters
    ----------
    label : what is trained; None tells nothing.
    n_steps, done : number of steps in all, and of those that were completed before.
    """

    def __init__(self, label: str | None, n_steps: int, done: int) -> None:
        self._label, self._n_steps, self._done, self._first = label, n_steps, done, done
        self._started = self._told = time.monotonic()
        self._bar: Any = None
        if label is not None and (in_notebook() or sys.stderr.isatty()):
            self._bar = _bar_class()(total=n_steps, initial=done, desc=label, unit="step")

    def __enter__(self) -> ProgressDisplay:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def step(self, figures: Mapping[str, str]) -> None:
        """Count a step.

        Parameters
        ----------
        figures : the last evaluation, by name.
        """
        self._done += 1
        if self._bar is not None:
            self._bar.update()
            self._bar.set_postfix(figures, refresh=False)
        elif self._label is not None and time.monotonic() - self._told >= _SECONDS_BETWEEN_LINES:
            self._told = time.monotonic()
            per_step = (self._told - self._started) / (self._done - self._first)
            left = duration_text(per_step * (self._n_steps - self._done))
            parts = [f"step {self._done} of {self._n_steps}", *map(" ".join, figures.items()), f"{left} left"]
            tell(f"{self._label}: {', '.join(parts)}")


def tell(line: str) -> None:
    """Write a line to the standard error."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def duration_text(seconds: float) -> str:
    """Return a time as text.

    Examples
    --------
    >>> [duration_text(seconds) for seconds in (7.4, 119, 300, 5400, 7200)]
    ['7 s', '119 s', '5 min', '1 h 30 min', '2 h']
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return " ".join([*([f"{hours} h"] if hours else []), *([f"{minutes} min"] if minutes else [])])


def in_notebook() -> bool:
    """Return whether this process is the kernel of a notebook, whose cells can show a bar."""
    get_ipython = getattr(sys.modules.get("IPython"), "get_ipython", None)
    shell = get_ipython() if get_ipython else None
    return shell is not None and "IPKernelApp" in getattr(shell, "config", {})


def _bar_class() -> Any:
    """Return the bar of a notebook, or of a terminal; a notebook without ipywidgets shows a bar of text."""
    if not in_notebook():
        return tqdm
    from tqdm.notebook import IProgress, tqdm_notebook

    return tqdm if IProgress is None else tqdm_notebook
