"""Scenes of images: described, exchanged, pickled, refused."""

from __future__ import annotations

import pickle
import re
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import torch
from small import brief_photofinish, small
from toys import Gamma, Restless, quick, toy_pairs

from ispfit import ISPModel, Scene, list_backbones
from ispfit.errors import InputError, NotFittedError
from ispfit.images import Image
from ispfit.io import write_linear, write_srgb

DIRECTIONS = {"forward": "transform", "inverse": "inverse_transform"}


def dark_and_bright() -> list[Image]:
    """Two images of different sizes and very different scenes."""
    rng = np.random.default_rng(0)
    return [
        Image(0.1 + 0.3 * rng.random((40, 52, 3), np.float32)),
        Image(0.4 + 0.6 * rng.random((46, 38, 3), np.float32)),
    ]


@pytest.fixture(scope="module", params=list_backbones())
def fitted(request: pytest.FixtureRequest) -> ISPModel:
    with brief_photofinish():
        return quick(small(request.param), max_steps=8, learning_rate=3e-3).fit(*toy_pairs(2))


@pytest.fixture(scope="module")
def histpyramid() -> ISPModel:
    return quick("histpyramid", max_steps=2).fit(*toy_pairs(4))


@pytest.fixture(scope="module")
def mlp() -> ISPModel:
    return quick("mlp", max_steps=2).fit(*toy_pairs(4))


# Every backbone


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_a_scene_is_one_row_of_tensors_on_the_cpu(fitted: ISPModel, direction: str) -> None:
    scenes = fitted.describe(dark_and_bright(), direction)
    assert [type(scene) for scene in scenes] == [Scene, Scene]
    for tensor in (tensor for scene in scenes for tensor in scene.values()):
        assert tensor.device.type == "cpu"
        assert len(tensor) == 1
        assert not tensor.is_inference()
        assert tensor.untyped_storage().nbytes() == tensor.nbytes  # a pickle holds nothing else


@pytest.mark.parametrize(("direction", "method"), DIRECTIONS.items())
def test_an_image_with_its_own_scene_is_rendered_as_without(fitted: ISPModel, direction: str, method: str) -> None:
    images, render = dark_and_bright(), getattr(fitted, method)
    scenes = fitted.describe(images, direction)
    for image, plain in zip(render(images, scenes=scenes), render(images), strict=True):
        np.testing.assert_array_equal(image, plain)


@pytest.mark.parametrize(("direction", "method"), DIRECTIONS.items())
def test_the_scene_of_another_image_matters_to_those_that_have_one(
    fitted: ISPModel, direction: str, method: str
) -> None:
    images, render = dark_and_bright(), getattr(fitted, method)
    scenes = fitted.describe(images, direction)
    for image, plain in zip(render(images, scenes[::-1]), render(images), strict=True):
        assert image.shape == plain.shape
        assert np.array_equal(image, plain) == (not scenes[0])


def test_the_scene_of_a_whole_image_is_the_one_that_renders_it(
    fitted: ISPModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, used = fitted.networks_["forward"], []
    render = network.render

    def noting(pixels: Any, scene: Scene, window: Any) -> Any:
        used.append(scene)
        return render(pixels, scene, window)

    monkeypatch.setattr(network, "render", noting)
    images = dark_and_bright()
    fitted.transform(images)
    for scene, other in zip(fitted.describe(images), (used[0], used[-1]), strict=True):
        assert scene.keys() == other.keys()
        assert all(torch.equal(tensor, other[name]) for name, tensor in scene.items())


def test_scenes_survive_pickling(fitted: ISPModel, tmp_path: Path) -> None:
    images = dark_and_bright()
    scenes = fitted.describe(images)
    joblib.dump(scenes, tmp_path / "scenes")
    for copies in (pickle.loads(pickle.dumps(scenes)), joblib.load(tmp_path / "scenes")):
        for image, copy in zip(fitted.transform(images, scenes), fitted.transform(images, copies), strict=True):
            np.testing.assert_array_equal(image, copy)


# Inputs


def test_files_are_described(histpyramid: ISPModel, tmp_path: Path) -> None:
    raw = dark_and_bright()[0]
    write_linear(tmp_path / "a.tif", raw, dtype="float32")
    write_srgb(tmp_path / "a.png", raw)
    for path, direction, image in (
        (tmp_path / "a.tif", "forward", raw),
        (tmp_path / "a.png", "inverse", Image(np.round(raw * 255) / 255)),
    ):
        [found], [expected] = histpyramid.describe([path], direction), histpyramid.describe([image], direction)
        torch.testing.assert_close(found["histogram"], expected["histogram"])


def test_each_direction_describes_what_it_renders() -> None:
    """An invertible backbone too; the shot stays that of the image."""
    raws, srgbs = toy_pairs(4)
    model = quick(Gamma()).fit(raws, srgbs)
    assert [dict(scene) for scene in model.describe(srgbs[:1], "inverse")] == [{}]
    assert model.inverse_transform(srgbs[:1], [Scene()])[0].shot == srgbs[0].shot


def test_scenes_can_be_made_by_hand(histpyramid: ISPModel) -> None:
    """Figure 6 of the paper: an image with the histogram of another and all else of its own."""
    images = dark_and_bright()
    first, second = histpyramid.describe(images)
    manipulated = Scene(**{**first, "histogram": second["histogram"]})
    [plain], [changed] = histpyramid.transform(images[:1]), histpyramid.transform(images[:1], (manipulated,))
    assert not np.array_equal(plain, changed)


def test_fit_transform_and_a_bare_transform_go_on() -> None:
    X, Y = toy_pairs(4)
    for image, other in zip(quick().fit_transform(X, Y), quick().fit(X, Y).transform(X), strict=True):
        np.testing.assert_array_equal(image, other)


# What is refused


@pytest.mark.parametrize(
    ("scenes", "message"),
    [
        (Scene(), "scenes: expected a sequence of Scene objects, got Scene; for one image pass [scene]."),
        (3, "scenes: expected a sequence of Scene objects, got int."),
        (iter([]), "scenes: expected a sequence of Scene objects, got list_iterator."),
        ([], "scenes: expected one Scene for each of 2 images, got 0."),
        ([Scene()] * 3, "scenes: expected one Scene for each of 2 images, got 3."),
        ([Scene(), None], "scenes[1]: expected a Scene, as ISPModel.describe returns it, got NoneType."),
        (
            [Scene(), Scene(mean=torch.zeros(1, 3), b=torch.zeros(1))],
            "scenes[1]: expected no tensors (the network does not use the scene), got the tensors b, mean; it comes "
            "from another backbone or direction; describe the image with this model and this direction.",
        ),
    ],
)
def test_what_is_not_a_scene_of_each_image_is_refused(mlp: ISPModel, scenes: Any, message: str) -> None:
    for render in (mlp.transform, mlp.inverse_transform):
        with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
            render(dark_and_bright(), scenes)


def test_a_scene_of_another_network_is_refused_with_the_tensor_that_differs() -> None:
    model = quick(Restless(), max_steps=2).fit(*toy_pairs(4))
    [image] = toy_pairs(1)[0]
    remedy = "it comes from another backbone or direction; describe the image with this model and this direction."
    for scene, message in (
        (Scene(), "expected the tensors mean, got no tensors (the network does not use the scene); " + remedy),
        (Scene(means=torch.zeros(1)), "expected the tensors mean, got the tensors means; " + remedy),
        (Scene(mean=torch.zeros(1, 3)), "expected mean of shape (1,), got (1, 3); " + remedy),
        (Scene(mean=torch.zeros(())), "expected mean of shape (1,), got (); " + remedy),
        (Scene(mean=np.zeros(1)), "expected mean to be a torch.Tensor, got ndarray."),  # type: ignore[arg-type]
        (
            Scene(mean=torch.zeros(2)),
            "expected the scene of one image, got mean of 2 images; take one of them by "
            "scene.select(torch.tensor([0])).",
        ),
    ):
        with pytest.raises(InputError, match=f"^{re.escape(f'scenes[0]: {message}')}$"):
            model.transform([image], [scene])


def test_one_of_several_scenes_is_taken_as_the_message_says(histpyramid: ISPModel) -> None:
    images = dark_and_bright()
    scenes = histpyramid.describe(images)
    both = Scene.cat(scenes)
    chosen = both.select(torch.tensor([1]))
    for image, other in zip(
        histpyramid.transform(images[:1], [chosen]), histpyramid.transform(images[:1], scenes[1:]), strict=True
    ):
        np.testing.assert_array_equal(image, other)


def test_what_cannot_be_described_is_told(mlp: ISPModel) -> None:
    images = dark_and_bright()
    with pytest.raises(NotFittedError, match="this ISPModel is not fitted yet"):
        quick().describe(images)
    with pytest.raises(InputError, match="direction: expected 'forward' or 'inverse', got 'both'"):
        mlp.describe(images, "both")
    with pytest.raises(InputError, match=r"X: expected a sequence of images, .* for one image pass \[X\]"):
        mlp.describe(images[0])
    with pytest.raises(NotFittedError, match="no inverse direction"):
        quick(direction="forward", max_steps=1).fit(*toy_pairs(2)).describe(images, "inverse")
