"""Standard deviations of what an `ISPModel` renders, and of its exposure."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from torch import Tensor
from toys import SHOT, quick, toy_pairs

from ispfit import Backbone, ISPModel, Network, Scene, Window
from ispfit.errors import BackboneError, InputError, NotFittedError
from ispfit.images import Image
from ispfit.io import write_linear
from ispfit.rendering import render_std
from ispfit.runtime import Runtime


class SureNetwork(Network):
    """Renders halves; the standard deviation is a tenth of the input, times the mean of the scene."""

    halo = 1
    gain: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("gain", torch.tensor(0.5))

    def fit_pairs(self, pairs: Iterable[tuple[Image, Image]]) -> None: ...

    def describe(self, image: Tensor) -> Scene:
        return Scene(mean=image.mean((1, 2, 3)))

    def render(self, pixels: Tensor, scene: Scene, window: Window) -> Tensor:
        return self.gain * pixels[:, :, 1:-1, 1:-1]

    def describe_std(self, scene: Scene) -> Scene:
        return Scene(factor=0.1 * scene["mean"])

    def render_std(self, pixels: Tensor, scene: Scene, window: Window) -> Tensor:
        return scene["factor"][:, None, None, None] * pixels[:, :, 1:-1, 1:-1]

    def exposure_std(self, image: Tensor, scene: Scene) -> Tensor:
        return 2 * scene["mean"]


class Sure(Backbone):
    name = "sure"

    def build(self) -> Network:
        return SureNetwork()


class PixelsOnlyNetwork(SureNetwork):
    exposure_std = Network.exposure_std


class PixelsOnly(Sure):
    def build(self) -> Network:
        return PixelsOnlyNetwork()


class Lazy:
    """An image that is read on demand."""

    def __init__(self, image: Image) -> None:
        self.image, self.shape, self.shot = image, image.shape, image.shot

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return np.asarray(self.image, dtype)


@pytest.fixture(scope="module")
def model() -> ISPModel:
    return quick(Sure()).fit(*toy_pairs(3))


def expected(image: Image) -> Any:
    return 0.1 * np.asarray(image).mean() * np.asarray(image)


@pytest.mark.parametrize("method", ["transform", "inverse_transform", "predict"])
def test_standard_deviations_come_with_the_images(model: ISPModel, method: str) -> None:
    X, _ = toy_pairs(2)
    rendered, stds = getattr(model, method)(X, return_std=True)
    for image, plain, result, std in zip(X, getattr(model, method)(X), rendered, stds, strict=True):
        np.testing.assert_array_equal(result, plain)
        np.testing.assert_allclose(std, expected(image), rtol=1e-5)
        assert isinstance(std, Image)
        assert (std.dtype, std.shape, std.shot) == (np.float32, image.shape, SHOT)


@pytest.mark.parametrize("make", [list, tuple, np.stack, lambda images: [Lazy(image) for image in images]])
def test_whatever_transform_takes_has_standard_deviations(model: ISPModel, make: Any) -> None:
    X, _ = toy_pairs(2)
    _, stds = model.transform(make(X), return_std=True)
    assert isinstance(stds, list)
    for image, std in zip(X, stds, strict=True):
        np.testing.assert_allclose(std, expected(image), rtol=1e-5)


def test_files_have_standard_deviations(model: ISPModel, tmp_path: Path) -> None:
    [image], _ = toy_pairs(1)
    write_linear(tmp_path / "a.tif", image, dtype="float32")
    _, [std] = model.transform([tmp_path / "a.tif"], return_std=True)
    np.testing.assert_allclose(std, expected(image), rtol=1e-5)


def test_the_scene_that_is_given_says_how_sure_it_is(model: ISPModel) -> None:
    X, _ = toy_pairs(2)
    bright = Image(np.full((8, 8, 3), 0.8, np.float32))
    _, [std] = model.transform(X[:1], scenes=model.describe([bright]), return_std=True)
    np.testing.assert_allclose(std, 0.08 * np.asarray(X[0]), rtol=1e-5)


def test_standard_deviations_of_tiles_are_those_of_the_whole() -> None:
    image = np.random.default_rng(0).random((40, 52, 3), np.float32)
    network, cpu = SureNetwork().eval(), Runtime(torch.device("cpu"))
    tiles, whole = (render_std(network, image, cpu, tile=tile) for tile in (7, 99))
    np.testing.assert_allclose(tiles, 0.1 * image.mean() * image, rtol=1e-5)
    np.testing.assert_array_equal(tiles, whole)


def test_a_wrong_shape_names_the_method() -> None:
    class Whole(SureNetwork):
        def render_std(self, pixels: Tensor, scene: Scene, window: Window) -> Tensor:
            return pixels

    with pytest.raises(BackboneError, match=r"Whole\.render_std returned shape \(1, 3, 10, 10\), expected"):
        render_std(Whole().eval(), np.zeros((8, 8, 3), np.float32), Runtime(torch.device("cpu")))


def test_a_pipeline_passes_the_question_on(model: ISPModel) -> None:
    X, _ = toy_pairs(2)
    pipeline = make_pipeline(FunctionTransformer(lambda images: [Image(image / 2) for image in images]), model)
    rendered, stds = pipeline.predict(X, return_std=True)
    np.testing.assert_allclose(rendered[0], np.asarray(X[0]) / 4, rtol=1e-5)
    np.testing.assert_allclose(stds[0], expected(X[0]) / 4, rtol=1e-5)


def test_without_the_question_nothing_is_computed_for_it(model: ISPModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SureNetwork, "describe_std", None)
    assert isinstance(model.transform(toy_pairs(1)[0]), list)


def test_exposures_have_standard_deviations_in_ev(model: ISPModel) -> None:
    X, _ = toy_pairs(2)
    for direction in ("forward", "inverse"):
        found = model.exposure_std(X, direction)
        assert found.dtype == np.float64
        np.testing.assert_allclose(found, [2 * np.asarray(image).mean() for image in X], rtol=1e-5)


def test_a_backbone_that_does_not_know_says_which_does() -> None:
    X, Y = toy_pairs(3)
    model = quick("mlp").fit(X, Y)
    message = (
        r": the backbone 'mlp' does not know how sure it is; fit ISPModel\(backbone='photofinish'\), or another "
        r"backbone whose networks have render_std\."
    )
    for method in (model.transform, model.inverse_transform, model.predict):
        with pytest.raises(InputError, match=f"^return_std{message}"):
            method(["no-such-file.tif"], return_std=True)
    with pytest.raises(InputError, match=f"^exposure_std{message}"):
        model.exposure_std(X)


def test_a_backbone_that_knows_its_pixels_only_says_so() -> None:
    model = quick(PixelsOnly()).fit(*toy_pairs(3))
    assert len(model.transform(toy_pairs(1)[0], return_std=True)) == 2
    with pytest.raises(BackboneError, match=r"PixelsOnlyNetwork has no exposure_std\(image, scene\)"):
        model.exposure_std(toy_pairs(1)[0])


def test_an_unfitted_model_says_so_first() -> None:
    with pytest.raises(NotFittedError, match="not fitted"):
        ISPModel("mlp").transform(toy_pairs(1)[0], return_std=True)
