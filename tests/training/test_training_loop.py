"""The training loop: what a step does, when training stops, which weights it keeps, and that it is repeatable."""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from small import small
from torch import Tensor
from toys import Gamma, LeastSquares, Line, Restless, toy_pairs

from ispfit import Backbone, ISPModel, Network, Scene, Window, get_backbone, list_backbones
from ispfit.backbones.histpyramid import HistPyramid
from ispfit.backbones.hypercolumn import Hypercolumn
from ispfit.datasets import make_camera_pairs
from ispfit.errors import BackboneError, CheckpointError, InputError, TrainingError
from ispfit.images import Image
from ispfit.metrics import psnr
from ispfit.rendering import render_image
from ispfit.runtime import Runtime
from ispfit.testing.subject import render
from ispfit.training import Checkpoint, TrainingPlan, TrainingRecord, losses, run, train
from ispfit.training.sampling import draw_windows

CPU = Runtime(torch.device("cpu"))
PLAN = TrainingPlan(40, 3e-2, batch_size=2, windows_per_image=2, window_size=8, validation_fraction=0.2, seed=3)


def build(backbone: Backbone, seed: int = 0) -> Network:
    torch.manual_seed(seed)
    return backbone.build()


def fit(backbone: Backbone, pairs: Any, plan: TrainingPlan = PLAN, **options: Any) -> tuple[Network, TrainingRecord]:
    network = build(backbone)
    record = train(network, *pairs, plan, options.pop("runtime", CPU), **options)
    return network.eval(), record


def quality(network: Network, pairs: Any) -> float:
    return float(
        np.mean([psnr(target, render_image(network, image, CPU)) for image, target in zip(*pairs, strict=True)])
    )


@pytest.mark.usefixtures("brief_photofinish")
@pytest.mark.parametrize("name", list_backbones())
def test_every_backbone_learns_in_both_directions(name: str) -> None:
    raws, srgbs = toy_pairs(4, 20)
    plan = replace(PLAN, max_steps=25, learning_rate=5e-3, validation_fraction=0)
    for pairs in ((raws, srgbs), (srgbs, raws)):
        before = quality(build(small(name)), pairs)
        network, record = fit(small(name), pairs, plan)
        assert quality(network, pairs) > before + 1
        assert network.has_closed_form or record.history[-1]["loss"] < record.history[0]["loss"]  # type: ignore[operator]


def test_the_rate_warms_up_and_decays_as_half_a_cosine() -> None:
    plan = replace(PLAN, max_steps=1000, learning_rate=2.0)
    rates = [plan.rate(step) for step in range(1000)]
    assert rates[0] == pytest.approx(2 / 30)
    assert rates[29] == rates[30] == 2.0
    assert np.all(np.diff(rates[:30]) > 0)
    assert np.all(np.diff(rates[30:]) < 0)
    assert rates[515] == pytest.approx(2 * (0.01 + 0.99 / 2))
    assert rates[-1] == pytest.approx(0.02, rel=1e-2)


@pytest.mark.parametrize("max_steps", [1, 2, 5])
def test_a_short_run_has_a_rate_at_every_step(max_steps: int) -> None:
    plan = replace(PLAN, max_steps=max_steps)
    assert all(0 < plan.rate(step) <= plan.learning_rate for step in range(max_steps))


def test_gradients_are_clipped(tmp_path: Path) -> None:
    moments = {}
    for gain in (1e-3, 1e4):
        checkpoint = Checkpoint(tmp_path / f"{gain}", every=0)
        fit(Line(gain), toy_pairs(), replace(PLAN, max_steps=1), checkpoint=checkpoint)
        tensors = safetensors.torch.load_file(checkpoint.path)
        moment = [tensor.square().sum() for name, tensor in tensors.items() if name.endswith("exp_avg")]
        moments[gain] = 10 * float(sum(moment)) ** 0.5  # Adam's first moment after one step: a tenth of the gradient
    assert moments[1e-3] < 0.01
    assert moments[1e4] == pytest.approx(1, rel=1e-3)


def test_training_goes_on_without_validation_pairs() -> None:
    _, record = fit(Line(), toy_pairs(), replace(PLAN, max_steps=200, learning_rate=1e-20, validation_fraction=0))
    assert (record.n_train, record.n_validation) == (6, 0)
    assert record.steps == record.best_step == 200
    assert not record.stopped_early
    assert record.best_psnr is None
    assert {entry["psnr"] for entry in record.history} == {None}


def test_validation_pairs_can_be_given() -> None:
    """All other pairs are trained on, and the PSNR is that of the given pairs."""
    plan = replace(PLAN, window_size=24, windows_per_image=1, max_steps=1)
    raws, srgbs = toy_pairs(2, seed=1)
    network, record = fit(Line(), toy_pairs(), plan, validation=(raws, srgbs))
    same, _ = fit(Line(), toy_pairs(), replace(plan, validation_fraction=0))
    assert torch.equal(network.state_dict()["conv.weight"], same.state_dict()["conv.weight"])
    assert (record.n_train, record.n_validation) == (6, 2)
    rendered = [render(network, torch.from_numpy(raw)).permute(1, 2, 0) for raw in raws]
    expected = np.mean([psnr(srgb, image.numpy()) for srgb, image in zip(srgbs, rendered, strict=True)])
    assert record.best_psnr == pytest.approx(expected, abs=1e-3)


def contradiction(n_scenes: int) -> Any:
    """Return validation pairs whose targets are the opposite of those of `toy_pairs`."""
    raws, srgbs = toy_pairs(n_scenes, seed=1)
    return raws, [1 - srgb for srgb in srgbs]


def test_training_stops_if_it_evidently_got_worse(tmp_path: Path) -> None:
    """It ends as soon as the learning rate has fallen, with the weights of the best evaluation."""
    plan = replace(PLAN, max_steps=80)
    checkpoint = Checkpoint(tmp_path / "a", every=0)
    network, record = fit(Line(), toy_pairs(), plan, checkpoint=checkpoint, validation=contradiction(8))
    assert record.stopped_early
    assert plan.rate_has_fallen(record.steps)
    assert not plan.rate_has_fallen(record.steps - plan.validate_every)
    psnrs = [float(entry["psnr"] or 0) for entry in record.history]
    averages = [np.mean(psnrs[end - 5 : end]) for end in range(5, len(psnrs) + 1)]
    best = record.history[4 + int(np.argmax(averages))]
    assert (record.best_step, record.best_psnr) == (best["step"], best["psnr"])
    tensors = safetensors.torch.load_file(checkpoint.path)
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, tensors[f"best.{name}"])
        assert not torch.equal(tensor, tensors[f"network.{name}"])


@pytest.mark.parametrize("n_scenes", [1, 7])
def test_a_handful_of_scenes_stops_nothing(n_scenes: int) -> None:
    """It cannot prove that training got worse: the weights are those of a run without validation pairs."""
    network, record = fit(Line(), toy_pairs(), validation=contradiction(n_scenes))
    alone, _ = fit(Line(), toy_pairs(), replace(PLAN, validation_fraction=0))
    assert not record.stopped_early
    assert record.steps == record.best_step == PLAN.max_steps
    assert record.best_psnr == record.history[-1]["psnr"]
    assert torch.equal(network.state_dict()["conv.weight"], alone.state_dict()["conv.weight"])


def test_a_validation_that_improves_stops_nothing() -> None:
    network, record = fit(Line(), toy_pairs(), replace(PLAN, max_steps=80), validation=toy_pairs(8, seed=1))
    assert record.steps == record.best_step == 80
    assert quality(network, toy_pairs(8, seed=1)) > quality(build(Line()), toy_pairs(8, seed=1)) + 5


def test_shots_of_one_scene_count_once() -> None:
    raws, srgbs = contradiction(16)
    raws = [Image(raw, replace(raw.shot, scene=f"{index // 4}")) for index, raw in enumerate(raws)]
    _, record = fit(Line(), toy_pairs(), replace(PLAN, max_steps=80), validation=(raws, srgbs))
    assert record.n_validation == 16
    assert not record.stopped_early


def test_by_default_a_tenth_is_held_out_if_it_is_enough_to_judge_by() -> None:
    raws, srgbs = toy_pairs(200, 8)
    plan = replace(PLAN, max_steps=1, validation_fraction="auto")
    few, many = (fit(Line(), (raws[:n], srgbs[:n]), plan)[1] for n in (194, 196))
    assert (few.n_train, few.n_validation) == (194, 0)
    assert (many.n_train, many.n_validation) == (176, 20)


def test_the_record_tells_what_happened() -> None:
    _, record = fit(Line(), toy_pairs(10))
    assert (record.n_train, record.n_validation) == (8, 2)
    assert record.steps == 40
    assert [entry["step"] for entry in record.history] == list(range(1, 41))
    assert record.seconds > 0
    assert TrainingRecord(**asdict(record)) == record


@pytest.mark.parametrize("rate", [1e20, 1e30])
def test_a_loss_that_explodes_says_what_to_do(rate: float) -> None:
    message = (
        rf"the (loss|sum of the weights|validation PSNR) is -?(inf|nan) at step \d+; lower learning_rate \({rate:g}\)"
    )
    with pytest.raises(TrainingError, match=message.replace("+", r"\+").replace(r"\d\+", r"\d+")):
        fit(Line(), toy_pairs(), replace(PLAN, learning_rate=rate))


def test_losses_that_are_read_later_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    _, at_once = fit(Line(), toy_pairs())
    monkeypatch.setitem(losses._READ_INTERVAL_STEPS, "cpu", 7)
    _, later = fit(Line(), toy_pairs())
    assert later.history == at_once.history
    with pytest.raises(TrainingError, match="lower learning_rate"):
        fit(Line(), toy_pairs(), replace(PLAN, learning_rate=1e30))


@pytest.mark.parametrize("fraction", [0, 0.2])
def test_weights_that_the_last_step_ruined_are_noticed(fraction: float) -> None:
    class Root(torch.nn.Module):
        """Finite at 0, unlike its derivative."""

        def forward(self, x: Tensor) -> Tensor:
            return (x * 0).sqrt()

    network = build(Line())
    network.conv = torch.nn.Sequential(network.conv, Root())  # type: ignore[assignment, arg-type]
    with pytest.raises(TrainingError, match=r"the sum of the weights is nan at step 1; lower learning_rate"):
        train(network, *toy_pairs(), replace(PLAN, max_steps=1, validation_fraction=fraction), CPU)


@pytest.mark.parametrize("backbone", [Line(), Restless()])
def test_two_runs_are_equal_bit_for_bit(backbone: Backbone) -> None:
    (first, record), (second, again) = fit(backbone, toy_pairs()), fit(backbone, toy_pairs())
    for name, tensor in first.state_dict().items():
        assert torch.equal(tensor, second.state_dict()[name])
    assert record.history == again.history
    other, _ = fit(backbone, toy_pairs(), replace(PLAN, seed=4))
    assert not torch.equal(other.state_dict()["conv.weight"], first.state_dict()["conv.weight"])


def test_training_leaves_the_global_generators_alone() -> None:
    network = build(Restless())
    torch.manual_seed(5)
    np.random.seed(5)  # noqa: NPY002 - the one that must not be touched
    expected = torch.rand(2), np.random.rand(2)  # noqa: NPY002
    torch.manual_seed(5)
    np.random.seed(5)  # noqa: NPY002
    train(network, *toy_pairs(), replace(PLAN, max_steps=2), CPU)
    assert torch.equal(torch.rand(2), expected[0])
    np.testing.assert_array_equal(np.random.rand(2), expected[1])  # noqa: NPY002


def test_a_later_run_draws_later_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[int] = []

    def note(n_images: int, step: int, *arguments: Any) -> Any:
        steps.append(step)
        return draw_windows(n_images, step, *arguments)

    monkeypatch.setattr(run, "draw_windows", note)
    _, record = fit(Line(), toy_pairs(), replace(PLAN, max_steps=5, first_step=100))
    assert steps == [100, 101, 102, 103, 104]
    assert record.steps == 105
    assert record.history[0]["step"] == 101


@pytest.mark.parametrize("samples", [1, 64])
def test_a_step_on_samples_has_the_loss_of_these_pixels(samples: int) -> None:
    raws, srgbs = toy_pairs(1, 8)
    plan = replace(PLAN, max_steps=1, batch_size=1, windows_per_image=1, validation_fraction=0)
    network, expected = build(Line()), build(Line())
    network.samples_per_window = samples
    record = train(network, raws, srgbs, plan, CPU)
    chosen = draw_windows(1, 0, plan, samples_per_window=samples).samples
    assert chosen is not None
    sample_index = np.int64(chosen.flatten() * 64)
    rendered = render(expected, torch.from_numpy(raws[0])).permute(1, 2, 0).reshape(-1, 3)[sample_index]
    error = (rendered - torch.from_numpy(srgbs[0].reshape(-1, 3)[sample_index])).square().mean()
    assert record.history[0]["loss"] == pytest.approx(float(error), rel=1e-4)


@pytest.mark.parametrize(
    "backbone",
    [
        HistPyramid(channels=3),
        HistPyramid.paper(channels=3),
        pytest.param(Hypercolumn(4, width=0.05, samples_per_window=9), marks=pytest.mark.slow),  # compiles all of VGG
    ],
)
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")  # the compiler reads .grad
def test_compiled_steps_equal_those_that_are_not(backbone: Backbone) -> None:
    """The backend runs the traced operations as they are: one graph for all steps and sizes, without graph breaks."""
    plan = replace(PLAN, max_steps=4, learning_rate=1e-3, validation_fraction=0.4)
    pairs = tuple([image for size in (24, 30) for image in toy_pairs(2, size)[side]] for side in (0, 1))
    plain, record = fit(backbone, pairs, plan)
    torch._dynamo.utils.counters.clear()
    compiled, again = fit(backbone, pairs, plan, runtime=replace(CPU, compiler="aot_eager"))
    for name, weight in plain.state_dict().items():
        torch.testing.assert_close(compiled.state_dict()[name], weight, rtol=0, atol=1e-5)
    assert again.best_psnr == pytest.approx(record.best_psnr, abs=1e-3)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1
    assert not torch._dynamo.utils.counters["graph_break"]


def test_images_of_unequal_sizes_are_trained_on_together() -> None:
    raws, srgbs = ([image for size in (8, 13, 30) for image in toy_pairs(2, size, seed=size)[side]] for side in (0, 1))
    raws[0], srgbs[0] = raws[0][:3, :5], srgbs[0][:3, :5]
    before = quality(build(Restless()), (raws, srgbs))
    network, _ = fit(Restless(), (raws, srgbs), replace(PLAN, batch_size=4))
    assert quality(network, (raws, srgbs)) > before + 1


def test_bf16_learns_nearly_as_well_on_a_cpu() -> None:
    runtime = Runtime(torch.device("cpu"), torch.bfloat16)
    low, _ = fit(get_backbone("mlp")(hidden=8), toy_pairs(), runtime=runtime)
    full, _ = fit(get_backbone("mlp")(hidden=8), toy_pairs())
    assert {tensor.dtype for tensor in low.state_dict().values()} == {torch.float32}
    assert quality(low, toy_pairs()) == pytest.approx(quality(full, toy_pairs()), abs=1)


def test_a_network_that_fits_pairs_needs_no_step() -> None:
    network, record = fit(LeastSquares(), toy_pairs(5))
    assert quality(network, toy_pairs(5)) > 60
    assert (record.steps, record.history, record.n_train) == (0, [], 5)


def test_a_closed_form_is_fitted_on_the_cpu_and_moved_to_the_device() -> None:
    network, _ = fit(LeastSquares(), toy_pairs(2), runtime=Runtime(torch.device("meta")))  # which computes nothing
    assert network.state_dict()["matrix"].is_meta


def test_an_invertible_network_is_one_set_of_weights() -> None:
    raws, srgbs = toy_pairs()
    network, _ = fit(Gamma(), (raws, srgbs), replace(PLAN, max_steps=150))
    assert quality(network, (raws, srgbs)) > 40
    assert quality(network.inverse(), (srgbs, raws)) > 40


def test_zero_steps_leave_the_weights_as_they_are() -> None:
    network, record = fit(Line(), toy_pairs(), replace(PLAN, max_steps=0))
    assert torch.equal(network.state_dict()["conv.weight"], build(Line()).state_dict()["conv.weight"])
    assert record.steps == 0


def test_an_output_of_the_wrong_shape_is_an_error_in_the_first_step() -> None:
    class Wrong(Network):
        def __init__(self) -> None:
            super().__init__()
            self.conv = torch.nn.Conv2d(3, 3, 3)

        def render(self, pixels: Tensor, scene: Scene, window: Window) -> Tensor:
            output: Tensor = self.conv(pixels)
            return output

    with pytest.raises(BackboneError, match=r"Wrong\.render returned shape \(4, 3, 6, 6\), expected \(4, 3, 8, 8\)"):
        train(Wrong(), *toy_pairs(), PLAN, CPU)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("max_steps", -1, "a whole number >= 0"),
        ("max_steps", 2.5, "a whole number >= 0"),
        ("max_steps", "many", "a whole number >= 0"),
        ("batch_size", 0, "a whole number >= 1"),
        ("windows_per_image", True, "a whole number >= 1"),
        ("window_size", None, "a whole number >= 1"),
        ("learning_rate", 0, "a number > 0"),
        ("learning_rate", math.nan, "a number > 0"),
        ("learning_rate", math.inf, "a number > 0"),
        ("validation_fraction", 1, r"'auto' or a number in \[0, 1\)"),
        ("validation_fraction", "some", r"'auto' or a number in \[0, 1\)"),
        ("validation_fraction", -0.1, r"'auto' or a number in \[0, 1\)"),
    ],
)
def test_an_impossible_setting_is_named(name: str, value: Any, expected: str) -> None:
    with pytest.raises(InputError, match=rf"{name}: expected {expected}, got {value!r}\."):
        replace(PLAN, **{name: value})


def test_settings_become_python_s_numbers() -> None:
    plan = replace(PLAN, max_steps=np.int64(5), batch_size=4.0, learning_rate=np.float32(0.5), validation_fraction=0)
    assert [type(getattr(plan, name)) for name in ("max_steps", "batch_size")] == [int, int]
    assert [type(getattr(plan, name)) for name in ("learning_rate", "validation_fraction")] == [float, float]


def test_a_checkpoint_of_other_settings_is_refused(tmp_path: Path) -> None:
    X, Y = make_camera_pairs(2, image_size=32, random_state=0)
    settings = {"max_steps": 2, "direction": "forward", "random_state": 0}
    ISPModel(HistPyramid(channels=4, gamma=2.2), **settings).fit(X, Y, checkpoint=tmp_path)
    with pytest.raises(CheckpointError, match=r"settings was .*2\.2.*, is .*4\.0"):
        ISPModel(HistPyramid(channels=4, gamma=4.0), **settings).fit(X, Y, checkpoint=tmp_path)
