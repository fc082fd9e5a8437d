"""Find recipes: those that ispfit ships, those of plugins, and TOML files."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any

from platformdirs import user_data_path

from ispfit.datasets.load import load_pairs
from ispfit.datasets.recipe import Recipe, read_recipe
from ispfit.errors import FileError, InputError
from ispfit.files import data_folder
from ispfit.plugins.loading import did_you_mean
from ispfit.plugins.manager import get_dataset, list_datasets

__all__ = ["RecipeDataset", "dataset_folder", "get_recipe", "list_recipes", "shipped_datasets"]


class RecipeDataset:
    """A data set that a recipe describes, as the hook ``ispfit_datasets`` returns it: a plugin adds a recipe so.

    Called, it loads the pairs that were fetched.

    Parameters
    ----------
    path : the recipe, a TOML file.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    def __call__(self, folder: str | os.PathLike[str] | None = None, **options: Any) -> tuple[list[Any], list[Any]]:
        """Load the pairs of the data set.

        Parameters
        ----------
        folder : where they were fetched to; None takes that of `dataset_folder`.
        **options : of `load_pairs`.

        Raises
        ------
        FileError
            If the data set was not fetched yet: loading never starts a download.
        """
        recipe = read_recipe(self.path)
        place = dataset_folder(recipe.name) if folder is None else Path(folder)
        if not (place / "pairs.csv").exists():
            raise FileError(
                f"{place}: the data set {recipe.name} has not been fetched yet; run "
                f"`ispfit dataset fetch {recipe.name}`, or ispfit.datasets.fetch_dataset({recipe.name!r})."
            )
        return load_pairs(place, **options)


def dataset_folder(name: str) -> Path:
    """Return where a data set is kept: a folder of its name in $ISPFIT_DATA, else in the user's folder for data."""
    place = os.environ.get("ISPFIT_DATA")
    return (Path(place) if place else user_data_path("ispfit")) / name


def list_recipes() -> dict[str, Recipe]:
    """Return the recipes of ispfit and of plugins by name; this imports all third-party plugins."""
    known = {name: _recipe_of(name) for name in list_datasets()}
    return {name: recipe for name, recipe in known.items() if recipe is not None}


def get_recipe(name_or_path: str | os.PathLike[str]) -> Recipe:
    """Return a recipe by its name, or read it from a TOML file.

    Raises
    ------
    InputError
        If there is no recipe of that name; the message lists all names and the closest one.
    FileError
        If the recipe cannot be read, or is not right.
    """
    name = str(name_or_path)
    if name.lower().endswith(".toml"):
        return read_recipe(name)
    shipped = _shipped()
    if name in shipped:
        return read_recipe(shipped[name])
    known = list_recipes()
    if name not in known:
        raise InputError(
            f"dataset: no recipe is called {name!r}; there are {', '.join(known)}.{did_you_mean(name, known)} "
            "Give the path of a .toml file for one of your own."
        )
    return known[name]


def shipped_datasets() -> dict[str, RecipeDataset]:
    """Return the data sets that ispfit ships recipes of, by name."""
    return {name: RecipeDataset(path) for name, path in _shipped().items()}


@cache
def _shipped() -> dict[str, Path]:
    return {path.parent.name: path for path in sorted(data_folder().glob("*/recipe.toml"))}


def _recipe_of(name: str) -> Recipe | None:
    dataset = get_dataset(name)
    return read_recipe(dataset.path) if isinstance(dataset, RecipeDataset) else None
