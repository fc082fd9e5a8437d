"""`read_nus_model`, on two published cameras and on folders that hold none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ispfit import ISPModel, psnr
from ispfit.datasets import make_camera_pairs
from ispfit.errors import FileError
from ispfit.formats import read_nus_model

CAMERAS = ["NikonD7000_N_Indoor20110507", "NikonD40_N_Tu_Fs_Su_Cl_Sh"]


@pytest.mark.parametrize("name", CAMERAS)
def test_the_published_models_map_their_own_colours(shared_data: Path, name: str) -> None:
    folder = shared_data / "nus-models" / name
    model, data = read_nus_model(folder), np.load(folder / "pairs.npz")
    network = model.networks_["forward"]
    found = network.gamut(torch.from_numpy(data["ctrl"])).numpy()
    assert np.abs(found - data["dest_linear"]).mean() < 1e-4
    raw = torch.from_numpy(data["ctrl"].astype(float) @ np.linalg.inv(data["Ts"]).T).float()
    assert psnr(network.to_srgb(raw), data["jpeg_code"] / 255) > 60
    assert model.camera_ == name


@pytest.mark.parametrize(("name", "least"), list(zip(CAMERAS, [45, 80], strict=True)))
def test_the_published_models_are_undone(shared_data: Path, name: str, least: float) -> None:
    folder = shared_data / "nus-models" / name
    data = np.load(folder / "pairs.npz")
    raw = data["ctrl"].astype(float) @ np.linalg.inv(data["Ts"]).T
    camera = read_nus_model(folder).networks_["forward"]
    srgb = camera.to_srgb(torch.from_numpy(raw).float())
    assert psnr(camera.to_raw(srgb), raw) > least


def test_a_published_model_is_saved_and_loaded(shared_data: Path, tmp_path: Path) -> None:
    model = read_nus_model(shared_data / "nus-models" / CAMERAS[1])
    X, Y = make_camera_pairs(1, image_size=24, random_state=0)
    model.save(tmp_path / "d40.ispfit")
    loaded = ISPModel.load(tmp_path / "d40.ispfit")
    for method, images in (("transform", X), ("inverse_transform", Y)):
        np.testing.assert_array_equal(getattr(loaded, method)(images)[0], getattr(model, method)(images)[0])


def test_a_folder_that_holds_no_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"raw2jpg_ctrlPoints\.txt: cannot be read as a table of numbers"):
        read_nus_model(tmp_path)
    (tmp_path / "raw2jpg_ctrlPoints.txt").write_text("2\n0 0 0\n1 1 1\n")
    (tmp_path / "raw2jpg_coefs.txt").write_text("2\n0 0 0\n1 1 1\n")
    with pytest.raises(FileError, match=r"raw2jpg_coefs\.txt: expected 6 coefficients for 2 control points, got 2\."):
        read_nus_model(tmp_path)
    (tmp_path / "raw2jpg_coefs.txt").write_text("2\n0 0\n1 1\n")
    message = r"raw2jpg_coefs\.txt: expected rows of three finite numbers, got a table of shape \(2, 2\)\."
    with pytest.raises(FileError, match=message):
        read_nus_model(tmp_path)


def test_a_table_that_is_too_short_is_named(tmp_path: Path) -> None:
    gamut = {"ctrlPoints": "1\n0 0 0\n", "coefs": "5\n" + "0 0 0\n" * 5}
    for direction in ("raw2jpg", "jpg2raw"):
        for name, text in gamut.items():
            (tmp_path / f"{direction}_{name}.txt").write_text(text)
    (tmp_path / "raw2jpg_respFcns.txt").write_text("256\n" + "0 0 0\n" * 255)
    message = r"raw2jpg_respFcns\.txt: expected 256 rows of three finite numbers, got a table of shape \(255, 3\)\."
    with pytest.raises(FileError, match=message):
        read_nus_model(tmp_path)
