"""Datasets by name: the built-ins, and those of plugins."""

from __future__ import annotations

from functools import partial
from typing import Any

from ispfit.datasets.load import load_pairs
from ispfit.errors import PluginError
from ispfit.plugins import hookimpl
from ispfit.plugins.manager import get_dataset, list_datasets
from ispfit.plugins.specs import DatasetLoader
from ispfit.synthetic.camera import CAMERAS
from ispfit.synthetic.pairs import make_camera_pairs

__all__ = ["list_datasets", "load_dataset"]


def load_dataset(name: str, *args: Any, **options: Any) -> tuple[list[Any], list[Any]]:
    """Load a dataset by its name.

    Parameters
    ----------
    name : "synthetic-auto" or "synthetic-manual" (see `make_camera_pairs`), "virtual-a" or "virtual-b" (virtual cameras
        in auto mode), "folder" (see `load_pairs`), or one that a
        plugin adds by the hook ``ispfit_datasets``.
    *args, **options : what the dataset itself takes.

    Returns
    -------
    X, Y : lists of raw and of srgb images, pair by pair.

    Raises
    ------
    InputError
        If no dataset is called so; the message lists those that are, and the closest.
    PluginError
        If the dataset is not a pair of lists of one length.

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
    """Register the synthetic cameras and folders of pairs."""
    return {
        "synthetic-auto": partial(make_camera_pairs, camera="auto"),
        "synthetic-manual": partial(make_camera_pairs, camera="manual"),
        **{
            name.lower().replace(" ", "-"): partial(make_camera_pairs, camera=camera)
            for name, camera in CAMERAS.items()
        },
        "folder": load_pairs,
    }
