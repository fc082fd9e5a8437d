"""From shots, or from a model file, to what a LUT is made of: model, scenes, matrix, shots to measure it on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ispfit.datasets import list_splits, load_pairs
from ispfit.errors import InputError
from ispfit.estimator import ISPModel, load
from ispfit.formats.bake import LutSpace
from ispfit.formats.camera_matrix import estimate_color_matrix
from ispfit.formats.encodings import camera_to_srgb, get_encoding
from ispfit.io import find_files, raw_suffixes, read_color_matrix, read_raw, read_srgb
from ispfit.io.color_matrix import find_color_matrix
from ispfit.splits import evenly_spaced, split_groups

__all__ = ["LutSource", "lut_source"]

_HELD_OUT_SHARE = 0.2
_MAX_MEASURED, _MAX_ESTIMATES = 12, 20
_Pairs: TypeAlias = tuple[list[Any], ...]


@dataclass
class LutSource:
    """What a LUT is made of.

    Parameters
    ----------
    model : fitted in `direction`.
    direction : "forward" or "inverse".
    training, held_out : inputs and targets of the direction.
    paths : where RAW files of the camera may be.
    trained_here : whether the model was fitted to `training`.
    matrix_note : where the colour matrix comes from, once `space` was called.
    """

    model: ISPModel
    direction: str
    training: _Pairs
    held_out: _Pairs
    paths: Sequence[Path]
    trained_here: bool
    matrix_note: str = field(default="none is needed")

    @property
    def n_shots(self) -> int:
        """Number of shots that could be read."""
        return len(self.training[0]) + len(self.held_out[0])

    def scene_images(self, scene: str) -> Sequence[Any]:
        """Return the images whose scenes the LUT stands for: of the training shots for "mean", else that of a file.

        Raises
        ------
        InputError
            If the mean is asked for, the network looks at the scene, and there are no shots.
        FileError
            If the file cannot be read.
        """
        if scene != "mean":
            return [read_raw(scene) if self.direction == "forward" else read_srgb(scene)]
        if self.training[0]:
            return self.training[0]
        if self.model.networks_[self.direction].uses_scene:
            raise InputError(
                "--scene mean: a model file holds no shots; give a folder of them as --shots, or the scene of one "
                "image as --scene IMAGE."
            )
        return [np.full((8, 8, 3), 0.5, np.float32)]

    def space(self, encoding: str, *, is_haldclut: bool, matrix_of: Path | None) -> LutSpace:
        """Return the encodings of the LUT: the same for raw and rendering, or the camera's and sRGB.

        Raises
        ------
        InputError
            If the encoding needs a colour matrix and there is none.
        """
        chosen, srgb = get_encoding(encoding), get_encoding("srgb")
        if is_haldclut:
            chosen = chosen.with_srgb_curve()
        camera = self._camera_matrix(matrix_of)
        if chosen.primaries is None:
            return LutSpace(self.direction, chosen, srgb, camera)
        if camera is None:
            raise InputError(
                f"--encoding {encoding}: needs the colour matrix of the camera; give one of its RAW files as "
                "--matrix-of."
            )
        rendered = chosen if self.direction == "forward" else srgb
        return LutSpace(self.direction, chosen, rendered, camera)

    def _camera_matrix(self, matrix_of: Path | None) -> npt.NDArray[np.float64] | None:
        if matrix_of is not None:
            self.matrix_note = f"of {matrix_of}"
            return camera_to_srgb(read_color_matrix(matrix_of))
        found, path = find_color_matrix(find_files(self.paths, raw_suffixes() - {".tif", ".tiff"}))
        if found is not None:
            self.matrix_note = f"of {path}"
            return camera_to_srgb(found)
        if self.model.color_matrix_ is not None:
            self.matrix_note = "of the model"
            return camera_to_srgb(self.model.color_matrix_)
        if not self.training[0]:
            return None
        self.matrix_note = "estimated from the shots; better give a RAW file as --matrix-of"
        ways = [self.training[0], self.training[1]]
        raws, srgbs = ways if self.direction == "forward" else ways[::-1]
        few = evenly_spaced(len(raws), _MAX_ESTIMATES)
        each = [camera_to_srgb(estimate_color_matrix(np.asarray(raws[i]), np.asarray(srgbs[i]))) for i in few]
        return np.asarray(np.mean(each, axis=0))


def lut_source(
    source: Sequence[Path], shots: Path | None, direction: str, *, backbone: str = "photofinish", register: bool = True
) -> LutSource:
    """Load a model file, or fit a model to shots; a fifth of the shots (the split "test") is held out.

    Parameters
    ----------
    source : one model file; or RAW files, folders of them, or a pairs.csv.
    shots : pairs, if `source` is a model file.
    direction : "forward" or "inverse".
    backbone : that is fitted.
    register : whether shots are registered.

    Raises
    ------
    InputError
        If `shots` are given twice, or the model has not the direction.
    FileError
        If a file cannot be read.
    """
    given = source[0] if len(source) == 1 and _is_model(source[0]) else None
    if given is None and shots is not None:
        raise InputError("--shots: is for a model file; SOURCE are shots already.")
    paths = list(source) if given is None else [shots] if shots is not None else []
    training, held_out = _load(paths, register) if paths else (([], []), ([], []))
    if given is None:
        model = ISPModel(backbone, random_state=0).fit(*training)
    else:
        model = load(given)
        if direction not in model.networks_:
            raise InputError(f"{given}: was not fitted in the {direction} direction.")
    if direction == "inverse":
        training, held_out = training[::-1], held_out[::-1]
    return LutSource(model, direction, training, held_out, paths, given is None)


def _is_model(path: Path) -> bool:
    return path.is_file() and path.suffix.lower() not in raw_suffixes() | {".csv"}


def _load(paths: list[Path], register: bool) -> tuple[_Pairs, _Pairs]:
    """Return the pairs to train on and those that are held out, at most 12."""
    splits = list_splits(paths)
    if "test" in splits:
        others = [name for name in splits if name != "test"]
        training = load_pairs(paths, others, lazy=True, register=register)
        held_out = load_pairs(paths, "test", lazy=True, register=register)
    else:
        X, Y = load_pairs(paths, lazy=True, register=register)
        scenes = [image.shot.scene or image.shot.name or str(index) for index, image in enumerate(X)]
        split = split_groups(scenes, {"test": round(_HELD_OUT_SHARE * len(X))}, np.random.default_rng(0))
        training, held_out = (
            (_chosen(X, scenes, split, name), _chosen(Y, scenes, split, name)) for name in ("train", "test")
        )
    few = evenly_spaced(len(held_out[0]), _MAX_MEASURED)
    return (training[0], training[1]), ([held_out[0][i] for i in few], [held_out[1][i] for i in few])


def _chosen(images: list[Any], scenes: list[str], split_of: dict[str, str], split: str) -> list[Any]:
    return [image for image, scene in zip(images, scenes, strict=True) if split_of[scene] == split]
