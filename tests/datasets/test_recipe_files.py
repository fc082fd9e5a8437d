"""Recipes of the user's own and of plugins."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from dataset_fakes import FAKES, roll
from dataset_server import Server

import ispfit.cli.dataset as command
from ispfit.datasets import RecipeDataset, list_recipes, load_dataset
from ispfit.datasets.recipe import Recipe, read_recipe
from ispfit.datasets.recipes import get_recipe
from ispfit.errors import FileError, InputError
from ispfit.files import data_folder

MINE = """
name = "mine"
title = "My shots"
citation = "none"
home_page = "https://example.org"
camera = "mine"
raw = "DNG files"
srgb = "JPEG files"
made_by = "camera"
good_for = "trying it"
shots = 4
bytes = 400_000
first_run = { shots = 1, bytes = 100_000 }
licence = { name = "CC0" }
downloads = [{ url = "URL/{shot}.{kind}", each = { shot = [1, 2, 3, 4], kind = ["dng", "jpg"] } }]
pairing = { raw = '(?P<shot>[0-9]+)\\.dng$', srgb = '(?P<shot>[0-9]+)\\.jpg$', align = false }
splits = { source = "none" }
"""


@pytest.fixture
def mine(server: Server, tmp_path: Path) -> Path:
    for number, (dng, jpeg) in enumerate(roll(), 1):
        server.put(f"https://example.org/{number}.dng", dng)
        server.put(f"https://example.org/{number}.jpg", jpeg)
    path = tmp_path / "my.toml"
    path.write_text(MINE.replace("URL", server.here("https://example.org")), encoding="utf-8")
    return path


def run(*arguments: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(command.dataset, [str(each) for each in arguments], standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return int(result.return_value), result.output


def test_a_recipe_of_ones_own_is_fetched_by_its_file(mine: Path, tmp_path: Path) -> None:
    code, output = run("fetch", mine, "-o", tmp_path / "set", "--yes", "--jobs", "1", "--size", "64")
    assert code == 0
    assert "4 pairs, 0 rejected" in output
    assert f"next: ispfit fit {tmp_path / 'set'} -o camera.ispfit" in output
    assert (tmp_path / "set/pairs.csv").exists()


def test_nothing_is_fetched_unless_the_user_says_so(mine: Path, server: Server, tmp_path: Path) -> None:
    with pytest.raises(Exception, match=r"nobody can be asked here: add --yes"):
        run("fetch", mine, "-o", tmp_path / "set")
    assert server.requests == []
    assert not (tmp_path / "set").exists()


def test_files_alone(mine: Path, tmp_path: Path) -> None:
    code, output = run("fetch", mine, "-o", tmp_path / "set", "--yes", "--raw-only")
    assert code == 0
    assert "4 shots" in output
    assert sorted(path.name for path in (tmp_path / "set").iterdir()) == ["files"]


def test_a_set_can_be_listed_and_shown(mine: Path) -> None:
    code, output = run("list")
    assert code == 0
    assert all(name in output for name in FAKES)
    code, output = run("show", "zrr-test")
    assert code == 0
    for part in ("CC BY-NC-SA", "range requests", "2.3 GB of disk", "ispfit dataset fetch zrr-test -o FOLDER"):
        assert part in " ".join(output.split())
    code, output = run("show", mine, "--json")
    assert code == 0
    assert '"title": "My shots"' in output


def test_a_plugin_adds_a_recipe_by_the_hook(mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ispfit.datasets.recipes.list_datasets", lambda: ["mine", "other"])
    monkeypatch.setattr(
        "ispfit.datasets.recipes.get_dataset", lambda name: RecipeDataset(mine) if name == "mine" else len
    )
    assert list(list_recipes()) == ["mine"]
    assert get_recipe("mine").title == "My shots"


def test_an_unknown_name_is_told_with_the_closest() -> None:
    with pytest.raises(InputError, match=r"no recipe is called 'hdrplu'; there are .*Did you mean 'hdrplus'\?"):
        get_recipe("hdrplu")
    with pytest.raises(InputError, match="dataset: none is called 'hdrplu'"):
        load_dataset("hdrplu")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name = "mine"', 'name = "My Set"', r"name: String should match pattern"),
        ("shots = 4", "shots = 0", r"shots: Input should be greater than or equal to 1, got 0"),
        ('title = "My shots"', "", r"title: Field required"),
        ("[0-9]+)\\.dng", "[0-9+)\\.dng", r"pairing.raw: expected a regular expression"),
        ("(?P<shot>[0-9]+)\\.dng", "[0-9]+\\.dng", r"pairing: raw: expected a pattern with a group \(\?P<shot>"),
        ("align = false", "keep = [0, 0.5, 1, 0.2]", r"pairing: keep: expected shares"),
        ("align = false", "register = false", r"pairing.register: Extra inputs are not permitted"),
        ('url = "URL/', 'url = "ftps:/', r"downloads.0.url: expected a URL, got 'ftps:"),
        ('made_by = "camera"', 'made_by = "nobody"', r"expected `pairing`, unless made_by is"),
        (
            "downloads =",
            "archives = [{ url = 'http://x/a', kind = 'tar', ranged = true }]\n#",
            r"archives.0: ranged: only",
        ),
        ("downloads =", "#", r"recipe: expected downloads, archives, listings, or in `manual` how"),
        ('name = "mine"', "name = ", r"my.toml: expected a recipe as TOML: Invalid value"),
    ],
)
def test_a_wrong_recipe_is_told_field_by_field(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in MINE
    path = tmp_path / "my.toml"
    path.write_text(MINE.replace(old, new).replace("URL/{", "http://x/{"), encoding="utf-8")
    with pytest.raises(FileError, match=message):
        read_recipe(path)


@pytest.mark.parametrize("path", ["../x", "/x", "a/../../x", "a\\x", "C:/x", "", "a/\0"])
def test_no_path_leads_out_of_the_folder(path: str, tmp_path: Path) -> None:
    fields = {"url": "https://example.org/x", "path": path}
    with pytest.raises(ValueError, match="expected a path within the folder of the data set"):
        Recipe.model_validate(read_recipe(data_folder() / "levin/recipe.toml").model_dump() | {"downloads": [fields]})


def test_what_a_set_needs_grows_with_the_shots(local: Callable[[str], Recipe]) -> None:
    recipe = local("hdrplus")
    disk, seconds = zip(*(recipe.needs(shots) for shots in (20, 60, 153, 500)), strict=True)
    assert disk[0] < disk[1] < disk[2] == disk[3]
    assert seconds[0] < seconds[1] < seconds[2] == seconds[3]
    assert disk[2] == recipe.bytes + 153 * 1_600_000
