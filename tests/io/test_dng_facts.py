"""`read_raw` of a DNG takes each fact from where the file has it: the first directory, or that of the raw image."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dng_files import GAINS, LEVELS, RGGB, WHITE, encode, tag, write_tagged_dng
from PIL import Image as PILImage

from ispfit.errors import FileError, WhiteBalanceError
from ispfit.io import read_raw
from ispfit.io.dng import XTRANS, make_mosaic
from ispfit.io.dng_facts import DngFacts, read_dng_facts

in_either = pytest.mark.parametrize("sub_ifd", [False, True], ids=["first directory", "SubIFD"])


@pytest.fixture
def ramp() -> Any:
    """Camera RGB that rises to the right and downwards, which every method demosaics to within 1e-4."""
    rows, columns = np.indices((64, 96))
    light = 0.1 + rows / 400 + columns / 800
    return (light[..., None] * [0.5, 1.0, 0.8]).astype(np.float32)


def facts_of(path: Path) -> DngFacts:
    facts = read_dng_facts(path)
    assert facts is not None
    return facts


@in_either
def test_a_linear_dng_has_a_white_and_a_black_level_for_each_channel(tmp_path: Path, ramp: Any, sub_ifd: bool) -> None:
    black, white = np.array([100, 200, 300]), np.array([4000, 3000, 2500])
    tags = [tag("BlackLevel", "long", black.tolist()), tag("WhiteLevel", "long", white.tolist())]
    path = write_tagged_dng(tmp_path / "a.dng", encode(ramp, black, white), tags, sub_ifd=sub_ifd)
    np.testing.assert_allclose(read_raw(path), ramp * GAINS, atol=1e-3)


def test_a_linear_dng_may_repeat_a_cell_of_black_levels(tmp_path: Path, ramp: Any) -> None:
    cell = np.arange(100, 700, 50).reshape(2, 2, 3)
    tags = [
        tag("BlackLevelRepeatDim", "short", [2, 2]),
        tag("BlackLevel", "long", cell.ravel().tolist()),
        tag("WhiteLevel", "long", [16000]),
    ]
    codes = np.round(np.tile(cell, (32, 48, 1)) + ramp * (16000 - cell.max((0, 1)))).astype(np.uint16)
    np.testing.assert_allclose(read_raw(write_tagged_dng(tmp_path / "a.dng", codes, tags)), ramp * GAINS, atol=1e-4)


@in_either
@pytest.mark.parametrize("half_size", [False, True])
@pytest.mark.parametrize(
    ("rows", "columns", "corner"), [(4, 4, (0, 0)), (6, 3, (2, 4)), (2, 2, (3, 5)), (1, 2, (0, 0))]
)
def test_black_levels_repeat_from_the_corner_of_the_active_area(
    tmp_path: Path, ramp: Any, rows: int, columns: int, corner: tuple[int, int], sub_ifd: bool, half_size: bool
) -> None:
    cell = np.linspace(100, 1600, rows * columns).round().astype(int).reshape(rows, columns)
    black = np.zeros((64, 96))
    black[corner[0] :, corner[1] :] = np.tile(cell, (64, 96))[: 64 - corner[0], : 96 - corner[1]]
    mosaic = np.zeros((64, 96), np.float32)
    mosaic[corner[0] :, corner[1] :] = make_mosaic(ramp[corner[0] :, corner[1] :], "RGGB")
    tags = [
        *RGGB,
        tag("ActiveArea", "long", [*corner, 64, 96]),
        tag("BlackLevelRepeatDim", "short", [rows, columns]),
        tag("BlackLevel", "long", cell.ravel().tolist()),
        tag("WhiteLevel", "long", [WHITE]),
        tag("DefaultCropOrigin", "long", [5, 3]),
        tag("DefaultCropSize", "long", [80, 50]),
    ]
    codes = np.round(black + mosaic * (WHITE - cell.max())).astype(np.uint16)
    path = write_tagged_dng(tmp_path / "a.dng", codes, tags, sub_ifd=sub_ifd)
    top, left = corner[0] + 3, corner[1] + 5
    want = ramp[top : top + 50, left : left + 80] * GAINS
    want = want.reshape(25, 2, 40, 2, 3).mean((1, 3)) if half_size else want
    tolerance = 4e-3 if half_size else 4e-4  # half size puts the filters of a cell at one place: half a pixel of ramp
    np.testing.assert_allclose(read_raw(path, half_size=half_size)[2:-2, 2:-2], want[2:-2, 2:-2], atol=tolerance)


@in_either
def test_black_levels_may_differ_by_row_and_by_column(tmp_path: Path, ramp: Any, sub_ifd: bool) -> None:
    by_row, by_column = np.linspace(0, 300, 64), np.linspace(-50, 200, 96)
    tags = [
        *RGGB,
        tag("BlackLevel", "rational", [512.5]),
        tag("BlackLevelDeltaV", "srational", by_row),
        tag("BlackLevelDeltaH", "srational", by_column),
        tag("WhiteLevel", "long", [WHITE]),
    ]
    black = 512.5 + by_row[:, None] + by_column
    codes = np.round(black + make_mosaic(ramp, "RGGB") * (WHITE - black.max())).astype(np.uint16)
    path = write_tagged_dng(tmp_path / "a.dng", codes, tags, sub_ifd=sub_ifd)
    np.testing.assert_allclose(read_raw(path)[2:-2, 2:-2], ramp[2:-2, 2:-2] * GAINS, atol=3e-4)


def test_the_black_level_that_is_told_counts_rather_than_the_masked_areas(tmp_path: Path, ramp: Any) -> None:
    codes = encode(make_mosaic(ramp, "RGGB"))
    codes[:8] = 900  # a light leak at the border, which LibRaw takes for the black level
    areas = [tag("ActiveArea", "long", [8, 0, 64, 96]), tag("MaskedAreas", "long", [0, 0, 8, 96])]
    path = write_tagged_dng(tmp_path / "a.dng", codes, [*RGGB, *LEVELS, *areas])
    np.testing.assert_allclose(read_raw(path)[2:-2, 2:-2], ramp[10:-2, 2:-2] * GAINS, atol=3e-4)


@in_either
@pytest.mark.parametrize("half_size", [False, True])
@pytest.mark.parametrize("corner", [(0, 0), (3, 5), (2, 5), (3, 4)])
@pytest.mark.parametrize("origin", [(0, 0), (7, 5), (8, 5), (7, 6)])
def test_crops_begin_where_the_file_says(
    tmp_path: Path, ramp: Any, corner: tuple[int, int], origin: tuple[int, int], half_size: bool, sub_ifd: bool
) -> None:
    mosaic = np.zeros((64, 96), np.float32)
    mosaic[corner[0] :, corner[1] :] = make_mosaic(ramp[corner[0] :, corner[1] :], "RGGB")
    tags = [
        *[*RGGB, *LEVELS, tag("ActiveArea", "long", [*corner, 64, 96])],
        *[tag("DefaultCropOrigin", "long", origin[::-1]), tag("DefaultCropSize", "long", [80, 50])],
    ]
    path = write_tagged_dng(tmp_path / "a.dng", encode(mosaic), tags, sub_ifd=sub_ifd)
    top, left = corner[0] + origin[0], corner[1] + origin[1]
    want = ramp[top : top + 50, left : left + 80] * GAINS
    want = want.reshape(25, 2, 40, 2, 3).mean((1, 3)) if half_size else want
    raw = read_raw(path, half_size=half_size)
    assert raw.shape == want.shape
    tolerance = 4e-3 if half_size else 4e-4  # a pixel further would be 5e-3 and 1e-2
    np.testing.assert_allclose(raw[2:-2, 2:-2], want[2:-2, 2:-2], atol=tolerance)


@pytest.mark.parametrize("linear", [False, True])
def test_the_crop_that_the_user_set_in_the_camera_is_inside_the_default_one(
    tmp_path: Path, ramp: Any, linear: bool
) -> None:
    tags = [
        *[*([] if linear else RGGB), *LEVELS],
        *[tag("DefaultCropOrigin", "rational", [7, 5]), tag("DefaultCropSize", "rational", [80, 50])],
        tag("DefaultUserCrop", "rational", [0.1, 0.25, 0.9, 0.75]),
    ]
    samples = encode(ramp if linear else make_mosaic(ramp, "RGGB"))
    raw = read_raw(write_tagged_dng(tmp_path / "a.dng", samples, tags))
    np.testing.assert_allclose(raw, (ramp * GAINS)[10:50, 27:67], atol=4e-4)


def test_x_trans_keeps_its_crop(tmp_path: Path) -> None:
    rows, columns = np.indices((540, 600))
    rgb = ((0.1 + rows / 2000 + columns / 2000)[..., None] * [0.5, 1.0, 0.8]).astype(np.float32)
    cfa = [tag("CFARepeatPatternDim", "short", [6, 6]), tag("CFAPattern", "byte", ["RGB".index(c) for c in XTRANS])]
    crop = [tag("DefaultCropOrigin", "long", [7, 5]), tag("DefaultCropSize", "long", [580, 520])]
    path = write_tagged_dng(tmp_path / "a.dng", encode(make_mosaic(rgb, XTRANS)), [*cfa, *LEVELS, *crop])
    np.testing.assert_allclose(read_raw(path), (rgb * GAINS)[5:525, 7:587], atol=2e-3)


@pytest.mark.parametrize("linear", [False, True])
@pytest.mark.parametrize(("scale", "shape"), [((1, 2), (100, 80)), ((2, 1), (50, 160)), ((1, 1.5), (75, 80))])
def test_pixels_become_square_and_the_crop_counts_in_stored_ones(
    tmp_path: Path, ramp: Any, linear: bool, scale: tuple[float, float], shape: tuple[int, int]
) -> None:
    tags = [
        *[*([] if linear else RGGB), *LEVELS, tag("DefaultScale", "rational", scale)],
        *[tag("DefaultCropOrigin", "long", [8, 6]), tag("DefaultCropSize", "long", [80, 50])],
    ]
    samples = encode(ramp if linear else make_mosaic(ramp, "RGGB"))
    path = write_tagged_dng(tmp_path / "a.dng", samples, tags)
    raw = read_raw(path)
    assert raw.shape == (*shape, 3)
    rows, columns = np.indices(shape) + 0.5
    want = 0.1 + (5.5 + rows * 50 / shape[0]) / 400 + (7.5 + columns * 80 / shape[1]) / 800
    np.testing.assert_allclose(raw[2:-2, 2:-2, 1], want[2:-2, 2:-2], atol=4e-4)
    half = read_raw(path, half_size=True)
    assert half.shape == (int(shape[0] / 2 + 0.5), shape[1] // 2, 3)
    np.testing.assert_allclose(half[3:-3, 3:-3].mean(), want[6:-6, 6:-6].mean() * 1.0, rtol=5e-3)


# What the camera saw as white, in another way than AsShotNeutral.

D65 = tag("AsShotWhiteXY", "rational", [0.3127, 0.3290])
TUNGSTEN = tag("AsShotWhiteXY", "rational", [0.44757, 0.40745])
WARM = np.array([[0.7, 0.1, 0], [0, 1, 0], [0, 0.1, 0.5]])
COOL = np.array([[0.9, 0, 0.1], [0.1, 0.9, 0], [0, 0, 0.7]])


def gains_by(matrix: Any, x: float, y: float) -> Any:
    camera = np.asarray(matrix) @ [x / y, 1, (1 - x - y) / y]
    return camera[1] / camera


@in_either
@pytest.mark.parametrize(
    ("tags", "gains"),
    [
        ([D65], gains_by(np.diag([0.8, 1, 0.6]), 0.3127, 0.3290)),
        (
            [D65, tag("AnalogBalance", "rational", [1.5, 1, 2])],
            gains_by(np.diag([1.5 * 0.8, 1, 2 * 0.6]), 0.3127, 0.3290),
        ),
        (
            [D65, tag("CameraCalibration1", "srational", np.diag([0.5, 1, 1]).ravel())],
            gains_by(np.diag([0.4, 1, 0.6]), 0.3127, 0.3290),
        ),
    ],
)
def test_the_white_balance_may_be_a_chromaticity(
    tmp_path: Path, ramp: Any, tags: list[Any], gains: Any, sub_ifd: bool
) -> None:
    path = tmp_path / "a.dng"
    write_tagged_dng(path, encode(make_mosaic(ramp, "RGGB")), [*RGGB, *LEVELS, *tags], sub_ifd=sub_ifd, white=False)
    raw = read_raw(path, highlights="keep")
    assert raw.shot.white_balance == pytest.approx(gains, rel=1e-4)
    np.testing.assert_allclose(raw[2:-2, 2:-2], ramp[2:-2, 2:-2] * gains, atol=3e-4)


@pytest.mark.parametrize(
    ("white", "matrix", "tolerance"),
    [
        (D65, COOL, 1e-3),
        (TUNGSTEN, WARM, 1e-3),
        # 4000 K on the daylight locus: the inverse temperatures 1/2856, 1/4000 and 1/6500 weigh the matrices
        (tag("AsShotWhiteXY", "rational", [0.3823, 0.3838]), 0.4852 * COOL + 0.5148 * WARM, 0.02),
    ],
)
def test_the_matrices_of_two_illuminants_are_weighted_by_the_temperature(
    tmp_path: Path, ramp: Any, white: Any, matrix: Any, tolerance: float
) -> None:
    tags = [
        *[*RGGB, *LEVELS, white, tag("ColorMatrix2", "srational", COOL.ravel())],
        *[tag("CalibrationIlluminant2", "short", [21])],
    ]
    first = {"ColorMatrix1": tag("ColorMatrix1", "srational", WARM.ravel())}
    first["CalibrationIlluminant1"] = tag("CalibrationIlluminant1", "short", [17])
    path = tmp_path / "a.dng"
    write_tagged_dng(path, encode(make_mosaic(ramp, "RGGB")), tags, white=False, first=first)
    x, y = white[3][0] / white[3][1], white[3][2] / white[3][3]
    assert read_raw(path).shot.white_balance == pytest.approx(gains_by(matrix, x, y), rel=tolerance)


@pytest.mark.parametrize("xy", [(0, 0.3), (0.3, 0), (0.7, 0.6)])
def test_a_chromaticity_that_no_light_has_is_no_white_balance(tmp_path: Path, ramp: Any, xy: Any) -> None:
    tags = [*RGGB, *LEVELS, tag("AsShotWhiteXY", "rational", xy)]
    path = write_tagged_dng(tmp_path / "a.dng", encode(make_mosaic(ramp, "RGGB")), tags, white=False)
    with pytest.raises(WhiteBalanceError, match=r"a\.dng: carries no usable white balance .*; pass its gains"):
        read_raw(path)


# The same facts by other readers.


@in_either
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_exiftool_reads_the_same_facts(tmp_path: Path, ramp: Any, sub_ifd: bool, byteorder: str) -> None:
    if shutil.which("exiftool") is None:
        pytest.skip("exiftool is not installed")
    cell = list(range(100, 1700, 100))
    tags = [
        *[*RGGB, tag("BlackLevelRepeatDim", "short", [4, 4]), tag("BlackLevel", "long", cell)],
        *[tag("WhiteLevel", "long", [WHITE]), tag("ActiveArea", "long", [3, 5, 60, 90]), D65],
        *[tag("DefaultCropOrigin", "long", [7, 5]), tag("DefaultCropSize", "long", [70, 40])],
        *[tag("DefaultScale", "rational", [1, 2])],
    ]
    path = tmp_path / "a.dng"
    write_tagged_dng(path, encode(make_mosaic(ramp, "RGGB")), tags, sub_ifd=sub_ifd, byteorder=byteorder)
    names = (
        "BlackLevel ActiveArea DefaultCropOrigin DefaultCropSize DefaultScale AsShotWhiteXY AsShotNeutral WhiteLevel"
    )
    command = ["exiftool", "-s3", "-n", *(f"-{name}" for name in names.split()), str(path)]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    black, area, origin, size, scale, white_xy, neutral, white = ([float(n) for n in line.split()] for line in found)
    facts = facts_of(path)
    assert facts.black_cell.ravel().tolist() == black == cell
    assert list(facts.active_area) == area
    left, top = area[1] + origin[0], area[0] + origin[1]
    assert list(facts.crop) == [top, left, top + size[1], left + size[0]]
    assert facts.stretch == (scale[1] / scale[0], 1)
    assert facts.tags.numbers("AsShotWhiteXY") == pytest.approx(white_xy)
    assert facts.tags.numbers("AsShotNeutral") == pytest.approx(neutral)
    assert list(facts.white_levels) == white


@in_either
def test_dcraw_computes_the_same_camera_rgb(tmp_path: Path, ramp: Any, sub_ifd: bool) -> None:
    if shutil.which("dcraw") is None:
        pytest.skip("dcraw is not installed")
    cell = np.array([[500, 600], [700, 800]])
    codes = np.round(np.tile(cell, (32, 48)) + make_mosaic(ramp, "RGGB") * (WHITE - cell.max())).astype(np.uint16)
    tags = [*RGGB, tag("BlackLevelRepeatDim", "short", [2, 2]), tag("BlackLevel", "long", cell.ravel().tolist())]
    tags += [tag("WhiteLevel", "long", [WHITE])]
    path = write_tagged_dng(tmp_path / "a.dng", codes, tags, sub_ifd=sub_ifd)
    # dcraw scales all channels alike, after the highest black level, so that green ends at 1
    command = [
        "dcraw",
        "-c",
        "-4",
        "-o",
        "0",
        "-H",
        "1",
        "-q",
        "0",
        "-r",
        *(f"{gain}" for gain in [*GAINS, 1]),
        str(path),
    ]
    data = subprocess.run(command, capture_output=True, check=True).stdout
    other = np.frombuffer(data[-64 * 96 * 6 :], ">u2").reshape(64, 96, 3) / 65535 * GAINS.max()
    np.testing.assert_allclose(read_raw(path)[2:-2, 2:-2], other[2:-2, 2:-2], rtol=0.03, atol=2e-3)
    np.testing.assert_allclose(other[2:-2, 2:-2], (ramp * GAINS)[2:-2, 2:-2], rtol=0.03, atol=2e-3)


# Damage.


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        (
            [tag("BlackLevelRepeatDim", "short", [4, 4]), tag("BlackLevel", "long", [1, 2, 3])],
            "BlackLevel has 3 values ",
        ),
        ([tag("DefaultScale", "rational", [1, 1000])], "its pixels are 1000 times as long as wide"),
        ([tag("CFARepeatPatternDim", "short", [3, 3])], "CFAPattern has 4 colours for 3 x 3 pixels"),
        (
            [tag("BlackLevel", "long", [512]), tag("WhiteLevel", "long", [512])],
            "white level 512 is not above its black",
        ),
    ],
)
def test_facts_that_contradict_each_other_are_damage(tmp_path: Path, ramp: Any, tags: Any, message: str) -> None:
    known = {known[0] for known in tags}
    rest = [known_tag for known_tag in (*RGGB, *LEVELS) if known_tag[0] not in known]
    path = write_tagged_dng(tmp_path / "a.dng", encode(make_mosaic(ramp, "RGGB")), [*rest, *tags])
    with pytest.raises(FileError, match=rf"a\.dng: the (DNG|file) is damaged: .*{message}"):
        read_raw(path)


def test_a_tiff_that_is_no_dng_has_no_such_facts(tmp_path: Path) -> None:
    PILImage.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "a.tif")
    assert read_dng_facts(tmp_path / "a.tif") is None
    (tmp_path / "a.nef").write_bytes(b"II*\0" + bytes(40))
    assert read_dng_facts(tmp_path / "a.nef") is None
    (tmp_path / "a.dng").write_bytes(b"II*\0" + bytes(40))
    with pytest.raises(FileError, match=r"a\.dng: the DNG is damaged: its directories cannot be read"):
        read_dng_facts(tmp_path / "a.dng")
