"""Every recipe, from its schema to pairs, against a local server with each set's exact layout."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from dataset_fakes import FAKES, pairs
from dataset_server import Server
from PIL import Image as PILImage

from ispfit.cli.dataset import needs_text
from ispfit.datasets import CAMERAS, list_recipes, load_dataset, load_pairs, make_camera_roll
from ispfit.datasets.fetch import fetch_dataset, plan_fetch, run_fetch
from ispfit.datasets.recipe import Recipe, read_recipe
from ispfit.errors import FileError, InputError, InputWarning
from ispfit.files import data_folder
from ispfit.metrics import psnr

NAMES = sorted(path.parent.name for path in data_folder().glob("*/recipe.toml"))
BY_HAND = ["cubeplusplus", "nus-cameras", "raise-1k", "s7-isp", "sidd-medium"]
WITHOUT_PAIRS = ["levin", "nus-cameras"]
Local = Callable[[str], Recipe]


def rows_of(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / "pairs.csv").open(newline="", encoding="utf-8") as file:
        return {row["name"]: row for row in csv.DictReader(file)}


def test_the_sets_of_the_field_have_a_recipe_and_a_page() -> None:
    assert set(NAMES) == set(FAKES) == set(list_recipes())
    assert len(NAMES) >= 12
    for name in NAMES:
        page = (data_folder() / name / "README.md").read_text(encoding="utf-8")
        assert "Checked on the real files" in page
        assert "Checked on a local server" in page


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_keeps_the_schema_and_says_what_a_user_asks(name: str) -> None:
    recipe = read_recipe(data_folder() / name / "recipe.toml")
    assert recipe.name == name
    assert recipe.quirks
    assert (name in BY_HAND) == (not recipe.is_fetched)
    disk, seconds = recipe.needs()
    first_disk, first_seconds = recipe.needs(recipe.first_run.shots)
    assert 0 < first_disk <= disk
    assert 0 < first_seconds <= seconds
    assert first_disk < 2e9  # a first run fits anywhere


@pytest.mark.parametrize("name", sorted(set(NAMES) - set(WITHOUT_PAIRS)))
def test_a_recipe_makes_pairs_of_its_exact_layout(name: str, local: Local, server: Server, tmp_path: Path) -> None:
    recipe, source, folder = local(name), tmp_path / "got", tmp_path / "set"
    source.mkdir()
    FAKES[name](server, source)
    plan = plan_fetch(recipe, folder, source=source if name in BY_HAND else None)
    report = run_fetch(plan, size=64, register=False, n_jobs=1)
    assert report.failures == []
    assert report.pairs is not None
    assert (report.pairs.failures, report.pairs.rejected) == ([], [])
    rows = rows_of(folder)
    assert len(rows) == report.shots >= 3
    X, Y = load_pairs(folder)
    assert [x.shape for x in X] == [y.shape for y in Y]
    asked = len(server.requests)
    again = run_fetch(
        plan_fetch(recipe, folder, source=source if name in BY_HAND else None), size=64, register=False, n_jobs=1
    )
    assert again.pairs is not None
    assert again.pairs.n_kept == len(rows)
    files = [path for path, _ in server.requests[asked:] if path.endswith((".dng", ".NEF", ".ARW", ".tar", ".png"))]
    assert files == []  # nothing is fetched twice
    assert rows_of(folder) == rows


def made(name: str, local: Local, server: Server, tmp_path: Path, only: int | None = None) -> tuple[Path, Path]:
    source, folder = tmp_path / "got", tmp_path / "set"
    source.mkdir()
    FAKES[name](server, source)
    plan = plan_fetch(local(name), folder, only=only, source=source if name in BY_HAND else None)
    run_fetch(plan, size=64, register=False, n_jobs=1)
    return folder, source


def test_hdrplus_fetches_two_files_a_burst(local: Local, server: Server, tmp_path: Path) -> None:
    folder, _ = made("hdrplus", local, server, tmp_path)
    names = {path.name for path in (folder / "files").rglob("*") if path.is_file()}
    assert names == {"merged.dng", "final.jpg"}
    assert next(iter(rows_of(folder))) == "0006_20160720_104226_118"


def test_only_some_shots_are_fetched(local: Local, server: Server, tmp_path: Path) -> None:
    folder, _ = made("hdrplus", local, server, tmp_path, only=2)
    assert len(list((folder / "files").rglob("merged.dng"))) == 2
    assert list(rows_of(folder)) == ["0006_20160720_104226_118", "0006_20160723_104226_118"]  # evenly spaced


def test_cubeplusplus_uses_the_embedded_jpeg_without_the_cube(local: Local, server: Server, tmp_path: Path) -> None:
    folder, _ = made("cubeplusplus", local, server, tmp_path)
    [[raw, *_], _] = load_pairs(folder)
    assert raw.shape[:2] in [(48, round(0.78 * 64)), (64, round(0.78 * 48))]
    assert not (folder / "files").exists()  # the user's files stay where they are
    assert "JPG" not in rows_of(folder)["00_0000"]["source"]


def test_s7_takes_curls_splits_and_both_exposures(local: Local, server: Server, tmp_path: Path) -> None:
    folder, _ = made("s7-isp", local, server, tmp_path)
    rows = rows_of(folder)
    assert rows["20161110_125321"]["split"] == "validation"
    assert rows["20161110_130812"]["split"] == "test"
    both = [row for name, row in rows.items() if name.startswith("20161107_000000")]
    assert sorted(row["exposure"] for row in both) == ["medium", "short"]
    assert {row["split"] for row in both} == {"train"}
    assert len({row["scene"] for row in both}) == 1
    assert min(name for name in rows if name.startswith("20161107")) == "20161107_000000-medium"


def test_a_raw_that_lies_beside_a_jpeg_that_stands_is_turned(local: Local, tmp_path: Path) -> None:
    camera = replace(CAMERAS["Virtual A"], orientation=(1,))
    [(dng, jpeg)] = make_camera_roll(tmp_path, 1, image_size=(192, 288), camera=camera, random_state=2)
    scene = tmp_path / "got/20161110_125321"
    scene.mkdir(parents=True)
    dng.rename(scene / "medium_exposure.dng")
    with PILImage.open(jpeg) as picture:
        picture.transpose(PILImage.Transpose.ROTATE_90).save(scene / "medium_exposure.jpg", quality=95)
    with pytest.warns(InputWarning, match="the raw was turned by 90 degrees to the left"):
        run_fetch(plan_fetch(local("s7-isp"), tmp_path / "set", source=tmp_path / "got"), size=128, n_jobs=1)
    [row] = rows_of(tmp_path / "set").values()
    assert "turned by 90 degrees" in row["notes"]
    [[raw], [srgb]] = load_pairs(tmp_path / "set")
    assert raw.shape == srgb.shape
    assert raw.shape[0] > raw.shape[1]


def test_raise_goes_to_the_host_that_answers(local: Local, server: Server, tmp_path: Path) -> None:
    folder, _ = made("raise-1k", local, server, tmp_path)
    asked = {path.split("/")[1] for path, _ in server.requests}
    assert asked == {"loki.disi.unitn.it"}
    assert len(rows_of(folder)) == 4


def test_fivek_is_rendered_by_libraw_with_the_published_split(local: Local, server: Server, tmp_path: Path) -> None:
    folder, _ = made("fivek-libraw", local, server, tmp_path)
    rows = rows_of(folder)
    assert "a1437-kme_124" not in rows  # excluded
    assert rows["a0002-dgw_005"]["split"] == "test"
    assert rows["a2754-_DSC7455"]["split"] == "train"
    assert rows["a0001-jmac_DSC1459"]["split"] != ""
    assert (folder / "files/fivek_dataset/LicenseAdobe.txt").exists()


def test_fivek_reads_the_archive_only_as_far_as_it_must(local: Local, server: Server, tmp_path: Path) -> None:
    folder, _ = made("fivek-libraw", local, server, tmp_path, only=1)
    assert list(rows_of(folder)) == ["a0001-jmac_DSC1459"]
    assert not (folder / "archives").exists()
    assert len(list((folder / "files").rglob("*.dng"))) == 1


@pytest.mark.parametrize("name", ["ntire2025-rgb2raw", "zrr-test"])
def test_mosaics_come_back_as_the_colours_that_they_were(
    name: str, local: Local, server: Server, tmp_path: Path
) -> None:
    folder, _ = made(name, local, server, tmp_path)
    X, _ = load_pairs(folder)
    for raw, (true, _) in list(zip(X, pairs(), strict=True))[1:]:
        inner = np.s_[4:-4, 4:-4]
        assert psnr(np.asarray(raw)[inner], true[inner]) > 22  # demosaiced
        np.testing.assert_allclose(np.mean(raw, axis=(0, 1)), true.mean(axis=(0, 1)), atol=0.01)


def test_zrr_reads_parts_of_the_archive_and_8_bit_mosaics(local: Local, server: Server, tmp_path: Path) -> None:
    folder, _ = made("zrr-test", local, server, tmp_path)
    assert all(wanted for _, wanted in server.requests)  # ranges alone
    assert not list(folder.rglob("train"))
    assert {row["split"] for row in rows_of(folder).values()} == {"test"}
    X, _ = load_pairs(folder)
    dark = pairs()[0][0] * 190 / 957
    np.testing.assert_allclose(np.mean(X[0], axis=(0, 1)), dark.mean(axis=(0, 1)), atol=0.01)


def test_sidd_is_transposed_back_with_each_phones_filters(local: Local, server: Server, tmp_path: Path) -> None:
    folder, _ = made("sidd-medium", local, server, tmp_path)
    rows = list(rows_of(folder).values())
    assert [row["model"] for row in rows] == ["Galaxy S6 Edge", "Pixel", "iPhone 7"]
    assert [float(row["iso"]) for row in rows] == [100, 100, 800]
    assert float(rows[2]["exposure_time"]) == pytest.approx(0.001)
    assert rows[0]["kelvin"] == "3200"
    assert rows[0]["scene"] == rows[1]["scene"]
    X, _ = load_pairs(folder)
    for raw, (true, _) in zip(X, pairs(), strict=False):
        assert psnr(np.asarray(raw)[4:-4, 4:-4], true[4:-4, 4:-4]) > 22  # with AsShotNeutral of the metadata


def test_fivecam_is_five_cameras_of_one_scene(local: Local, server: Server, tmp_path: Path) -> None:
    folder, _ = made("fivecam", local, server, tmp_path)
    rows = rows_of(folder)
    assert sorted(rows) == ["0000-P40", "0000-S20", "0001-P40", "0001-S20"]
    assert rows["0000-P40"]["scene"] == rows["0000-S20"]["scene"] != rows["0001-S20"]["scene"]
    X, _ = load_pairs(folder)
    np.testing.assert_allclose(X[0], pairs()[0][0], atol=1e-4)


def test_pixls_reads_names_with_spaces(local: Local, server: Server, tmp_path: Path) -> None:
    folder, _ = made("pixls", local, server, tmp_path)
    assert (folder / "files/Make 0/Model/IMG_0000.CR2").exists()
    assert not list(folder.rglob("timestamp.txt"))


@pytest.mark.parametrize("name", WITHOUT_PAIRS)
def test_a_set_without_pairs_is_files_alone(name: str, local: Local, server: Server, tmp_path: Path) -> None:
    folder, _ = made(name, local, server, tmp_path)
    assert not (folder / "pairs.csv").exists()
    if name == "levin":
        assert len(list((folder / "files").rglob("*.png"))) == 44
    with pytest.raises(InputError, match=f"{name}: has no pairs of raw and srgb"):
        fetch_dataset(name, folder)


def test_files_that_cannot_be_fetched_are_asked_for(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"s7-isp: its files cannot be fetched .*kaggle.*--from FOLDER"):
        fetch_dataset("s7-isp", tmp_path)
    with pytest.raises(FileError, match=r"got: there is no such folder"):
        fetch_dataset("s7-isp", tmp_path, source=tmp_path / "got")
    with pytest.raises(FileError, match=r"holds no raw that matches .*short.* with a picture that matches"):
        fetch_dataset("s7-isp", tmp_path, source=tmp_path)
    with pytest.raises(FileError, match=r"RAISE_1k.csv: cannot be read: No such file"):
        fetch_dataset("raise-1k", tmp_path, source=tmp_path)


def test_a_fetched_set_is_loaded_by_name_and_without_the_network(
    local: Local, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ISPFIT_DATA", str(tmp_path))
    with pytest.raises(FileError, match=r"hdrplus has not been fetched yet; run `ispfit dataset fetch hdrplus`"):
        load_dataset("hdrplus")
    with pytest.raises(FileError, match="set download_if_missing"):
        fetch_dataset("hdrplus", download_if_missing=False)
    FAKES["hdrplus"](server, tmp_path)
    run_fetch(plan_fetch(local("hdrplus"), tmp_path / "hdrplus"), size=64, register=False, n_jobs=1)
    asked = len(server.requests)
    X, Y = load_dataset("hdrplus")
    found = fetch_dataset("hdrplus", download_if_missing=False)
    assert len(X) == len(Y) == len(found.data) == len(found.target) == len(found.names) == len(found.splits) == 4
    assert "Hasinoff" in found.DESCR
    assert len(server.requests) == asked


def test_one_folder_does_not_mix_settings(local: Local, server: Server, tmp_path: Path) -> None:
    folder, _ = made("hdrplus", local, server, tmp_path)
    recipe = local("hdrplus")
    with pytest.raises(FileError, match="other settings"):
        run_fetch(plan_fetch(recipe, folder, only=1), size=16, register=False, n_jobs=1)


def test_the_page_of_all_sets_says_what_the_recipes_say() -> None:
    page = (data_folder().parent / "docs/datasets.md").read_text(encoding="utf-8")
    rows = {line.split("|")[1]: line for line in page.splitlines() if line.startswith("| [")}
    assert len(rows) == len(NAMES)
    for name in NAMES:
        recipe, row = (
            read_recipe(data_folder() / name / "recipe.toml"),
            rows[f" [{name}](../datasets/{name}/README.md) "],
        )
        for shots in (recipe.shots, recipe.first_run.shots):
            assert f"| {shots}: {needs_text(recipe, shots).removesuffix(' at 10 MB/s')} |" in row
        assert f"| {recipe.good_for} |" in row
