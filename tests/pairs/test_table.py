"""`read_pairs_csv` reads the tables that people and their spreadsheet programs save."""

from __future__ import annotations

import codecs
from pathlib import Path

import pytest

from ispfit.errors import FileError, InputError
from ispfit.images import Shot
from ispfit.pairs.table import PairRow, read_pairs_csv, write_pairs_csv

ROWS = [
    ["name", "raw", "srgb", "split", "make", "iso", "exposure_time", *(f"white_balance_{letter}" for letter in "rgb")],
    ["Höhe", "raw/Höhe.tif", "srgb/Höhe.png", "train", "Nikon, Inc.", "100", "0.004", "2.125", "1", "1.5"],
    ["日本", "raw/日本.tif", "srgb/日本.png", "test", "", "", "", "", "", ""],
]


def text_of(delimiter: str, line_end: str = "\r\n") -> str:
    cells = [[f'"{cell}"' if delimiter in cell else cell for cell in row] for row in ROWS]
    if delimiter != ",":
        cells[1][6:] = [cell.replace(".", ",") for cell in cells[1][6:]]
    return "".join(delimiter.join(row) + line_end for row in cells)


ENCODED = {
    "UTF-8": lambda text: text.encode(),
    "UTF-8 with a mark": lambda text: codecs.BOM_UTF8 + text.encode(),
    "UTF-16, little-endian": lambda text: codecs.BOM_UTF16_LE + text.encode("utf-16-le"),
    "UTF-16, big-endian": lambda text: codecs.BOM_UTF16_BE + text.encode("utf-16-be"),
    "UTF-16 without a mark": lambda text: text.encode("utf-16-le"),
    "UTF-16 without a mark, big-endian": lambda text: text.encode("utf-16-be"),
}


@pytest.mark.parametrize("encoding", ENCODED)
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_every_table_of_a_spreadsheet_program_says_the_same(tmp_path: Path, encoding: str, delimiter: str) -> None:
    (tmp_path / "pairs.csv").write_bytes(ENCODED[encoding](text_of(delimiter)))
    shot = Shot("Höhe", "Nikon, Inc.", None, 100, 0.004, (2.125, 1, 1.5))
    assert read_pairs_csv(tmp_path) == [
        PairRow("Höhe", tmp_path / "raw/Höhe.tif", tmp_path / "srgb/Höhe.png", "train", shot),
        PairRow("日本", tmp_path / "raw/日本.tif", tmp_path / "srgb/日本.png", "test", Shot("日本")),
    ]


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_lines_may_end_in_any_way(tmp_path: Path, line_end: str) -> None:
    (tmp_path / "pairs.csv").write_bytes(text_of(";", line_end).encode())
    assert [row.name for row in read_pairs_csv(tmp_path)] == ["Höhe", "日本"]


def test_empty_lines_and_blanks_around_the_names_of_columns_are_no_rows(tmp_path: Path) -> None:
    (tmp_path / "pairs.csv").write_text("name ; raw; srgb;\na;a.tif;a.png;\n;;;\n\n  ; ;;\n")
    assert [(row.name, row.raw.name, row.srgb.name) for row in read_pairs_csv(tmp_path)] == [("a", "a.tif", "a.png")]


def test_a_comma_in_a_table_of_commas_is_no_decimal_comma(tmp_path: Path) -> None:
    (tmp_path / "pairs.csv").write_text('name,raw,srgb,iso\na,a.tif,a.png,"1,5"\n')
    assert read_pairs_csv(tmp_path)[0].shot.iso is None


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_pairs_csv(tmp_path / "pairs.csv", [dict(zip(ROWS[0], row, strict=True)) for row in ROWS[1:]])
    assert [row.shot.white_balance for row in read_pairs_csv(tmp_path)] == [(2.125, 1, 1.5), None]


@pytest.mark.parametrize("data", ["name,raw,srgb\nHöhe,a,b\n".encode("latin-1"), codecs.BOM_UTF16_LE + b"n"])
def test_another_encoding_is_refused_with_what_to_do(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "pairs.csv").write_bytes(data)
    message = r"pairs\.csv: its text is neither UTF-8 nor UTF-16 \(save it as 'CSV UTF-8'\); expected a CSV file with"
    with pytest.raises(FileError, match=message):
        read_pairs_csv(tmp_path)


def test_a_line_that_lacks_a_value_is_named(tmp_path: Path) -> None:
    (tmp_path / "pairs.csv").write_text("name;raw;srgb\na;a.tif;a.png\nb;b.tif\n")
    with pytest.raises(InputError, match=r"pairs\.csv, line 3: nothing in the column 'srgb'\."):
        read_pairs_csv(tmp_path)


@pytest.mark.parametrize("text", ["", "name;raw\na;b\n"])
def test_missing_columns_are_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "pairs.csv").write_text(text)
    with pytest.raises(InputError, match=r"expected the columns name, raw, srgb, but it lacks (name, raw, )?srgb; it "):
        read_pairs_csv(tmp_path)


def test_what_was_found_is_told_beside_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "pairs.csv").write_text("Name,RAW file,srgb\na,b,c\n")
    with pytest.raises(InputError, match=r"but it lacks name, raw; it has Name, RAW file, srgb\.$"):
        read_pairs_csv(tmp_path)
    (tmp_path / "pairs.csv").write_text("")
    with pytest.raises(InputError, match=r"but it lacks name, raw, srgb; it is empty\.$"):
        read_pairs_csv(tmp_path)


@pytest.mark.parametrize("line", ["sep=;", '"sep=;"', "SEP=;"])
def test_the_line_that_tells_excel_the_separator_is_no_header(tmp_path: Path, line: str) -> None:
    (tmp_path / "pairs.csv").write_bytes(f"{line}\r\nname;raw;srgb\r\na;a.tif;a.png\r\n".encode("utf-8-sig"))
    assert [(row.name, row.raw.name) for row in read_pairs_csv(tmp_path)] == [("a", "a.tif")]


def test_a_source_that_is_not_utf_8_is_written_as_escapes(tmp_path: Path) -> None:
    row = {"name": "a", "raw": "a.tif", "srgb": "a.png", "source": "\udcff.dng"}
    write_pairs_csv(tmp_path / "pairs.csv", [row])
    assert read_pairs_csv(tmp_path)[0].name == "a"
    assert r"\udcff.dng" in (tmp_path / "pairs.csv").read_text(encoding="utf-8")
