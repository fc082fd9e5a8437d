"""What reaches the terminal is clean, and streams that are closed, full or gone cost no work."""

from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tqdm import tqdm

from ispfit.cli import main
from ispfit.cli.terminal import Terminal
from ispfit.errors import FileError, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a \x1b[31mred\x1b[0m.dng", r"a \x1b[31mred\x1b[0m.dng"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("over\rwritten\x08\x7f\x9b1m", r"over\x0dwritten\x08\x7f\x9b1m"),
        ("\udcff\udc80.dng", r"\xff\x80.dng"),
        ("gpj\u202e.exe \ud800", r"gpj\u202e.exe \ud800"),
        ("Füße 写真 \U0001f4f7\n\tline", "Füße 写真 \U0001f4f7\n\tline"),
    ],
)
def test_control_characters_are_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown
    stream = io.StringIO()
    Terminal(stream, True).write(text)
    assert stream.getvalue() == shown


def test_a_progress_bar_is_drawn() -> None:
    stream = io.StringIO()
    with (
        tqdm(total=2, file=Terminal(stream, False), desc="pairs", leave=False) as bar,
        tqdm(total=2, file=Terminal(stream, False), position=1),
    ):
        bar.update()
    assert "\rpairs:" in stream.getvalue()
    assert "\x1b[A" in stream.getvalue()
    assert "\\x" not in stream.getvalue()


def test_what_the_encoding_lacks_is_escaped() -> None:
    raw = io.BytesIO()
    stream = Terminal(io.TextIOWrapper(raw, "ascii"), True)
    stream.write("Füße\udcff")
    stream.flush()
    assert raw.getvalue() == rb"F\xfc\xdfe\xff"


class Failing(io.StringIO):
    """A stream whose device fails."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    def write(self, text: str) -> int:
        raise OSError(self.number, os.strerror(self.number))


def test_a_full_output_is_an_error_and_a_reader_that_has_gone_is_none() -> None:
    with pytest.raises(FileError, match=r"^the standard output cannot be written: No space left on device\.$"):
        Terminal(Failing(errno.ENOSPC), True).write("x")
    Terminal(Failing(errno.EPIPE), True).write("x")
    Terminal(Failing(errno.ENOSPC), False).write("x")  # a warning that cannot be shown
    Terminal(None, True).write("x")
    assert not Terminal(None, True).isatty()


def shell(command: str, **variables: str) -> Any:
    text = command.replace("ispfit", f"{sys.executable} -m ispfit")
    environment = os.environ | variables
    return subprocess.run(["bash", "-c", text], capture_output=True, text=True, env=environment, check=False)


def test_streams_of_a_real_process(tmp_path: Path) -> None:
    """Of a command that prints, and starts without torch."""
    closed = shell("ispfit cache >&- 2>&- <&-")
    assert (closed.returncode, closed.stderr) == (0, "")
    full = shell("ispfit cache > /dev/full")
    assert (full.returncode, full.stderr) == (
        2,
        "Error: the standard output cannot be written: No space left on device.\n",
    )
    gone = shell("set -o pipefail; ispfit cache | true")
    assert (gone.returncode, gone.stderr) == (0, "")


def test_a_name_that_is_not_printable_is_escaped(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for name in ("\x1b]0;title\x07", os.fsdecode(b"\xff")):
        with pytest.raises(SystemExit) as stop:
            main(["fit", str(tmp_path / name), "-o", str(tmp_path / "m.ispfit")])
        assert stop.value.code == 2
        shown = capsys.readouterr().err
        assert f"{printable(name)}: no such file or folder" in shown
        assert "\x1b" not in shown
