"""The displays of scene exchange and of registration."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ispfit import ISPModel
from ispfit.analysis import exchange_scene, scene_dependence
from ispfit.datasets import make_camera_pairs
from ispfit.displays import RegistrationDisplay, SceneDependenceDisplay, SceneExchangeDisplay
from ispfit.errors import InputError
from ispfit.metrics import ciede2000_map
from ispfit.registration import LensTransform, Registration, resample


def test_an_exchange_with_its_histograms(model: ISPModel, pairs: Any) -> None:
    raw, other = pairs[0][:2]
    display = SceneExchangeDisplay.from_estimator(model, raw, other, parts="luminance")
    exchanged = exchange_scene(model, raw, other, parts="luminance")
    [own] = model.transform([raw])
    np.testing.assert_array_equal(display.ax_[0, 1].images[0].get_array(), own)
    np.testing.assert_array_equal(display.ax_[0, 2].images[0].get_array(), exchanged)
    np.testing.assert_allclose(display.ax_[1, 2].images[0].get_array(), ciede2000_map(own, exchanged))
    raws, renderings = display.ax_[1, :2]
    assert [text.get_text() for text in raws.get_legend().get_texts()] == ["raw B", "raw A"]
    for axis in (raws, renderings):
        assert [patch.get_data().values.sum() for patch in axis.patches] == pytest.approx([100, 100])
    assert display.frame()["ciede2000"].item() == pytest.approx(ciede2000_map(own, exchanged).mean())


def test_the_histograms_of_colour(model: ISPModel, pairs: Any) -> None:
    raw, other = pairs[0][:2]
    display = SceneExchangeDisplay.from_estimator(model, raw, other, parts=["chrominance/global"])
    legend = [text.get_text() for text in display.ax_[1, 0].get_legend().get_texts()]
    assert legend == ["r of raw B", "g of raw B", "r of raw A", "g of raw A"]
    assert display.ax_[1, 1].get_xlabel() == "chroma C* of the srgb"
    same = SceneExchangeDisplay.from_predictions(raw, other, raw, raw)
    assert same.frame()["ciede2000"].item() == 0
    assert not same.chrominance


def test_where_the_scene_matters(model: ISPModel, pairs: Any) -> None:
    raws = pairs[0][:3]
    display = SceneDependenceDisplay.from_estimator(model, raws, vmax=20)
    found = scene_dependence(model, raws)
    assert display.ax_.shape == (2, 3)
    for column, own in enumerate(model.transform(raws)):
        np.testing.assert_array_equal(display.ax_[0, column].images[0].get_array(), own)
        np.testing.assert_array_equal(display.ax_[1, column].images[0].get_array(), found.maps[column])
        assert display.ax_[1, column].images[0].get_clim() == (0, 20)
        assert display.ax_[1, column].get_title().startswith(f"mean {found.ciede2000[column]:.1f}, ")
    assert display.frame()["rms"].tolist() == found.rms.tolist()
    with pytest.raises(InputError, match="expected a rendering for each of 3 maps, got 2"):
        SceneDependenceDisplay.from_predictions(raws[:2], found)


@pytest.fixture(scope="module")
def distorted() -> tuple[Any, Any, LensTransform]:
    """A raw, its srgb through a lens that distorts, and the map from one to the other."""
    X, Y = make_camera_pairs(1, image_size=(90, 130), random_state=3)
    transform = replace(LensTransform.centred((80, 120), (90, 130)), k1=-0.05)
    return X[0], resample(Y[0], transform, (80, 120), linear=False)[0], transform


def test_a_registration_and_its_shifts(distorted: tuple[Any, Any, LensTransform]) -> None:
    raw, srgb, transform = distorted
    found = Registration(transform, 0.01, 1.0, 100, True, "")
    display = RegistrationDisplay.from_predictions(raw, srgb, found)
    before, after, shifts = display.ax_[0]
    assert after.get_title() == "registered, 0.010 px rms"
    assert not np.array_equal(before.images[0].get_array(), after.images[0].get_array())
    nominal = LensTransform.centred(srgb.shape, raw.shape)
    [arrows] = shifts.collections
    points = np.stack([arrows.X, arrows.Y], -1)
    expected = (transform(points) - nominal(points)) / nominal.scale
    np.testing.assert_allclose(np.stack([arrows.U, arrows.V], -1), expected, atol=1e-9)
    assert shifts.yaxis_inverted()
    table = display.frame()
    assert (table["k1"].item(), table["patches"].item()) == (-0.05, 100)


def test_what_could_not_be_registered_is_told(pairs: Any) -> None:
    display = RegistrationDisplay.from_images(pairs[0][0], pairs[1][1])
    assert display.ax_[0, 1].get_title().startswith("not registered: ")
    assert not display.frame()["ok"].item()
