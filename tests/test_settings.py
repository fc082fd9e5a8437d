"""Hyper-parameters are checked by their annotations, in one way for all backbones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pytest
from toys import quick, toy_pairs

import ispfit
from ispfit import ISPModel, Range, get_backbone, list_backbones
from ispfit.cli import main
from ispfit.errors import InputError
from ispfit.settings import check_settings


class Toy:
    """All kinds of annotations."""

    def __init__(
        self,
        whole: Annotated[int, Range(1, 8)] = 1,
        number: Annotated[float, Range(0, 1)] = 0.5,
        flag: bool = True,
        word: Literal["a", "b"] = "a",
        mixed: bool | Literal["auto"] = "auto",
        cells: tuple[Annotated[int, Range(1, 4)], ...] | list[Annotated[int, Range(1, 4)]] = (1,),
        path: str | None = None,
        free: Any = None,
        bare=None,  # type: ignore[no-untyped-def]
    ) -> None: ...


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("whole", [1, 8, np.int64(3)]),
        ("number", [0, 1, 0.5, np.float32(0.25)]),
        ("flag", [True, False, np.bool_(True)]),
        ("word", ["a", "b"]),
        ("mixed", [True, False, "auto"]),
        ("cells", [(), [], (1, 4), [2]]),
        ("path", [None, "x"]),
        ("free", [object(), 1, None]),
        ("bare", [object()]),
    ],
)
def test_what_the_annotation_says_is_accepted(name: str, values: list[Any]) -> None:
    for value in values:
        check_settings(Toy, {name: value})


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("whole", 0, "a whole number from 1 to 8"),
        ("whole", 9, "a whole number from 1 to 8"),
        ("whole", 2.0, "a whole number from 1 to 8"),
        ("whole", True, "a whole number from 1 to 8"),
        ("whole", "2", "a whole number from 1 to 8"),
        ("number", 1.5, "a number from 0 to 1"),
        ("number", float("nan"), "a number from 0 to 1"),
        ("number", float("inf"), "a number from 0 to 1"),
        ("number", None, "a number from 0 to 1"),
        ("flag", "False", "True or False"),
        ("flag", 0, "True or False"),
        ("word", "c", "'a' or 'b'"),
        ("mixed", 1, "True or False or 'auto'"),
        ("cells", [5], "a list, each item a whole number from 1 to 4"),
        ("cells", 2, "a list, each item a whole number from 1 to 4"),
        ("path", 3, "a text or None"),
    ],
)
def test_another_type_or_range_is_named(name: str, value: Any, expected: str) -> None:
    with pytest.raises(InputError) as error:
        check_settings(Toy, {name: value})
    assert str(error.value) == f"Toy: expected {name} to be {expected}, got {value!r}."


@pytest.mark.parametrize("name", list_backbones())
def test_every_backbone_refuses_a_wrong_type_of_every_parameter(name: str) -> None:
    """Before anything is built or trained: 78 settings of other types once ended 10 times in a traceback."""
    family = get_backbone(name)
    for parameter in family().settings():
        for wrong in ("abc", -1, 1e300, [[]], {}, float("nan")):
            if wrong == "abc" and parameter == "weights":
                continue  # a path
            model = ISPModel(family(**{parameter: wrong}))
            with pytest.raises(InputError, match=rf"^{family.__name__}: expected {parameter} to be .*, got "):
                model.fit(*toy_pairs(2))


def test_a_model_file_is_held_to_the_same(tmp_path: Path) -> None:
    model = quick(get_backbone("curve")(nodes=8)).fit(*toy_pairs(2))
    model.backbone_.nodes = 1
    model.save(tmp_path / "m.ispfit")
    with pytest.raises(ispfit.errors.ModelFileError, match="Curve: expected nodes to be a whole number from 2 to 4096"):
        ispfit.load(tmp_path / "m.ispfit")


@pytest.mark.parametrize("command", ["fit pairs -o m.ispfit --backbone", "compare virtual-a -o out --backbones"])
@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("skip=no", "HistPyramid: expected skip to be True or False, got 'no'."),
        ("bins=abc", "HistPyramid: expected bins to be a whole number from 2 to 256, got 'abc'."),
        ("grids=(16, 400)", "HistPyramid: expected grids to be a list, each item a whole number from 1 to 64, got (16"),
    ],
)
def test_the_command_line_says_the_same(
    command: str, setting: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    prefix = "histpyramid." if command.startswith("compare") else ""
    with pytest.raises(SystemExit) as stop:
        main([*command.split(), "histpyramid", "--set", prefix + setting])
    assert stop.value.code == 2
    assert message in capsys.readouterr().err
