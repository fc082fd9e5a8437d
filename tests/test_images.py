"""Images that remember their shot, and the checks that every list of images goes through."""

from __future__ import annotations

import copy
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.model_selection import KFold
from sklearn.utils import _safe_indexing

from ispfit.errors import InputError
from ispfit.images import (
    Image,
    ImageList,
    ImageSource,
    Shot,
    check_image,
    check_images,
    codes_of,
    merge_shots,
    shots_of,
)

SHOT = Shot(name="a", make="Nikon", model="D600", iso=400, white_balance=(2.0, 1.0, 1.5))


def make(height: int = 6, width: int = 8, seed: int = 0) -> Image:
    return Image(np.random.default_rng(seed).random((height, width, 3), np.float32), SHOT)


def never_read(path: Path) -> Image:
    raise AssertionError(f"{path} was read")


class LazyImage:
    """An `ImageSource` as a plugin or a cache would write it."""

    def __init__(self, pixels: Any) -> None:
        self.pixels, self.shape, self.reads, self.shot = pixels, pixels.shape, 0, SHOT

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        self.reads += 1
        return self.pixels


@pytest.mark.parametrize(
    ("make", "model", "camera"),
    [
        ("Nikon", "D600", "Nikon D600"),
        ("NIKON", "Nikon D7000", "Nikon D7000"),
        (None, "Pixel 6", "Pixel 6"),
        ("Canon", None, "Canon"),
        (None, None, None),
    ],
)
def test_a_camera_is_make_and_model_once(make: str | None, model: str | None, camera: str | None) -> None:
    assert Shot(make=make, model=model).camera == camera


@pytest.mark.parametrize(
    "change",
    [
        lambda image: image[1:, ::2],
        lambda image: image.copy(),
        lambda image: image * 0.5,
        lambda image: np.clip(image, 0, 0.5),
        lambda image: image.transpose(2, 0, 1),
        copy.deepcopy,
        lambda image: pickle.loads(pickle.dumps(image)),
        lambda image: pickle.loads(pickle.dumps(image, protocol=5)),
        Image,
    ],
)
def test_the_shot_travels_with_the_image(change: Any) -> None:
    assert change(make()).shot == SHOT


def test_shots_are_merged_and_listed_without_reading() -> None:
    merged = merge_shots(Shot(name="b", scene="lake"), SHOT)
    assert merged == Shot("b", "Nikon", "D600", 400, None, (2.0, 1.0, 1.5), "lake")
    images = [make(), "a.dng", np.zeros((2, 2, 3), np.float32)]
    assert shots_of(images) == shots_of(ImageList(images, "X", never_read)) == [SHOT, Shot(), Shot()]


def test_a_pickle_keeps_the_pixels() -> None:
    image = make()
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(image)), image)


def test_numbers_computed_of_an_image_are_plain() -> None:
    assert isinstance(make().mean(), np.float32)
    assert np.asarray(make()).shape == (6, 8, 3)


def test_an_image_of_nobody_has_an_empty_shot() -> None:
    image = Image(np.zeros((2, 2, 3)))
    assert image.shot == Shot()
    assert image.dtype == np.float32


def test_the_shot_travels_through_cross_validation() -> None:
    images = [Image(make(seed=i), Shot(name=str(i))) for i in range(4)]
    for train, test in KFold(2).split(images):
        assert [image.shot.name for image in _safe_indexing(images, train)] == [str(i) for i in train]
        assert [image.shot.name for image in _safe_indexing(images, test)] == [str(i) for i in test]


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.zeros((4, 5)), "X[3]: expected an image of shape (H, W, 3), got (4, 5)."),
        (np.zeros((3, 4, 5)), "X[3]: expected an image of shape (H, W, 3), got (3, 4, 5)."),
        (np.zeros((0, 5, 3)), "X[3]: expected an image of shape (H, W, 3), got (0, 5, 3)."),
        (np.zeros((4, 5, 3), np.uint8), "X[3]: expected floats in [0, 1], got dtype uint8; divide 8-bit codes by 255"),
        (np.zeros((4, 5, 3), np.uint16), "and 16-bit codes by 65535"),
        (np.zeros((4, 5, 3), bool), "X[3]: expected floats in [0, 1], got dtype bool; convert it."),
        (np.full((4, 5, 3), np.nan), "X[3]: contains NaN or infinite values; mask or replace them first."),
        (np.full((4, 5, 3), np.inf), "X[3]: contains NaN or infinite values"),
        (
            np.full((4, 5, 3), 255.0),
            "X[3]: expected values in [0, 1], got [255, 255]; scale it so that 1 is saturation",
        ),
        (np.full((4, 5, 3), -0.5), "X[3]: expected values in [0, 1], got [-0.5, -0.5]"),
    ],
)
def test_what_is_no_image_is_refused_with_its_place(pixels: Any, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        check_image(pixels, "X[3]")


def test_one_bad_pixel_is_enough() -> None:
    image = make()
    image[5, 7, 2] = np.nan
    with pytest.raises(InputError, match="contains NaN"):
        check_image(image, "X[0]")


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_of_any_width_become_float32(dtype: Any) -> None:
    assert check_image(make().astype(dtype), "X[0]").dtype == np.float32


def test_rounding_just_outside_the_range_is_let_through() -> None:
    check_image(np.full((2, 2, 3), 1 + 5e-5), "X[0]")


@pytest.mark.parametrize("images", [[make(), make(4, 9)], (make(),), np.stack([make(), make()])])
def test_lists_tuples_and_stacked_arrays_are_sequences_of_images(images: Any) -> None:
    checked = check_images(images, "X", never_read)
    assert len(checked) == len(images)
    assert [image.shape for image in checked] == checked.shapes == [image.shape for image in images]
    for image, original in zip(checked, images, strict=True):
        np.testing.assert_array_equal(image, original)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (make(), "X: expected a sequence of images, got one array of shape (6, 8, 3); for one image pass [X]."),
        (np.zeros((6, 8)), "X: expected a sequence of images, got one array of shape (6, 8)"),
        ("a.dng", "X: expected a sequence of images, got one path; pass ['a.dng']."),
        (Path("a.dng"), "X: expected a sequence of images, got one path; pass ['a.dng']."),
        (LazyImage(make()), "X: expected a sequence of images, got LazyImage."),
        (iter([make()]), "X: expected a sequence of images, got list_iterator."),
        (None, "X: expected a sequence of images, got NoneType."),
        ([], "X: expected at least one image, got an empty sequence."),
        (np.zeros((0, 4, 4, 3)), "X: expected at least one image, got an empty sequence."),
        ([3.5], "X[0]: expected an image of shape (H, W, 3) or a path, got float."),
        ([[[0.5]]], "X[0]: expected an image of shape (H, W, 3) or a path, got list."),
        ([make(), "nowhere/a.dng"], "X[1]: nowhere/a.dng is not a file."),
    ],
)
def test_what_is_no_sequence_of_images_is_refused(images: Any, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        check_images(images, "X", never_read)


def test_all_problems_are_told_together() -> None:
    images = [make(), make() * 2, np.zeros((4, 4)), "nowhere.png"]
    with pytest.raises(InputError) as caught:
        check_images(images, "Y", never_read)
    lines = str(caught.value).split("\n")
    assert [line.split(":")[0] for line in lines] == ["Y[1]", "Y[2]", "Y[3]"]


def test_ten_problems_are_enough() -> None:
    with pytest.raises(InputError) as caught:
        check_images([np.zeros((4, 4))] * 25, "X", never_read)
    lines = str(caught.value).split("\n")
    assert len(lines) == 11
    assert lines[-1] == "... and 15 more"


def test_files_are_read_each_time_and_checked(tmp_path: Path) -> None:
    paths = [tmp_path / "good", tmp_path / "bad"]
    for path in paths:
        path.touch()
    reads: list[str] = []

    def read(path: Path) -> Image:
        reads.append(path.name)
        return make() if path.name == "good" else make() * 9

    images = check_images(paths, "X", read)
    assert reads == []
    assert images[0].shape == images[0].shape == (6, 8, 3)
    assert reads == ["good", "good"]
    with pytest.raises(InputError, match=rf"X\[1\] \({re.escape(str(paths[1]))}\): expected values in \[0, 1\]"):
        images[1]


def test_files_in_memory_are_read_once_and_sources_stay_lazy(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    source = LazyImage(np.asarray(make()))
    reads: list[Path] = []
    images = check_images([str(tmp_path / "a"), source, make()], "X", lambda path: reads.append(path) or make())  # type: ignore[func-returns-value]
    kept = images.in_memory()
    assert kept.shapes == [(6, 8, 3)] * 3
    assert len(list(kept)) == len(list(kept)) == 3
    assert len(reads) == 1
    assert source.reads == 2


def test_a_source_gives_its_pixels_and_its_shot() -> None:
    source = LazyImage(np.asarray(make(), np.float64))
    assert isinstance(source, ImageSource)
    [image] = check_images([source], "X", never_read)
    np.testing.assert_array_equal(image, make())
    assert image.shot == SHOT


def test_a_source_is_checked_when_it_is_read() -> None:
    images = check_images([LazyImage(np.asarray(make()) * 3)], "X", never_read)
    with pytest.raises(InputError, match=r"X\[0\]: expected values in \[0, 1\]"):
        images[0]


def test_the_codes_of_a_source_are_optional() -> None:
    source = LazyImage(np.asarray(make()))
    assert codes_of(source) is codes_of(make()) is codes_of("a.dng") is None
    source.codes = np.zeros((6, 8, 3), np.uint8)  # type: ignore[attr-defined]
    assert codes_of(source) is source.codes  # type: ignore[attr-defined]


def test_a_slice_of_a_list_is_a_list() -> None:
    images = check_images([make(seed=i) for i in range(4)], "X", never_read)[1:3]
    assert isinstance(images, ImageList)
    assert len(images) == 2
    np.testing.assert_array_equal(images[0], make(seed=1))
    assert check_images(images, "X", never_read) is images
