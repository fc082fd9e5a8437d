"""Photographs deblurred in raw space by a model whose raw and rendering are known."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from ispfit.color import linear_to_srgb, srgb_to_linear
from ispfit.deblur import blur, deblur, kernel_similarity, motion_kernel, register_shift
from ispfit.errors import InputError, InputWarning
from ispfit.images import Image, Shot
from ispfit.metrics import psnr


@dataclass
class Curve:
    """A camera that applies the sRGB curve to half the light; its scenes are the brightness of a raw."""

    camera_: str | None = None

    def inverse_transform(self, Y: Any) -> list[Image]:
        return [Image(srgb_to_linear(np.asarray(srgb)) / 2, srgb.shot) for srgb in Y]

    def describe(self, X: Any) -> list[float]:
        return [float(raw.mean()) for raw in X]

    def transform(self, X: Any, scenes: Any = None) -> list[Image]:
        gains = [
            2 * brightness / mean for brightness, mean in zip(scenes or self.describe(X), self.describe(X), strict=True)
        ]
        return [
            Image(linear_to_srgb(np.clip(np.asarray(raw) * gain, 0, 1))) for raw, gain in zip(X, gains, strict=True)
        ]


@dataclass(frozen=True)
class Photo:
    sharp: Image
    kernel: Any
    image: Image


@pytest.fixture(scope="module")
def photo(blurred: Any) -> Photo:
    """The scene of `blurred`, blurred in linear light, with a highlight."""
    light = srgb_to_linear(np.asarray(blurred.sharp))
    light[80:86, 60:66] = 4
    seen = np.clip(blur(light, blurred.kernel), 0, 1)
    codes = np.rint(linear_to_srgb(seen) * 255) / 255
    return Photo(Image(linear_to_srgb(np.clip(light, 0, 1))), blurred.kernel, Image(codes, Shot(make="ACME")))


def test_raw_space_undoes_a_known_kernel_better(photo: Photo) -> None:
    raw, srgb = (deblur(photo.image, Curve(), space=space, kernel=photo.kernel).image for space in ("raw", "srgb"))
    before = psnr(photo.sharp, photo.image)
    assert psnr(photo.sharp, srgb) > before + 1
    assert psnr(photo.sharp, raw) > psnr(photo.sharp, srgb) + 1
    assert raw.shot.make == "ACME"


def test_the_kernel_is_found_in_raw_space(photo: Photo) -> None:
    beside_the_highlight = (0, 74, 168, 94)
    found = deblur(photo.image, Curve(), kernel_size=13, region=beside_the_highlight)
    assert found.changed
    assert [scale.kernel_size for scale in found.record] == [7, 11, 13]
    assert kernel_similarity(photo.kernel, found.kernel) > 0.75
    assert psnr(*register_shift(photo.sharp, found.image, 12)) > psnr(photo.sharp, photo.image) + 0.5


@pytest.mark.parametrize("space", ["raw", "srgb"])
def test_what_is_clipped_stays(photo: Photo, space: str) -> None:
    over = photo.image >= 0.99
    assert over.any()
    result = deblur(photo.image, Curve(), space=space, kernel=photo.kernel).image
    np.testing.assert_array_equal(result[over], photo.image[over])


def test_an_error_of_the_model_does_not_show_where_nothing_changes(photo: Photo) -> None:
    class Wrong(Curve):
        def transform(self, X: Any, scenes: Any = None) -> list[Image]:
            return [Image(each * 0.9 + 0.05) for each in super().transform(X, scenes)]

    flat = np.full((40, 40, 3), 0.4, np.float32)
    result = deblur(flat, Wrong(), kernel=motion_kernel(8)).image
    np.testing.assert_allclose(result, flat, atol=1e-3)


def test_the_scene_of_the_way_back_is_a_choice(photo: Photo) -> None:
    kept, own = (
        deblur(photo.image, Curve(), kernel=photo.kernel, scene=scene).image for scene in ("blurred", "deblurred")
    )
    assert np.abs(kept - own).max() > 1e-4
    np.testing.assert_allclose(kept, own, atol=0.05)


@pytest.mark.parametrize("flat", [False, True])
def test_a_photograph_without_blur_is_returned_with_a_warning(blurred: Any, flat: bool) -> None:
    sharp = np.full_like(blurred.sharp, 0.5) if flat else blurred.sharp
    with pytest.warns(InputWarning, match="no blur was found: the photograph is returned as it was"):
        result = deblur(sharp, space="srgb", kernel_size=9)
    assert not result.changed
    np.testing.assert_array_equal(result.image, sharp)


def test_grey_stays_grey(blurred: Any) -> None:
    grey = np.asarray(blurred.image).mean(2, keepdims=True).repeat(3, 2)
    result = deblur(grey, space="srgb", kernel_size=13).image
    np.testing.assert_allclose(result[..., 0], result[..., 2], atol=1e-5)


def test_a_model_of_another_camera_is_warned_of(photo: Photo) -> None:
    with pytest.warns(
        InputWarning, match="the photograph is from ACME, the model of Nikon D600: its raw will be wrong"
    ):
        deblur(photo.image, Curve("Nikon D600"), kernel=photo.kernel)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        deblur(photo.image, Curve("ACME"), kernel=photo.kernel)


def test_extreme_noise_is_warned_of_and_does_no_great_harm(blurred: Any) -> None:
    noisy = np.clip(blurred.image + np.random.default_rng(0).normal(0, 0.15, blurred.image.shape), 0, 1)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = deblur(noisy, space="srgb", kernel_size=9)
    assert str(caught[0].message).startswith("the photograph has noise of 0.1")
    assert np.isfinite(result.image).all()
    assert psnr(blurred.sharp, result.image) > psnr(blurred.sharp, noisy)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"space": "linear"}, "space: expected 'raw' or 'srgb', got 'linear'."),
        ({"scene": "mine"}, "scene: expected 'blurred' or 'deblurred', got 'mine'."),
        ({}, "model: expected a fitted ISPModel to deblur in raw space, got None; or pass space='srgb'."),
        ({"space": "srgb", "kernel": np.ones((2, 3))}, "kernel: expected a square array"),
    ],
)
def test_errors_say_what_was_expected(photo: Photo, change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        deblur(photo.image, **change)
    assert str(caught.value).startswith(message)
