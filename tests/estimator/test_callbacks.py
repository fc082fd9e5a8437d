"""scikit-learn's callbacks see a fit, its directions, and the intervals of training between two evaluations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.model_selection import GridSearchCV

from ispfit import ISPModel, psnr_scorer
from ispfit.datasets import make_camera_pairs

STEPS = 8


class Recorder:
    """Notes which tasks begin and end, and stops a direction at the end of its interval number `stop`."""

    def __init__(self, stop: int | None = None) -> None:
        self.notes: list[tuple[str, str]] = []
        self.estimators: list[Any] = []
        self.stop = stop

    def setup(self, estimator: Any, context: Any) -> None:
        self.notes.append(("setup", context.task_name))

    def teardown(self, estimator: Any, context: Any) -> None:
        self.notes.append(("teardown", context.task_name))

    def on_fit_task_begin(self, estimator: Any, context: Any, *, X: Any, y: Any) -> None:
        assert len(X) == len(y) == 4
        self.notes.append(("begin", context.task_name))

    def on_fit_task_end(self, estimator: Any, context: Any, *, fitted_estimator: Any) -> bool:
        self.notes.append(("end", context.task_name))
        if context.task_name == "evaluation":
            self.estimators.append(fitted_estimator)
        return context.task_name == "evaluation" and context.task_id == self.stop


@pytest.fixture(scope="module")
def pairs() -> Any:
    return make_camera_pairs(4, image_size=32, random_state=0)


def model(**parameters: Any) -> ISPModel:
    settings = {"max_steps": STEPS, "batch_size": 2, "windows_per_image": 2, "window_size": 16, "random_state": 0}
    return ISPModel("mlp", device="cpu", **(settings | parameters))


def test_the_tasks_are_nested_and_all_end(pairs: Any) -> None:
    recorder = Recorder()
    model().set_callbacks(recorder).fit(*pairs)
    stretches = [("begin", "evaluation"), ("end", "evaluation")] * STEPS
    directions = [note for name in ("forward", "inverse") for note in [("begin", name), *stretches, ("end", name)]]
    assert recorder.notes == [
        ("setup", "fit"), ("begin", "fit"), *directions, ("end", "fit"), ("teardown", "fit"),
    ]  # fmt: skip


def test_a_callback_is_given_a_model_that_works_and_changes_nothing(pairs: Any) -> None:
    recorder = Recorder()
    watched = model().set_callbacks(recorder).fit(*pairs)
    first, last = recorder.estimators[0], recorder.estimators[-1]
    assert list(first.networks_) == ["forward"]
    assert [entry["step"] for entry in first.records_["forward"].history] == [1]
    assert not np.array_equal(first.transform(pairs[0][:1])[0], watched.transform(pairs[0][:1])[0])
    for name in ("transform", "inverse_transform"):
        np.testing.assert_array_equal(getattr(last, name)(pairs[0])[0], getattr(watched, name)(pairs[0])[0])
    np.testing.assert_array_equal(watched.transform(pairs[0])[0], model().fit(*pairs).transform(pairs[0])[0])


def test_a_callback_can_end_the_training_of_a_direction(pairs: Any) -> None:
    fitted = model().set_callbacks(Recorder(stop=2)).fit(*pairs)
    for record in fitted.records_.values():
        assert record.steps == 3
        assert record.stopped_early


def test_the_tasks_all_end_if_training_stops_early(pairs: Any) -> None:
    recorder = Recorder()
    raws, srgbs = make_camera_pairs(8, image_size=16, random_state=1)
    opposite = [1 - raw for raw in raws], [1 - srgb for srgb in srgbs]
    model(max_steps=40, learning_rate=0.03).set_callbacks(recorder).fit(*pairs, validation=opposite)
    begun, ended = ([name for kind, name in recorder.notes if kind == which] for which in ("begin", "end"))
    assert begun.count("evaluation") == ended.count("evaluation") < 80
    assert sorted(begun) == sorted(ended)


def test_callbacks_end_though_the_fit_fails(pairs: Any) -> None:
    recorder = Recorder()
    with pytest.raises(ValueError, match="of one shape"):
        model().set_callbacks(recorder).fit(pairs[0], [srgb[1:] for srgb in pairs[1]])
    assert recorder.notes == []
    with pytest.raises(RuntimeError, match="lower learning_rate"), np.errstate(all="ignore"):
        model(learning_rate=1e30, max_steps=80).set_callbacks(recorder).fit(*pairs)
    assert recorder.notes[-1] == ("teardown", "fit")


def test_scikit_learns_own_callbacks_work_in_a_search_too(pairs: Any, capsys: pytest.CaptureFixture[str]) -> None:
    monitor = ScoringMonitor(scoring={"psnr": psnr_scorer})
    fitted = model(direction="forward").set_callbacks(monitor).fit(*pairs)
    scores = [row["psnr"] for row in monitor.get_logs().data if row.get("psnr") is not None]
    assert len(scores) >= STEPS
    assert scores[-1] == pytest.approx(fitted.score(*pairs), abs=1e-5)
    search = GridSearchCV(model(), {"backbone__hidden": [2, 3]}, cv=2).set_callbacks(ProgressBar())
    search.fit(*pairs)
    assert "ISPModel - forward" in capsys.readouterr().out
