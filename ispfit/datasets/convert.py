"""Make files that ispfit reads of what data sets ship instead: mosaics as PNG, MATLAB or NumPy files, and no picture.

A raw that is no camera file becomes a DNG file, or linear TIFF if it is demosaiced, and goes the one way into pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image as PILImage

from ispfit.datasets.layout import FoundShot
from ispfit.datasets.recipe import Camera, Mosaic, Recipe
from ispfit.errors import FileError, InputError, decoding
from ispfit.files import make_folder
from ispfit.images import Image
from ispfit.io import write_linear
from ispfit.io.dng import write_dng
from ispfit.io.libraw_rendering import write_libraw_rendering
from ispfit.jobs import run_jobs

__all__ = ["converted"]

_Codes = npt.NDArray[np.uint16]

_MAX_PIXELS = 250_000_000
_WHITE = 65535
_INSTALL = 'it is MATLAB\'s HDF5, which needs h5py: pip install "ispfit[hdf5]"'


def converted(
    recipe: Recipe, shots: Sequence[FoundShot], source: Path, target: Path, n_jobs: int | None
) -> tuple[dict[str, tuple[Path, Path]], list[str]]:
    """Return the two files of each shot by its name, made in `target` where ispfit does not read them as they are.

    Files that were made before are kept. The second result says which shots failed, and why.
    """
    pairing = recipe.pairing
    assert pairing is not None  # there are shots
    make_folder(target)
    results = run_jobs(
        partial(_convert, recipe=recipe, source=source, target=target),
        shots,
        n_jobs=1 if pairing.mosaic is None and pairing.srgb != "libraw" else n_jobs,
        label="converting",
        unit="shot",
        describe=_raw_of,
    )
    failed = set(results.failed)
    good = [shot.name for index, shot in enumerate(shots) if index not in failed]
    return dict(zip(good, results.results, strict=True)), results.failures


def _raw_of(shot: FoundShot) -> str:
    return shot.raw


def _convert(shot: FoundShot, recipe: Recipe, source: Path, target: Path) -> tuple[Path, Path]:
    pairing = recipe.pairing
    assert pairing is not None
    raw = source / shot.raw
    if pairing.srgb == "libraw":
        return raw, _unless_there(target / f"{shot.name}.jpg", raw, write_libraw_rendering)
    if pairing.mosaic is not None:
        suffix = ".tif" if pairing.mosaic.kind == "rgb" else ".dng"
        make = partial(_write_raw, mosaic=pairing.mosaic, camera=_camera(recipe, shot), shot=shot, folder=source)
        raw = _unless_there(target / f"{shot.name}{suffix}", raw, make)
    return raw, raw if pairing.srgb == "embedded" else source / shot.srgb


def _camera(recipe: Recipe, shot: FoundShot) -> Camera:
    told = shot.groups.get("camera", "")
    if not recipe.cameras:
        return Camera(model=recipe.camera)
    if told not in recipe.cameras:
        known = ", ".join(recipe.cameras)
        raise InputError(f"{shot.raw}: is of the camera {told!r}, and the recipe knows {known}.")
    return recipe.cameras[told]


def _unless_there(path: Path, raw: Path, make: Any) -> Path:
    if not path.exists() or path.stat().st_mtime_ns < raw.stat().st_mtime_ns:
        make(raw, path)
    return path


def _write_raw(raw: Path, path: Path, *, mosaic: Mosaic, camera: Camera, shot: FoundShot, folder: Path) -> None:
    """Write the raw of a shot as DNG, or as linear TIFF if it has three channels."""
    with decoding(raw):
        codes = _READERS[mosaic.kind](raw, mosaic)
    if mosaic.kind == "rgb":
        write_linear(path, Image(codes.astype(np.float32) / _WHITE))
        return
    iso, seconds = (_number(shot.groups.get(name)) for name in ("iso", "shutter"))
    write_dng(
        path,
        codes,
        cfa=camera.cfa or mosaic.cfa,
        black_level=mosaic.black,
        white_level=mosaic.white,
        as_shot_neutral=_neutral(mosaic, shot, folder),
        make=camera.make,
        model=camera.model,
        iso=iso or 100,
        exposure_time=1 / seconds if seconds else 0.01,
    )


def _number(text: str | None) -> float:
    return float(text) if text and text.isdigit() else 0.0


def _read_png(raw: Path, mosaic: Mosaic) -> _Codes:
    """A mosaic of one channel; 8-bit files of a set of 16-bit files hold the same codes, which happened to fit."""
    with PILImage.open(raw) as picture:
        _check_size(raw, picture.height * picture.width)
        codes = np.asarray(picture)
    if codes.ndim != 2 or codes.dtype.kind not in "ui":
        raise FileError(f"{raw}: expected a mosaic of one channel, got {codes.dtype} {codes.shape}.")
    return _as_codes(raw, codes, mosaic.white)


def _read_mat(raw: Path, mosaic: Mosaic) -> _Codes:
    """A mosaic in [0, 1] in MATLAB 7.3 (HDF5), which stores columns first: the transpose is upright."""
    try:
        h5py = import_module("h5py")
    except ImportError as error:
        raise FileError(f"{raw}: cannot be read: {_INSTALL}.") from error
    with h5py.File(raw, "r") as file:
        if mosaic.key not in file or file[mosaic.key].ndim != 2:
            raise FileError(f"{raw}: expected a mosaic as {mosaic.key!r}, got {', '.join(file)}.")
        _check_size(raw, file[mosaic.key].size)
        values = np.asarray(file[mosaic.key], np.float32).T
    if not (np.isfinite(values).all() and values.max(initial=0) <= 1.001):
        raise FileError(f"{raw}: expected values in [0, 1], got up to {values.max(initial=0):g}.")
    return _as_codes(raw, np.rint(np.clip(values, 0, 1) * mosaic.white), mosaic.white)


def _read_npy(raw: Path, mosaic: Mosaic) -> _Codes:
    """Four planes of a mosaic, H x W x 4 in the order of its colour filters, put back where they were."""
    planes = np.load(raw, mmap_mode="r", allow_pickle=False)
    if planes.ndim != 3 or planes.shape[2] != 4 or planes.dtype.kind not in "uif":
        raise FileError(f"{raw}: expected four planes H x W x 4 of numbers, got {planes.dtype} {planes.shape}.")
    _check_size(raw, planes.size)
    scale = mosaic.white if planes.dtype.kind == "f" else 1
    codes = np.rint(np.asarray(planes) * scale)
    rows, columns = planes.shape[:2]
    whole = codes.reshape(rows, columns, 2, 2).transpose(0, 2, 1, 3).reshape(2 * rows, 2 * columns)
    return _as_codes(raw, whole, mosaic.white)


def _read_rgb(raw: Path, mosaic: Mosaic) -> _Codes:
    """Three linear channels of 16 bits."""
    imageio = import_module("imageio.v3")
    codes = np.asarray(imageio.imread(raw))
    if codes.ndim != 3 or codes.shape[2] != 3 or codes.dtype != np.uint16:
        raise FileError(f"{raw}: expected three channels of 16 bits, got {codes.dtype} {codes.shape}.")
    return _as_codes(raw, np.minimum(np.rint(codes * (_WHITE / mosaic.white)), _WHITE), _WHITE)


_READERS = {"png": _read_png, "mat": _read_mat, "npy": _read_npy, "rgb": _read_rgb}


def _as_codes(raw: Path, codes: npt.NDArray[Any], white: int) -> _Codes:
    if not (codes.min(initial=0) >= 0 and codes.max(initial=0) <= _WHITE):
        raise FileError(f"{raw}: expected codes of 0 to {_WHITE}, got {codes.min()} to {codes.max()}.")
    return np.minimum(codes.astype(np.uint16), np.uint16(white))


def _check_size(raw: Path, pixels: int) -> None:
    if pixels > _MAX_PIXELS:
        raise FileError(f"{raw}: has {pixels / 1e6:.0f} megapixels; more than {_MAX_PIXELS // 10**6} are not read.")


def _neutral(mosaic: Mosaic, shot: FoundShot, folder: Path) -> tuple[float, float, float]:
    """The camera RGB of a neutral surface: AsShotNeutral of the metadata beside the raw; all ones if there is none."""
    if mosaic.neutral is None:
        return 1.0, 1.0, 1.0
    path = folder / shot.raw.replace(*mosaic.neutral)
    loadmat = import_module("scipy.io").loadmat
    with decoding(path):
        values = np.ravel(loadmat(path)["metadata"][0, 0]["AsShotNeutral"]).astype(float)
    if values.shape != (3,) or not (np.isfinite(values).all() and (values > 0).all()):
        raise FileError(f"{path}: expected AsShotNeutral as three numbers above 0, got {values}.")
    red, green, blue = values.tolist()
    return red, green, blue
