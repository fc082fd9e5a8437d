"""`ISPModel`: fitting, warm starts, rendering, scores, checkpoints."""

from __future__ import annotations

import pickle
import re
import signal
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.utils.validation import check_is_fitted
from toys import Gamma, LeastSquares, Line, Restless, RestlessNetwork, quick, same, toy_pairs, weights

from ispfit import ISPModel, inverse_psnr_scorer, psnr, psnr_scorer
from ispfit.errors import CheckpointError, InputError, NotFittedError
from ispfit.images import Image, Shot
from ispfit.io import write_linear, write_srgb


@pytest.fixture(scope="module")
def fitted() -> ISPModel:
    return quick().fit(*toy_pairs())


def test_fit_returns_the_model_and_tells_what_it_did(fitted: ISPModel) -> None:
    model = quick()
    assert model.fit(*toy_pairs()) is model
    check_is_fitted(fitted)
    assert set(fitted.networks_) == set(fitted.records_) == {"forward", "inverse"}
    assert fitted.records_["forward"].steps == 6
    assert fitted.camera_ == "Toy One"
    assert repr(fitted.backbone_) == "MLP(hidden=4)"
    assert fitted.backbone_ is not fitted.backbone


def test_an_image_s_height_is_no_number_of_features(fitted: ISPModel) -> None:
    assert not hasattr(fitted, "n_features_in_")
    assert not hasattr(fitted, "feature_names_in_")


def test_an_unknown_camera_is_none() -> None:
    X, Y = ([np.asarray(image) for image in images] for images in toy_pairs(2))
    assert quick(max_steps=1).fit(X, Y).camera_ is None


@pytest.mark.parametrize("direction", ["forward", "inverse"])
def test_one_direction_can_be_fitted_alone(direction: str) -> None:
    X, Y = toy_pairs()
    model = quick(direction=direction).fit(X, Y)
    assert set(model.networks_) == {direction}
    known, missing = model.transform, model.inverse_transform
    other = "inverse"
    if direction == "inverse":
        known, missing, other = missing, known, "forward"
    assert len(known(X)) == len(X)
    message = (
        f"this ISPModel has no {other} direction: it was fitted with direction='{direction}'; "
        f"fit it with direction='both' or '{other}'."
    )
    with pytest.raises(NotFittedError, match=re.escape(message)):
        missing(X)


def test_each_direction_is_the_same_alone_and_with_the_other(fitted: ISPModel) -> None:
    for direction in ("forward", "inverse"):
        alone = quick(direction=direction).fit(*toy_pairs())
        for name, tensor in alone.networks_[direction].state_dict().items():
            assert torch.equal(tensor, fitted.networks_[direction].state_dict()[name])


def test_one_seed_gives_one_model(fitted: ISPModel) -> None:
    assert same(quick().fit(*toy_pairs()), fitted)
    assert not same(quick(random_state=1).fit(*toy_pairs()), fitted)
    assert same(quick(random_state=np.int64(0)).fit(*toy_pairs()), fitted)


def test_a_random_state_can_be_shared() -> None:
    first, second = (quick(random_state=np.random.RandomState(5)).fit(*toy_pairs()) for _ in range(2))
    assert same(first, second)


def test_a_list_of_unequal_images_is_learned_from() -> None:
    X, Y = toy_pairs()
    X, Y = [X[0][:5], X[1][:, :9], *X[2:]], [Y[0][:5], Y[1][:, :9], *Y[2:]]
    assert [image.shape for image in quick().fit(X, Y).transform(X)] == [image.shape for image in X]


def test_a_stacked_array_is_a_list_too(fitted: ISPModel) -> None:
    X, Y = (np.stack(images) for images in toy_pairs())
    assert same(quick().fit(X, Y), fitted)


def test_files_are_read(tmp_path: Path) -> None:
    X, Y = toy_pairs(2)
    raws, srgbs = ([tmp_path / f"{index}{suffix}" for index in range(2)] for suffix in (".tif", ".png"))
    for index in range(2):
        write_linear(raws[index], X[index], dtype="float32")
        write_srgb(srgbs[index], Y[index])
    rounded = [np.round(image * 255) / 255 for image in Y]
    assert same(quick().fit(raws, [str(path) for path in srgbs]), quick().fit(X, rounded))


def test_a_network_that_fits_pairs_is_fitted_at_once() -> None:
    X, Y = toy_pairs()
    model = quick(LeastSquares()).fit(X, Y)
    assert model.score(X, Y) > 60
    assert model.records_["forward"].steps == 0


def test_an_invertible_network_serves_both_directions() -> None:
    X, Y = toy_pairs()
    model = quick(Gamma(), max_steps=150, learning_rate=3e-2).fit(X, Y)
    assert set(model.records_) == {"forward"}
    assert psnr_scorer(model, X, Y) > 40
    assert inverse_psnr_scorer(model, X, Y) > 40


def test_networks_that_were_trained_elsewhere_make_a_fitted_model(fitted: ISPModel) -> None:
    X, _ = toy_pairs(1)
    networks = {name: network.train() for name, network in deepcopy(fitted.networks_).items()}
    model = ISPModel(device="cpu").set_fitted(fitted.backbone_, networks, fitted.records_)
    assert not any(network.training for network in model.networks_.values())
    assert model.camera_ is None
    np.testing.assert_array_equal(model.transform(X)[0], fitted.transform(X)[0])


def test_bf16_works_on_a_cpu() -> None:
    X, Y = toy_pairs()
    [image] = quick(precision="bf16").fit(X, Y).transform(X[:1])
    assert image.dtype == np.float32


# Warm start


def test_a_warm_start_continues_with_other_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    model = quick(Line(), warm_start=True, direction="forward").fit(*toy_pairs())
    first = weights(model)
    model.fit(*toy_pairs())
    assert model.records_["forward"].steps == 12
    assert [entry["step"] for entry in model.records_["forward"].history] == [7, 8, 9, 10, 11, 12]
    assert all(not torch.equal(tensor, first[name]) for name, tensor in weights(model).items())
    model.fit(*toy_pairs())
    assert model.records_["forward"].steps == 18


def test_without_a_warm_start_fit_begins_anew(fitted: ISPModel) -> None:
    model = quick()
    assert same(model.fit(*toy_pairs()).fit(*toy_pairs()), fitted)


def test_a_warm_start_trains_a_direction_that_is_new() -> None:
    model = quick(warm_start=True, direction="forward").fit(*toy_pairs())
    model.set_params(direction="both").fit(*toy_pairs())
    assert {name: record.steps for name, record in model.records_.items()} == {"forward": 12, "inverse": 6}


def test_a_warm_start_cannot_change_the_backbone() -> None:
    model = quick(warm_start=True).fit(*toy_pairs())
    model.set_params(backbone__hidden=5)
    message = "warm_start: MLP(hidden=5) cannot continue MLP(hidden=4), which was fitted; set warm_start=False."
    with pytest.raises(InputError, match=re.escape(message)):
        model.fit(*toy_pairs())
    assert model.set_params(warm_start=False).fit(*toy_pairs()).records_["forward"].steps == 6


def test_a_fit_that_fails_leaves_the_model_as_it_was(fitted: ISPModel, monkeypatch: pytest.MonkeyPatch) -> None:
    model = quick(warm_start=True).fit(*toy_pairs())
    monkeypatch.setattr(torch.optim.Adam, "step", lambda self: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        model.fit(*toy_pairs())
    assert same(model, fitted)


# Rendering and scores


def test_transform_renders_and_inverse_transform_derenders() -> None:
    X, Y = toy_pairs()
    model = quick(LeastSquares()).fit(X, Y)
    assert np.mean([psnr(y, image) for y, image in zip(Y, model.transform(X), strict=True)]) > 60
    assert np.mean([psnr(x, image) for x, image in zip(X, model.inverse_transform(Y), strict=True)]) > 20


def test_predict_is_transform(fitted: ISPModel) -> None:
    X, _ = toy_pairs(1)
    np.testing.assert_array_equal(fitted.predict(X)[0], fitted.transform(X)[0])


def test_the_shot_travels_through_the_model(fitted: ISPModel) -> None:
    shot = Shot(name="a", model="D600", iso=200)
    image = Image(np.full((5, 6, 3), 0.5, np.float32), shot)
    assert fitted.transform([image])[0].shot == fitted.inverse_transform([image])[0].shot == shot


def test_the_score_is_the_mean_psnr_forward(fitted: ISPModel) -> None:
    X, Y = toy_pairs()
    expected = [psnr(y, image) for y, image in zip(Y, fitted.transform(X), strict=True)]
    np.testing.assert_allclose(fitted.psnr(X, Y), expected)
    assert fitted.score(X, Y) == psnr_scorer(fitted, X, Y) == pytest.approx(np.mean(expected))


def test_the_inverse_scorer_compares_raws(fitted: ISPModel) -> None:
    X, Y = toy_pairs()
    expected = [psnr(x, image) for x, image in zip(X, fitted.inverse_transform(Y), strict=True)]
    assert inverse_psnr_scorer(fitted, X, Y) == pytest.approx(np.mean(expected))


def test_images_are_scored_one_by_one(fitted: ISPModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []
    X, Y = toy_pairs(3)
    paths = [tmp_path / f"{index}.tif" for index in range(3)]
    for path in paths:
        path.touch()
    monkeypatch.setattr("ispfit.estimator.inputs.read_raw", lambda path: events.append("read") or X[0])  # type: ignore[func-returns-value]
    monkeypatch.setattr("ispfit.estimator.fitted.render_image", lambda *_: events.append("render") or X[0])  # type: ignore[func-returns-value]
    fitted.psnr(paths, Y)
    assert events == ["read", "render"] * 3


# Pickles and checkpoints


def test_a_pickle_renders_the_same(fitted: ISPModel) -> None:
    X, Y = toy_pairs()
    copy = pickle.loads(pickle.dumps(fitted))
    assert same(copy, fitted)
    assert copy.score(X, Y) == fitted.score(X, Y)
    assert {tensor.device.type for tensor in weights(copy).values()} == {"cpu"}


def test_a_fitted_network_is_in_evaluation_mode(fitted: ISPModel) -> None:
    assert not any(network.training for network in fitted.networks_.values())


def test_a_fit_goes_on_from_its_checkpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    render = RestlessNetwork.render

    def interrupting(*arguments: Any) -> Any:
        calls.append("")
        if len(calls) == 9:  # six steps forward, then in the third of the inverse direction
            signal.raise_signal(signal.SIGINT)
        return render(*arguments)

    monkeypatch.setattr(RestlessNetwork, "render", interrupting)
    with pytest.raises(KeyboardInterrupt):
        quick(Restless()).fit(*toy_pairs(), checkpoint=tmp_path / "run")
    assert {path.name for path in (tmp_path / "run").iterdir()} == {"forward.safetensors", "inverse.safetensors"}
    model = quick(Restless()).fit(*toy_pairs(), checkpoint=tmp_path / "run")
    assert len(calls) == 12
    assert same(model, quick(Restless()).fit(*toy_pairs()))


def test_a_checkpoint_of_other_settings_is_refused(tmp_path: Path) -> None:
    quick().fit(*toy_pairs(), checkpoint=tmp_path)
    with pytest.raises(CheckpointError, match=r"forward\.safetensors: belongs to another .*max_steps was 6, is 7"):
        quick(max_steps=7).fit(*toy_pairs(), checkpoint=tmp_path)


@pytest.mark.parametrize("random_state", [None, np.random.RandomState(0)])
def test_a_checkpoint_needs_a_seed(tmp_path: Path, random_state: Any) -> None:
    message = r"random_state: expected an int with a checkpoint, got .+; a run that is continued must draw the same"
    with pytest.raises(InputError, match=message):
        quick(random_state=random_state).fit(*toy_pairs(), checkpoint=tmp_path)


def test_numbers_of_numpy_can_be_checkpointed(tmp_path: Path, fitted: ISPModel) -> None:
    model = quick(max_steps=np.int64(6), learning_rate=np.float64(1e-2), batch_size=np.int32(2))
    assert same(model.fit(*toy_pairs(), checkpoint=tmp_path), fitted)


def test_validation_pairs_that_are_given_decide_and_are_not_trained_on() -> None:
    X, Y = toy_pairs(6)
    model = quick(validation_fraction=0.5, direction="forward")
    model.fit(X[:4], Y[:4], validation=(X[4:], Y[4:]))
    record = model.records_["forward"]
    assert (record.n_train, record.n_validation) == (4, 2)
    assert record.best_psnr is not None
    alone = quick(validation_fraction=0, direction="forward").fit(X[:4], Y[:4])
    losses = [[entry["loss"] for entry in each.records_["forward"].history] for each in (model, alone)]
    assert losses[0] == losses[1]  # the same pairs were trained on, in the same steps


@pytest.mark.parametrize("direction", ["forward", "inverse"])
def test_validation_pairs_are_turned_round_with_the_direction(direction: str) -> None:
    X, Y = toy_pairs(4)
    model = quick(direction=direction, max_steps=40).fit(X[:3], Y[:3], validation=(X[3:], Y[3:]))
    [own] = model.psnr(X[3:], Y[3:], direction=direction)
    assert model.records_[direction].best_psnr == pytest.approx(own, abs=3)


def test_validation_pairs_that_are_none_are_named() -> None:
    X, Y = toy_pairs(2)
    with pytest.raises(InputError, match=r"^validation: expected a tuple \(X, Y\) of raws and srgbs, got ndarray"):
        quick().fit(X, Y, validation=np.zeros(3))
    with pytest.raises(InputError, match=r"^validation: X and Y: expected one srgb for each raw, got 2"):
        quick().fit(X, Y, validation=(X, Y[:1]))
