"""What a report says, and that it is one file."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
import pytest
from toys import quick, toy_pairs

import ispfit
from ispfit import ISPModel
from ispfit.cli import main
from ispfit.comparison.baseline import Baseline
from ispfit.comparison.pair_sets import write_pair_set
from ispfit.errors import FileError
from ispfit.images import Image, Shot
from ispfit.report import write_report

N_SHOTS = 7


@pytest.fixture(scope="module")
def fitted() -> tuple[ISPModel, list[Image], list[Image]]:
    """A model and pairs of two cameras, one of which has a name of HTML."""
    X, Y = toy_pairs(N_SHOTS, size=24)
    model = quick().fit(X, Y)
    for index, raw in enumerate(X):
        raw.shot = Shot(name=f"<b>{index}</b>", make="Toy", model="Two" if index else "One", iso=100 * (index + 1))
    return model, X, Y


@pytest.fixture(scope="module")
def page(fitted: tuple[ISPModel, list[Image], list[Image]], tmp_path_factory: pytest.TempPathFactory) -> str:
    """The text of a report."""
    model, X, Y = fitted
    psnrs = {way: [value - 1 for value in model.psnr(X, Y, direction=way)] for way in model.networks_}
    path = tmp_path_factory.mktemp("report") / "report.html"
    baseline = Baseline(psnrs, "3 training pairs")
    write_report(path, model, X, Y, baseline=baseline, data={"split": "test"}, left_out=["x.dng: <torn>"])
    return path.read_text()


class Page(HTMLParser):
    """Collects the tags of a page; raises at an element that is not closed."""

    VOID = frozenset({"meta", "img", "input", "link"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_it_is_one_file_that_asks_for_no_other(page: str) -> None:
    tags, keys = Page(page).found, ("src", "href", "xlink:href")
    addresses = [value for _, attributes in tags for key in keys if (value := attributes.get(key))]
    assert addresses
    assert all(address.startswith(("data:", "#")) for address in addresses)
    assert "@import" not in page
    assert set(re.findall(r"url\((.)", page)) <= {"#"}


def test_each_picture_has_a_text_and_its_size(page: str) -> None:
    pictures = [attributes for tag, attributes in Page(page).found if tag == "img"]
    assert len(pictures) == 6 * 2 * 3  # two worst, median and best shots; two directions; model, camera and error
    for attributes in pictures:
        assert attributes["alt"]
        data = base64.b64decode((attributes["src"] or "").partition(",")[2])
        shape = iio.imread(BytesIO(data), extension=".jpg").shape
        assert (str(shape[1]), str(shape[0])) == (attributes["width"], attributes["height"])


def test_figures_are_the_model_s(page: str, fitted: tuple[ISPModel, list[Image], list[Image]]) -> None:
    model, X, Y = fitted
    rows = re.findall(
        r'<th scope="row">(raw to sRGB|sRGB to raw)</th><td>(\w+)</td>.*?<b>([\d.]+)</b>.*?</tr>', page, re.S
    )
    means = {way: float(model.psnr(X, Y, direction=way).mean()) for way in model.networks_}
    assert rows == [
        ("raw to sRGB", "mlp", f"{means['forward']:.2f}"),
        ("raw to sRGB", "parametric", f"{means['forward'] - 1:.2f}"),
        ("sRGB to raw", "mlp", f"{means['inverse']:.2f}"),
        ("sRGB to raw", "parametric", f"{means['inverse'] - 1:.2f}"),
    ]
    assert page.count("+1.00 (+1.00 to +1.00)") == 2  # above the baseline, in both directions
    [rendered] = model.transform(X[:1])
    assert f"{ispfit.metrics.ciede2000(Y[0], rendered):.2f}</td></tr>" in page


def test_worst_shots_come_first(page: str, fitted: tuple[ISPModel, list[Image], list[Image]]) -> None:
    model, X, Y = fitted
    psnrs = np.array([model.psnr(X, Y, direction=way) for way in model.networks_])
    merits = (psnrs - np.median(psnrs, axis=1, keepdims=True)).min(axis=0)
    titles = [int(number) for number in re.findall(r"<h3>&lt;b&gt;(\d)&lt;/b&gt;</h3>", page)]
    order = np.argsort(merits).tolist()
    assert titles == [*order[:2], *order[2:4], *order[-2:][::-1]]
    assert page.index(">Worst shots<") < page.index(">Median shots<") < page.index(">Best shots<")


def test_charts_take_the_colours_of_the_page_and_have_names_of_their_own(page: str) -> None:
    assert page.count("<svg") == page.count("</svg>") == 4  # errors in both directions, tone curves, training
    for text in ("Error by what the pixel is, raw to sRGB", "Tone curves by scene", "Course of training"):
        assert f"<h3>{text}</h3>" in page
    assert "Learned histograms" not in page  # an mlp has none
    assert "currentColor" in page
    assert "#000000" not in page.partition("<main>")[2]
    names = re.findall(r'\bid="([^"]+)"', page)
    assert len(names) == len(set(names))
    assert set(re.findall(r"url\(#([^)]+)\)", page)) <= set(names)


def test_texts_of_files_are_no_html(page: str) -> None:
    assert "<b>0</b>" not in page
    assert "x.dng: &lt;torn&gt;" in page


def test_it_tells_what_was_measured(page: str) -> None:
    assert "Toy One (1), Toy Two (6)" in page
    assert "100 to 700" in page
    assert "<dt>split</dt><dd>test</dd>" in page
    assert f"by ispfit {ispfit.__version__}" in page
    assert "fitted to 3 training pairs" in page


@pytest.mark.parametrize("n", [1, 2, 3])
def test_few_shots_and_one_direction(n: int, tmp_path: Path) -> None:
    X, Y = toy_pairs(3, size=8)  # too small for SSIM
    model = quick(direction="inverse").fit(X, Y)
    write_report(tmp_path / "report.html", model, X[:n], Y[:n])
    text = (tmp_path / "report.html").read_text()
    assert text.count("<h3>shot ") == n
    assert "raw to sRGB" not in text
    assert "parametric" not in text


def test_a_folder_is_no_file(fitted: tuple[ISPModel, list[Image], list[Image]], tmp_path: Path) -> None:
    with pytest.raises(FileError, match=re.escape(f"{tmp_path}")):
        write_report(tmp_path, *fitted)


def test_the_command_names_file_and_size(fitted: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, X, Y = fitted
    model.save(tmp_path / "m.ispfit")
    write_pair_set(tmp_path / "pairs", list("abcdefg"), X, Y, ["train"] * 4 + ["test"] * 3)
    output = tmp_path / "report.html"
    with pytest.raises(SystemExit) as stop:
        main(["report", str(tmp_path / "m.ispfit"), str(tmp_path / "pairs"), "--split", "test", "-o", str(output)])
    assert stop.value.code == 0
    assert capsys.readouterr().out.startswith(f"{output}: 3 shots, 0.")
    text = output.read_text()
    assert "is fitted to 4 training pairs" in text
    assert "<dt>split</dt><dd>test</dd>" in text
    with pytest.raises(SystemExit) as stop:
        main(["report", str(tmp_path / "m.ispfit"), str(tmp_path / "pairs"), "-o", str(output)])
    assert stop.value.code == 2
    assert f"{output} exists; use --overwrite to replace it." in capsys.readouterr().err
    assert output.read_text() == text


def test_pairs_that_were_left_out_are_shown_by_cause(
    fitted: tuple[ISPModel, list[Image], list[Image]], tmp_path: Path
) -> None:
    model, X, Y = fitted
    reasons = {
        "a": "not registered: too uncertain (0.31 px)",
        "b": "torn",
        "c": "not registered: too uncertain (0.4 px)",
    }
    sentences = [f"pair {name!r} was left out: {reason}" for name, reason in reasons.items()]
    write_report(tmp_path / "report.html", model, X[:1], Y[:1], left_out=sentences)
    text = (tmp_path / "report.html").read_text()
    Page(text)
    assert "3 pairs left out" in text
    assert "and 1 more for the same cause" in text
    assert text.index("0.31 px") < text.index("0.4 px") < text.index("torn")
