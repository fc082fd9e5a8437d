"""Datasets by name: those of ispfit and those of plugins."""

from __future__ import annotations

from functools import partial
from typing import Any

from ispfit.datasets.load import load_pairs
from ispfit.datasets.recipes import shipped_datasets
from ispfit.errors import PluginError
from ispfit.plugins import hookimpl
from ispfit.plugins.manager import get_dataset, list_datasets
from ispfit.plugins.specs import DatasetLoader
from ispfit.synthetic.camera_files import CAMERAS, dataset_name
from ispfit.synthetic.pairs import make_camera_pairs

__all__ = ["list_datasets", "load_dataset"]


def load_dataset(name: str, *args: Any, **options: Any) -> tuple[list[Any], list[Any]]:
    """Return the pairs of a dataset, given its name.

    Parameters
    ----------
    name : "virtual-a" or "virtual-b" for a virtual camera in auto mode, "synthetic-manual" for the first of them with
        its auto mode off (see `make_camera_pairs`), "folder" (see `load_pairs`), a data set that was fetched, such as
        "hdrplus" (see `fetch_dataset`), or a name that a plugin adds by the hook ``ispfit_datasets``.
    *args, **options : parameters of the dataset.

    Returns
    -------
    X, Y : lists of raw and of srgb images, pair by pair.

    Raises
    ------
    InputError
        If there is no dataset of that name; the message lists all names and the closest one.
    PluginError
        If a plugin's dataset does not return two lists of one length.

    Examples
    --------
    >>> X, Y = load_dataset("synthetic-manual", n_samples=2, image_size=16, random_state=0)
    >>> X[0].shape == Y[0].shape == (16, 16, 3)
    True
    """
    loaded: Any = get_dataset(name)(*args, **options)
    if not (isinstance(loaded, tuple) and len(loaded) == 2 and len(loaded[0]) == len(loaded[1])):
        raise PluginError(f"dataset {name!r}: expected two lists of one length, X and Y, got {type(loaded).__name__}.")
    return loaded


@hookimpl
def ispfit_datasets() -> dict[str, DatasetLoader]:
    """Register the synthetic cameras, folders of pairs and the data sets that ispfit ships recipes of."""
    return {
        "synthetic-manual": partial(make_camera_pairs, camera="manual"),
        **{dataset_name(name): partial(make_camera_pairs, camera=camera) for name, camera in CAMERAS.items()},
        "folder": load_pairs,
        **shipped_datasets(),
    }
