"""Pairs behave like what sklearn.datasets makes, and need more than a pixel-wise model in auto mode only."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsRegressor

from ispfit.errors import InputError
from ispfit.images import Image, Shot
from ispfit.synthetic.camera_files import CAMERAS
from ispfit.synthetic.pairs import make_camera_pairs


def make(n_samples=2, size=32, camera="auto", seed=0):
    return make_camera_pairs(n_samples, size, camera, random_state=seed)


def pixelwise_psnr(X, Y, n_train):
    """Mean PSNR on the shots after the first `n_train` of a regressor that sees one pixel at a time."""
    rng = np.random.default_rng(0)
    picks = [rng.integers(x.shape[0] * x.shape[1], size=1000) for x in X]
    raw = [np.asarray(x).reshape(-1, 3)[pick] ** 0.4 for x, pick in zip(X, picks, strict=True)]
    srgb = [np.asarray(y).reshape(-1, 3)[pick] for y, pick in zip(Y, picks, strict=True)]
    model = KNeighborsRegressor(8).fit(np.concatenate(raw[:n_train]), np.concatenate(srgb[:n_train]))
    errors = [np.mean((model.predict(x) - y) ** 2) for x, y in zip(raw[n_train:], srgb[n_train:], strict=True)]
    return float(np.mean(-10 * np.log10(errors)))


def test_pairs_are_images_of_the_size_asked_for():
    X, Y = make(3, (24, 40))
    assert len(X) == len(Y) == 3
    for image in X + Y:
        assert isinstance(image, Image)
        assert image.shape == (24, 40, 3)
        assert image.dtype == np.float32
        assert 0 <= image.min() <= image.max() <= 1


def test_srgb_comes_from_8_bit_codes():
    _, Y = make()
    codes = np.asarray(Y[0]) * 255
    np.testing.assert_allclose(codes, np.rint(codes), atol=1e-4)


def test_shots_are_described():
    X, Y = make(3)
    assert [x.shot for x in X] == [y.shot for y in Y]
    shot = X[1].shot
    assert isinstance(shot, Shot)
    assert (shot.name, shot.camera) == ("shot0001", "ispfit Virtual A")
    assert shot.iso >= 100
    assert 0 < shot.exposure_time < 10
    assert shot.white_balance[1] == 1
    assert len({x.shot.scene for x in X}) == 3


def test_the_same_seed_gives_the_same_pairs_and_another_does_not():
    first, again, other = (make(1, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first[0], other[0])


def test_a_shot_does_not_depend_on_how_many_there_are():
    np.testing.assert_array_equal(make(1)[1][0], make(3)[1][0])


def test_random_state_may_be_none():
    assert not np.array_equal(make(1, seed=None)[0], make(1, seed=None)[0])


def test_auto_and_manual_are_two_renderings_of_the_same_raw():
    X_auto, Y_auto = make(2, camera="auto")
    X_manual, Y_manual = make(2, camera="manual")
    np.testing.assert_array_equal(X_auto, X_manual)
    assert not np.array_equal(Y_auto, Y_manual)


def test_a_camera_object_may_be_given():
    X, _ = make(1, camera=CAMERAS["Virtual B"])
    assert X[0].shot.model == "Virtual B"
    assert make_camera_pairs(1, image_size=32, camera="virtual-b")[0][0].shot.model == "Virtual B"


def test_pairs_survive_pickling():
    X, _ = make(1)
    copy = pickle.loads(pickle.dumps(X))
    np.testing.assert_array_equal(copy[0], X[0])
    assert copy[0].shot == X[0].shot


def test_a_pixelwise_model_suffices_for_manual_mode_and_not_for_auto_mode():
    manual, auto = (pixelwise_psnr(*make(40, 64, camera), n_train=30) for camera in ("manual", "auto"))
    assert manual > 33
    assert 20 < auto < 28


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_samples": 0}, "n_samples: expected an integer of 1 or more, got 0"),
        ({"n_samples": 1.5}, "n_samples: expected an integer of 1 or more, got 1.5"),
        ({"image_size": 4}, "image_size: expected an integer of 16 pixels or more, or a pair .* got 4"),
        ({"image_size": 32.0}, "image_size: expected an integer of 16 pixels or more, or a pair .* got 32.0"),
        ({"image_size": (32, 32, 3)}, r"image_size: .* got \(32, 32, 3\)"),
        (
            {"camera": "automatic"},
            'camera: expected "auto", .*"Virtual B", a VirtualCamera or the .toml file of one, got \'automatic\'',
        ),
        (
            {"camera": None},
            'camera: expected "auto", .*"Virtual B", a VirtualCamera or the .toml file of one, got None',
        ),
        ({"random_state": "seed"}, "random_state: expected an integer"),
    ],
)
def test_wrong_arguments_are_told(arguments, message):
    with pytest.raises(InputError, match=message):
        make_camera_pairs(**arguments)
