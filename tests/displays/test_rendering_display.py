"""`RenderingDisplay`: what it draws."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib import pyplot as plt

from ispfit import ISPModel
from ispfit.color import linear_to_srgb
from ispfit.displays import RenderingDisplay
from ispfit.errors import InputError
from ispfit.io import write_linear, write_srgb
from ispfit.metrics import ciede2000, ciede2000_map, psnr


def test_one_row_per_shot_with_its_psnr(model: ISPModel, pairs: Any, tmp_path: Path) -> None:
    X, Y = pairs
    display = RenderingDisplay.from_estimator(model, X, Y)
    assert display.ax_.shape == (3, 4)
    for row, x, y in zip(display.ax_, X, Y, strict=True):
        [estimate] = model.transform([x])
        assert row[2].get_title() == f"model, {psnr(y, estimate):.1f} dB"
        shown = [axis.images[0].get_array() for axis in row]
        np.testing.assert_allclose(shown[0], linear_to_srgb(np.asarray(x)))
        assert np.array_equal(shown[1], y)
        np.testing.assert_allclose(shown[3], 255 * np.abs(estimate - y).mean(2))
    display.figure_.savefig(tmp_path / "picture.png")


def test_the_error_in_ciede2000_with_its_scale(pairs: Any) -> None:
    X, Y = pairs
    display = RenderingDisplay.from_predictions(X[:1], Y[:1], Y[1:2], error="ciede2000", vmax=20)
    [artist] = display.ax_[0, 3].images
    np.testing.assert_allclose(artist.get_array(), ciede2000_map(Y[0], Y[1]))
    assert artist.get_clim() == (0, 20)
    assert display.figure_.axes[-1].get_ylabel() == "error, CIEDE2000"


def test_files_are_drawn(pairs: Any, tmp_path: Path) -> None:
    X, Y = pairs
    write_linear(tmp_path / "a.tif", X[0], dtype="float32")
    write_srgb(tmp_path / "a.png", Y[0])
    display = RenderingDisplay.from_predictions([tmp_path / "a.tif"], [tmp_path / "a.png"], Y[:1])
    assert display.ax_[0, 2].get_title() == "model, 100.0 dB"


@pytest.mark.parametrize(("zoom", "centre"), [((0.25, 0.75), (9, 18)), ("worst", (30, 6)), ((0.0, 1.0), (2, 22))])
def test_a_part_is_magnified(zoom: Any, centre: tuple[float, float]) -> None:
    """All pictures show the same part; "worst" is where the error is."""
    truth = np.full((24, 36, 3), 0.5, np.float32)
    wrong = truth.copy()
    wrong[5:8, 29:32] = 1
    display = RenderingDisplay([truth], [truth], [wrong]).plot(zoom=zoom)
    for axis in display.ax_[0]:
        [inset] = axis.child_axes
        assert np.mean(inset.get_xlim()) == pytest.approx(centre[0] - 0.5, abs=1)
        assert np.mean(inset.get_ylim()) == pytest.approx(centre[1] - 0.5, abs=1)


def test_the_numbers_as_a_table(pairs: Any) -> None:
    X, Y = pairs
    table = RenderingDisplay(X[:2], Y[:2], [Y[1], Y[1]]).frame()
    assert table["shot"].tolist() == ["shot0000", "shot0001"]
    assert table["psnr"].tolist() == [psnr(Y[0], Y[1]), 100]
    assert table["ciede2000"].tolist() == [ciede2000(Y[0], Y[1]), 0]
    assert table["codes"][0] == pytest.approx(255 * np.abs(Y[0] - Y[1]).mean())


# Where displays draw


def test_axes_are_taken_as_scikit_learn_takes_them(pairs: Any) -> None:
    X, Y = pairs
    figure, axes = plt.subplots(1, 4)
    display = RenderingDisplay(X[:1], Y[:1], Y[:1])
    assert display.plot() is display
    assert display.plot(axes).figure_ is figure
    assert display.ax_[0, 1] is axes[1]
    figure, axes = plt.subplots(2, 1)
    assert display.plot(axes[1]).figure_ is figure
    assert display.ax_[0, 0].get_subplotspec().get_topmost_subplotspec() == axes[1].get_subplotspec()
    assert not axes[1].axison


def test_wrong_axes_and_errors_are_told(pairs: Any) -> None:
    X, Y = pairs
    display = RenderingDisplay(X[:1], Y[:1], Y[:1])
    with pytest.raises(InputError, match=r"^ax: expected 4 axes, one for each panel, got 3\.$"):
        display.plot(plt.subplots(1, 3)[1])
    with pytest.raises(InputError, match=r"^ax: expected axes of a grid, to be divided into 4 panels, got free axes"):
        display.plot(plt.figure().add_axes((0, 0, 1, 1)))
    with pytest.raises(InputError, match=r"^error: expected 'codes' or 'ciede2000', got 'dB'\.$"):
        display.plot(error="dB")
