"""scikit-learn's model selection over camera models: searches, scorers, groups, pipelines, workers."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import torch
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.exceptions import FitFailedWarning
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    HalvingRandomSearchCV,
    cross_val_score,
    cross_validate,
    learning_curve,
)
from sklearn.pipeline import Pipeline, make_pipeline

import ispfit
import ispfit.estimator.inputs
from ispfit import ISPModel, inverse_psnr_scorer, psnr_scorer
from ispfit.backbones.mlp import MLP
from ispfit.datasets import load_pairs
from ispfit.estimator import decoded
from ispfit.images import Image, Shot
from ispfit.io import write_linear, write_srgb
from ispfit.pairs.table import write_pairs_csv

Pairs = tuple[list[Image], list[Image]]

pytestmark = pytest.mark.filterwarnings("ignore:X. its shots are of 2 cameras")  # whole cameras are left out


WORKERS: dict[str, Any] = {"backend": "loky", "n_jobs": 2, "max_nbytes": 100}
"""The same for all tests, which so share two workers; images are passed as memory maps."""


def tiny(backbone: Any = "mlp", **parameters: Any) -> ISPModel:
    settings = {"max_steps": 3, "batch_size": 2, "windows_per_image": 2, "window_size": 8, "random_state": 0}
    return ISPModel(backbone, device="cpu", **(settings | parameters))


def make_pairs(count: int = 6) -> Pairs:
    """Pairs of unequal sizes, two of each scene, from two cameras."""
    rng = np.random.default_rng(0)
    X = []
    for number in range(count):
        shot = Shot(f"shot{number}", "Maker", "AB"[number % 2], iso=100.0 * (number + 1), scene=f"scene{number // 2}")
        X.append(Image(rng.random((16 + number, 24 - number, 3), np.float32), shot))
    return X, [Image(np.sqrt(raw), raw.shot) for raw in X]


@pytest.fixture
def pairs() -> Pairs:
    return make_pairs()


def write_pairs(folder: Path, X: list[Image], Y: list[Image]) -> tuple[list[Path], list[Path]]:
    raws = [folder / f"{raw.shot.name}.tif" for raw in X]
    srgbs = [folder / f"{raw.shot.name}.png" for raw in X]
    for paths, images, write in ((raws, X, write_linear), (srgbs, Y, write_srgb)):
        for path, image in zip(paths, images, strict=True):
            write(path, image)
    return raws, srgbs


def test_backbones_and_their_parameters_in_one_grid(pairs: Pairs) -> None:
    grid = [
        {"backbone": ["mlp"], "backbone__hidden": [2, 4], "learning_rate": [1e-3, 1e-2]},
        {"backbone": ["histpyramid", MLP(hidden=3)]},
    ]
    search = GridSearchCV(tiny(), grid, cv=2).fit(*pairs)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert len(search.cv_results_["params"]) == 6
    assert search.predict(pairs[0])[0].shape == pairs[0][0].shape
    assert search.best_estimator_.score(*pairs) == search.score(*pairs)
    assert search.best_score_ == search.cv_results_["mean_test_score"].max()


def test_the_parameter_of_a_backbone_given_by_name_is_searched(pairs: Pairs) -> None:
    search = GridSearchCV(tiny("mlp"), {"backbone__hidden": [2, 5]}, cv=2).fit(*pairs)
    assert search.best_estimator_.backbone_.hidden == search.best_params_["backbone__hidden"]


def test_halving_gives_more_steps_to_those_that_do_well(pairs: Pairs) -> None:
    search = HalvingRandomSearchCV(
        tiny(),
        {"backbone__hidden": [2, 3, 4, 5], "learning_rate": [1e-3, 1e-2]},
        resource="max_steps",
        max_resources=4,
        min_resources=1,
        factor=2,
        cv=2,
        random_state=0,
    ).fit(*pairs)
    assert search.n_resources_ == [1, 2, 4]
    assert search.best_estimator_.max_steps == 4


def test_several_scorers_at_once(pairs: Pairs) -> None:
    scoring = {"forward": psnr_scorer, "inverse": inverse_psnr_scorer}
    results = cross_validate(tiny(), *pairs, cv=3, scoring=scoring, return_estimator=True, return_train_score=True)
    for name in ("test_forward", "test_inverse", "train_forward", "train_inverse"):
        assert results[name].shape == (3,)
        assert np.isfinite(results[name]).all()
    search = GridSearchCV(tiny(), {"max_steps": [1, 2]}, cv=2, scoring=scoring, refit="inverse").fit(*pairs)
    assert search.best_score_ == search.cv_results_["mean_test_inverse"].max()


def test_an_identical_image_makes_no_search_nan(pairs: Pairs) -> None:
    model = tiny().fit(*pairs)
    rendered = model.transform(pairs[0])
    assert psnr_scorer(model, pairs[0], rendered) == ispfit.metrics.PSNR_CAP


def test_learning_curve(pairs: Pairs) -> None:
    sizes, train, test = learning_curve(tiny(), *pairs, cv=2, train_sizes=[1, 3])
    assert sizes.tolist() == [1, 3]
    assert train.shape == test.shape == (2, 2)


@pytest.mark.parametrize("key", ["scene", "camera"])
def test_no_scene_and_no_camera_is_on_both_sides_of_a_split(pairs: Pairs, key: str) -> None:
    groups = [getattr(image.shot, key) for image in pairs[0]]
    cv = GroupKFold(2)
    for train, test in cv.split(pairs[0], groups=groups):
        assert not {groups[index] for index in train} & {groups[index] for index in test}
    assert np.isfinite(cross_val_score(tiny(), *pairs, groups=groups, cv=cv)).all()


def test_what_is_known_of_a_shot_travels_through_every_split(pairs: Pairs) -> None:
    seen: list[list[Shot]] = []

    def note(estimator: Any, X: list[Image], Y: list[Image]) -> float:
        seen.append([image.shot for image in X])
        assert [image.shot for image in estimator.transform(X)] == [image.shot for image in Y] == seen[-1]
        return 0.0

    results = cross_validate(tiny(), *pairs, cv=3, scoring=note, return_estimator=True)
    assert [shot for shots in seen for shot in shots] == [image.shot for image in pairs[0]]
    assert [model.camera_ for model in results["estimator"]] == ["Maker A"] * 3


class Exposure(TransformerMixin, BaseEstimator):
    """Doubles raw, and halves it on the way back."""

    def __init__(self, gain: float = 0.5) -> None:
        self.gain = gain

    def fit(self, X: Any, Y: Any = None) -> Exposure:
        return self

    def transform(self, X: Any) -> list[Image]:
        return [Image(raw * np.float32(self.gain)) for raw in X]

    def inverse_transform(self, X: Any) -> list[Image]:
        return [Image((raw / np.float32(self.gain)).clip(0, 1)) for raw in X]

    def __sklearn_is_fitted__(self) -> bool:
        return True


def test_a_pipeline_renders_derenders_and_is_searched(pairs: Pairs) -> None:
    X, Y = pairs
    pipeline = make_pipeline(Exposure(), tiny()).fit(X, Y)
    model = pipeline[-1]
    np.testing.assert_array_equal(pipeline.transform(X)[0], model.transform(Exposure().transform(X))[0])
    np.testing.assert_array_equal(
        pipeline.inverse_transform(Y)[0], Exposure().inverse_transform(model.inverse_transform(Y))[0]
    )
    assert pipeline.score(X, Y) == pytest.approx(psnr_scorer(pipeline, X, Y))
    assert np.isfinite(inverse_psnr_scorer(pipeline, X, Y))
    grid = {"exposure__gain": [0.25, 0.5], "ispmodel__backbone__hidden": [2, 3]}
    scoring = {"forward": psnr_scorer, "inverse": inverse_psnr_scorer}
    search = GridSearchCV(pipeline, grid, cv=2, scoring=scoring, refit="forward").fit(X, Y)
    assert isinstance(search.best_estimator_, Pipeline)


def test_a_scorer_of_a_pipeline_says_that_it_needs_images(pairs: Pairs) -> None:
    pipeline = make_pipeline(Exposure(), tiny()).fit(*pairs)
    with pytest.raises(ispfit.errors.InputError, match=r"needs images, got paths; read them by ispfit\.read_srgb"):
        psnr_scorer(pipeline, pairs[0], ["shot.png"] * 6)
    with pytest.raises(ispfit.errors.InputError, match=r"X: .* needs images, got paths; read them by ispfit\.read_raw"):
        inverse_psnr_scorer(pipeline, ["shot.dng"] * 6, pairs[1])


def test_nested_parameters_survive_clone() -> None:
    model = tiny("mlp").set_params(backbone__hidden=7)
    assert clone(model).get_params()["backbone__hidden"] == 7
    assert clone(make_pipeline(Exposure(), model)).get_params()["ispmodel__backbone__hidden"] == 7
    assert tiny("mlp").get_params()["backbone__hidden"] == MLP().hidden
    with pytest.raises(ValueError, match="Invalid parameter 'no_such'"):
        model.set_params(backbone__no_such=1)


def test_images_stay_images_whatever_the_output_is_set_to(pairs: Pairs) -> None:
    pipeline = make_pipeline(Exposure(), tiny()).fit(*pairs)
    assert isinstance(pipeline.transform(pairs[0])[0], Image)
    assert not hasattr(tiny(), "set_output")
    assert not hasattr(pipeline[-1], "n_features_in_")


def test_it_is_drawn_in_a_notebook(pairs: Pairs) -> None:
    html = make_pipeline(Exposure(), tiny(MLP(hidden=7)))._repr_html_()
    assert "ISPModel" in html
    assert "MLP" in html
    assert "ISPModel" in GridSearchCV(tiny(), {"max_steps": [1]})._repr_html_()


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_two_workers_find_what_one_finds(pairs: Pairs, backend: str) -> None:
    grid = {"backbone__hidden": [2, 4]}
    alone = GridSearchCV(tiny(), grid, cv=2).fit(*pairs)
    with joblib.parallel_config(**WORKERS | {"backend": backend}):
        both = GridSearchCV(tiny(), grid, cv=2).fit(*pairs)
    np.testing.assert_allclose(
        both.cv_results_["mean_test_score"], alone.cv_results_["mean_test_score"], rtol=0, atol=1e-5
    )
    assert both.best_params_ == alone.best_params_


def test_workers_get_read_only_memory_maps(pairs: Pairs) -> None:
    big = [np.asarray(image) for image in pairs[0]], [np.asarray(image) for image in pairs[1]]
    with joblib.parallel_config(**WORKERS):
        scores = cross_val_score(tiny(), *big, cv=2)
    np.testing.assert_allclose(scores, cross_val_score(tiny(), *big, cv=2), rtol=0, atol=1e-5)


def test_a_fit_that_fails_spoils_no_search(pairs: Pairs) -> None:
    grid = {"max_steps": [1, -1]}
    with pytest.warns(FitFailedWarning, match="max_steps: expected a whole number >= 0, got -1"):
        search = GridSearchCV(tiny(), grid, cv=2, error_score=-1.0).fit(*pairs)
    assert search.cv_results_["mean_test_score"][1] == -1
    assert search.best_params_ == {"max_steps": 1}
    with pytest.raises(ispfit.errors.InputError, match="got -1"):
        GridSearchCV(tiny(), grid, cv=2, error_score="raise").fit(*pairs)


def test_a_fitted_model_is_unpickled_in_another_process(pairs: Pairs, tmp_path: Path) -> None:
    model = tiny("histpyramid", direction="forward").fit(*pairs)
    (tmp_path / "model.pickle").write_bytes(pickle.dumps((model, pairs[0][0], model.transform(pairs[0][:1])[0])))
    code = (
        "import pickle, sys, numpy as np\n"
        "model, raw, srgb = pickle.load(open(sys.argv[1], 'rb'))\n"
        "np.testing.assert_allclose(model.transform([raw])[0], srgb, atol=1e-6)\n"
        "assert all(not p.is_cuda for p in model.networks_['forward'].parameters())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "model.pickle")], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr


def test_a_model_of_another_device_is_used_here(pairs: Pairs) -> None:
    model = tiny().fit(*pairs).set_params(device="cuda:7")  # as it comes from a machine with eight of them
    loaded = pickle.loads(pickle.dumps(model)).set_params(device="cpu")
    np.testing.assert_array_equal(loaded.transform(pairs[0])[0], tiny().fit(*pairs).transform(pairs[0])[0])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_model_fitted_on_a_gpu_is_pickled_for_the_cpu(pairs: Pairs) -> None:
    model = tiny("histpyramid", precision="fp32").set_params(device="cuda").fit(*pairs)
    loaded = pickle.loads(pickle.dumps(model)).set_params(device="cpu")
    assert all(not p.is_cuda for network in loaded.networks_.values() for p in network.parameters())
    np.testing.assert_allclose(loaded.transform(pairs[0])[0], model.transform(pairs[0])[0], atol=1e-3)


def test_a_search_decodes_each_file_once(pairs: Pairs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: Counter[str] = Counter()
    for name in ("read_raw", "read_srgb"):
        original = getattr(ispfit.estimator.inputs, name)

        def counted(path: Path, original: Any = original) -> Image:
            reads[path.name] += 1
            image: Image = original(path)
            return image

        counted.__name__ = name
        monkeypatch.setattr(ispfit.estimator.inputs, name, counted)
    decoded.clear_cache()
    raws, srgbs = write_pairs(tmp_path, *pairs)
    search = GridSearchCV(tiny(), {"max_steps": [1, 2]}, cv=3).fit(raws, srgbs)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert reads == {path.name: 1 for path in raws + srgbs}


def test_lazy_pairs_are_searched_by_workers_and_decoded_once(
    pairs: Pairs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_pairs(tmp_path, *pairs)
    names = [image.shot.name for image in pairs[0]]
    write_pairs_csv(
        tmp_path / "pairs.csv", [{"name": name, "raw": f"{name}.tif", "srgb": f"{name}.png"} for name in names]
    )
    X, Y = load_pairs(tmp_path, lazy=True)
    for path in tmp_path.glob("shot*"):
        path.unlink()  # nothing can be decoded any more
    with joblib.parallel_config(**WORKERS):
        search = GridSearchCV(tiny(), {"max_steps": [1, 2]}, cv=2).fit(X, Y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
