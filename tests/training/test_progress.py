"""What a fit tells while it trains: a bar on a terminal or in a notebook, elsewhere a line a minute."""

from __future__ import annotations

import io
import sys
from types import SimpleNamespace
from typing import Any

import pytest
from toys import Line, quick, toy_pairs

from ispfit.training import progress
from ispfit.training.progress import ProgressDisplay


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time that `ProgressDisplay` sees."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_without_a_terminal_there_is_a_line_a_minute(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    """100 steps of 25 s each, from step 10 on, which was made before."""
    with ProgressDisplay("mlp forward (1 of 2)", 100, 10) as display:
        for step in range(11, 18):
            clock[0] += 25
            display.step({"train": f"{step}.00 dB"})
    assert capsys.readouterr().err.splitlines() == [
        "mlp forward (1 of 2): step 13 of 100, train 13.00 dB, 36 min left",
        "mlp forward (1 of 2): step 16 of 100, train 16.00 dB, 35 min left",
    ]


def test_on_a_terminal_there_is_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with ProgressDisplay("mlp forward (1 of 2)", 4, 1) as display:
        for _ in range(3):
            display.step({"train": "30.00 dB"})
    assert "mlp forward (1 of 2): 100%" in terminal.getvalue()
    assert "4/4" in terminal.getvalue()
    assert "train=30.00 dB" in terminal.getvalue()


def test_in_a_notebook_there_is_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bar of ipywidgets if they are installed, otherwise one of text."""
    shell = SimpleNamespace(config={"IPKernelApp": {}})
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))  # type: ignore[arg-type]
    notebook = pytest.importorskip("tqdm.notebook")
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    monkeypatch.setattr(notebook, "IProgress", None)
    with ProgressDisplay("mlp forward (1 of 2)", 1, 0) as display:
        display.step({})
    assert "1/1" in sys.stderr.getvalue()  # type: ignore[attr-defined]

    made: list[dict[str, Any]] = []

    class Widget:
        def __init__(self, **arguments: Any) -> None:
            made.append(arguments)

        def update(self) -> None: ...

        def set_postfix(self, figures: Any, refresh: bool) -> None: ...

        def close(self) -> None: ...

    monkeypatch.setattr(notebook, "IProgress", object)
    monkeypatch.setattr(notebook, "tqdm_notebook", Widget)
    with ProgressDisplay("mlp forward (1 of 2)", 1, 0) as display:
        display.step({})
    assert made == [{"total": 1, "initial": 0, "desc": "mlp forward (1 of 2)", "unit": "step"}]


def test_without_a_label_nothing_is_told(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressDisplay(None, 3, 0) as display:
        clock[0] += 1000
        display.step({})
    assert capsys.readouterr().err == ""


def test_a_fit_says_how_many_directions_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    quick(Line(), verbose=1).fit(*toy_pairs())
    text = sys.stderr.getvalue()  # type: ignore[attr-defined]
    assert text.index("line forward (1 of 2)") < text.index("line inverse (2 of 2)")
