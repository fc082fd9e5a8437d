"""Virtual cameras from files: `CAMERAS` holds those of the folder ``datasets/cameras``."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

from ispfit.errors import FileError, InputError
from ispfit.files import data_folder
from ispfit.synthetic.camera import AutoMode, VirtualCamera

__all__ = ["CAMERAS", "dataset_name", "read_camera"]


def read_camera(path: str | os.PathLike[str]) -> VirtualCamera:
    """Read a virtual camera from a TOML file, whose fields are those of `VirtualCamera`.

    Fields that are left out keep their defaults. ``datasets/cameras/virtual-a.toml`` shows all of them.

    Raises
    ------
    FileError
        If the file cannot be read, is not TOML, or describes no camera.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "phone.toml")
    ...     _ = path.write_text('model = "Phone"\\ncfa = "BGGR"\\n[auto_mode]\\nlift = 2.5\\n')
    ...     camera = read_camera(path)
    >>> camera.model, camera.cfa, camera.auto_mode.lift
    ('Phone', 'BGGR', 2.5)
    """
    try:
        fields = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        auto_mode = _tuples(fields.pop("auto_mode", {}))
        return VirtualCamera(auto_mode=AutoMode(**auto_mode), **_tuples(fields))
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {error.strerror}.") from error
    except (ValueError, TypeError, InputError) as error:
        reason = str(error).replace(".__init__()", "").rstrip(".")
        raise FileError(f"{path}: expected a virtual camera as TOML: {reason}.") from error


def _tuples(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields with tuples for lists, as a frozen dataclass has them."""
    return {name: _tuple(value) for name, value in fields.items()}


def _tuple(value: Any) -> Any:
    return tuple(map(_tuple, value)) if isinstance(value, list) else value


def dataset_name(camera: str) -> str:
    """Return the name of the dataset of a camera of `CAMERAS`.

    Examples
    --------
    >>> dataset_name("Virtual A")
    'virtual-a'
    """
    return camera.lower().replace(" ", "-")


def _read_cameras() -> dict[str, VirtualCamera]:
    cameras = [read_camera(path) for path in sorted((data_folder() / "cameras").glob("*.toml"))]
    return {camera.model: camera for camera in cameras}


CAMERAS = _read_cameras()
"""The virtual cameras that ispfit ships, by model."""
