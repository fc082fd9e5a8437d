"""The numbers of a comparison, and the texts and boxes that show them."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import numpy as np

from ispfit.comparison import (
    Budget,
    Comparison,
    RunResult,
    Statistic,
    cautions,
    comparison_table,
    csv_text,
    describe_budget,
    describe_parameters,
    join_folds,
    markdown,
    markdown_table,
    summary_table,
)
from ispfit.displays import ComparisonDisplay


def result(backbone: str, seed: int, forward: list[float]) -> RunResult:
    return RunResult(
        camera="one",
        backbone=backbone,
        settings={"width": 0.5, "weights": None} if backbone == "other" else {"bins": 6},
        budget=Budget({"max_steps": 10, "learning_rate": 3e-3 if backbone == "best" else 1e-2}).settings(),
        seed=seed,
        n_fit=5,
        seconds=2.0 + seed,
        weights=1234,
        steps={"forward": 10, "inverse": 10},
        shots=["a", "b", "c", "d"],
        psnr={"forward": forward, "inverse": [20.0, 20.0, 20.0, 20.0]},
    )


def test_folds_are_joined_shot_by_shot_and_an_incomplete_one_is_left_out() -> None:
    one = result("best", 0, [1.0, 2.0, 3.0, 4.0])
    other = replace(one, camera="one again", shots=["e"], psnr={"forward": [6.0], "inverse": [7.0]}, n_fit=8, seconds=4)
    alone = result("other", 0, [1.0, 2.0, 3.0, 4.0])
    [joined] = join_folds([one, alone, other], {"one": "camera", "one again": "camera"})
    assert (joined.camera, joined.backbone, joined.n_folds, joined.n_fit, joined.seconds) == ("camera", "best", 2, 6, 3)
    assert joined.shots == ["a", "b", "c", "d", "e"]
    assert joined.psnr == {"forward": [1.0, 2.0, 3.0, 4.0, 6.0], "inverse": [20.0] * 4 + [7.0]}
    assert join_folds([one], {"one": "one"}) == [one], "one fold is the result itself"


def test_statistics_are_over_shots_after_seeds_and_differences_are_paired() -> None:
    base = [20.0, 30.0, 40.0, 50.0]
    results = [result("best", seed, [value + 2 * seed for value in base]) for seed in (0, 1)]
    results += [result("other", seed, [value - 3 for value in base]) for seed in (0, 1)]
    comparison = Comparison(results, "best", {"a camera": {"forward": {"HCN": (1.0, 2.0, 3.0, 4.0)}}})
    np.testing.assert_allclose(comparison.psnr("one", "best", "forward"), [21, 31, 41, 51])
    difference = comparison.difference("one", "other", "forward")
    assert difference is not None
    np.testing.assert_allclose([difference.mean, difference.low, difference.high], -4, atol=1e-9)
    assert comparison.difference("one", "best", "forward") is None
    header, rows = comparison_table(comparison, "one", "forward")
    assert header[:2] == ["raw to sRGB", "mean"]
    assert rows[0][:2] == ["best", "36.00"]
    assert rows[0][3:6] == ["36.00", "21.00", "51.00"]
    assert rows[1][6] == "-4.00 (-4.00 to -4.00)"
    assert rows[2] == ["HCN (paper, a camera)", "1.00", "", "2.00", "3.00", "4.00", *[""] * 5]
    assert "| other | 32.00 |" in markdown(comparison)
    assert describe_parameters(comparison) == (
        "best (bins=6); other (width=0.5, weights=None; random initial weights, not pretrained ones)"
    )
    assert describe_budget(comparison) == (
        "Budget: 10 steps per direction, each step with 4 images x 16 windows of 32 x 32 pixels; learning rate best "
        "0.003, other 0.01."
    )
    assert describe_budget(Comparison(results[:2])).endswith("x 32 pixels; learning rate 0.003.")
    assert cautions(comparison) == ["one: only 4 test shots. With fewer than 12, the 95 % intervals are too narrow."]
    lines = list(csv.DictReader(io.StringIO(csv_text(comparison))))
    assert len(lines) == 2 * 2 * 2 * 4
    assert lines[0] == {
        "camera": "one", "n_fit": "5", "backbone": "best", "seed": "0", "direction": "forward", "shot": "a",
        "psnr": "20.0000",
    }  # fmt: skip


def test_the_summary_has_all_cameras_in_one_table() -> None:
    results = [result("best", 0, [20.0, 30.0]), result("other", 0, [21.0, 33.0])]
    results += [replace(results[1], camera="two")]
    text = markdown_table(*summary_table(Comparison(results, "best")))
    assert text == (
        "| mean PSNR, dB | one, raw to sRGB | one, sRGB to raw | two, raw to sRGB | two, sRGB to raw |\n"
        "| --- | --- | --- | --- | --- |\n"
        "| best | 25.00 | 20.00 |  |  |\n"
        "| other | 27.00 (+2.00) | 20.00 (+0.00) | 27.00 | 20.00 |\n"
    )
    assert markdown(Comparison(results, "best")).startswith(text + "\n## one\n")


def test_the_interval_holds_the_true_mean_about_95_times_in_100() -> None:
    rng = np.random.default_rng(0)
    intervals = [Statistic.of(rng.normal(30, 3, 40)) for _ in range(100)]
    assert 85 <= sum(interval.low < 30 < interval.high for interval in intervals) <= 100
    assert all(interval.low < interval.mean < interval.high for interval in intervals)


def test_the_boxes_are_those_of_the_shots() -> None:
    results = [result(name, 0, [20.0, 30.0, 40.0, 50.0]) for name in ("best", "other")]
    figure = ComparisonDisplay(Comparison(results, "best")).plot().figure_
    forward, inverse = figure.axes
    assert [axis.get_title() for axis in (forward, inverse)] == ["one, raw to sRGB", "one, sRGB to raw"]
    assert [label.get_text() for label in forward.get_xticklabels()] == ["best", "other"]
    heights = {float(value) for line in forward.lines for value in line.get_ydata()}
    assert {20.0, 27.5, 35.0, 42.5, 50.0} <= heights
