"""For each promise of the backbone contract, a backbone that breaks only that promise."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from small import small
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, conv2d

from ispfit import Backbone, Network, Scene, Window, list_backbones
from ispfit.backbone import ScenePart
from ispfit.errors import BackboneError
from ispfit.images import Image
from ispfit.testing import check_backbone


class Good(Network):
    """A 3 x 3 convolution of the pixels and of the mean of the image."""

    halo = 1

    def __init__(self) -> None:
        super().__init__()
        self.near = nn.Conv2d(3, 3, 3)
        self.far = nn.Linear(3, 3)

    def describe(self, image: Tensor) -> Scene:
        return Scene(mean=image.mean((2, 3)))

    def render(self, pixels: Tensor, scene: Scene, window: Window) -> Tensor:
        output: Tensor = self.near(pixels) + self.far(scene["mean"])[:, :, None, None]
        return output


class UnderstatedHalo(Good):
    def render(self, pixels: Tensor, scene: Scene, window: Window) -> Tensor:
        return super().render(avg_pool2d(pixels, 3, 1, padding=1), scene, window)


class UnderstatedHaloAtStrideTwo(UnderstatedHalo):
    halo, stride = 2, 2

    def render(self, pixels: Tensor, scene: Scene, window: Window) -> Tensor:
        return super().render(avg_pool2d(pixels, 3, 1), scene, window)


class TooHungry(Good):
    def render(self, pixels: Tensor, scene: Scene, window: Window) -> Tensor:
        return super().render(avg_pool2d(pixels, 3, 1), scene, window)


class Padding(Good):
    def render(self, pixels: Tensor, scene: Scene, window: Window) -> Tensor:
        inside = pixels[:, :, 1:-1, 1:-1]
        return conv2d(inside, self.near.weight, padding=1) + self.far(scene["mean"])[:, :, None, None]


class InstanceStatistics(Good):
    def render(self, pixels: Tensor, scene: Scene, window: Window) -> Tensor:
        return super().render(pixels - pixels.mean((2, 3), keepdim=True), scene, window)


class BatchStatistics(Good):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(3)

    def render(self, pixels: Tensor, scene: Scene, window: Window) -> Tensor:
        output: Tensor = self.norm(super().render(pixels, scene, window))
        return output


class RunningStatistics(Good):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(3))

    def render(self, pixels: Tensor, scene: Scene, window: Window) -> Tensor:
        if self.training:
            self.mean += pixels.detach().mean((0, 2, 3))
        return super().render(pixels, scene, window)


class BatchMean(Good):
    def render(self, pixels: Tensor, scene: Scene, window: Window) -> Tensor:
        output = super().render(pixels, scene, window)
        return output - output.mean(0, keepdim=True) if len(output) > 1 else output


class SceneOfTheBatch(Good):
    def describe(self, image: Tensor) -> Scene:
        return Scene(mean=image.mean((0, 2, 3)).expand(len(image), 3))


class KeepsTheScene(Good):
    def describe(self, image: Tensor) -> Scene:
        self.mean = image.mean((2, 3))
        return super().describe(image)

    def render(self, pixels: Tensor, scene: Scene, window: Window) -> Tensor:
        return super().render(pixels, Scene(mean=self.mean[:1].expand(len(pixels), 3)), window)


class Counts(Good):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))

    def render(self, pixels: Tensor, scene: Scene, window: Window) -> Tensor:
        self.calls += 1
        return super().render(pixels, scene, window) + 0 * self.calls


class GrowingScene(Good):
    def describe(self, image: Tensor) -> Scene:
        return Scene(mean=image.mean((2, 3)), rows=image.mean(3))


class Hungry(Good):
    def describe(self, image: Tensor) -> Scene:
        return Scene(mean=image.square().mean((2, 3)))


class PartOfNothing(Good):
    def scene_parts(self) -> dict[str, ScenePart]:
        return {"light": {"means": slice(None)}}


class PartBeyondTheScene(Good):
    def scene_parts(self) -> dict[str, ScenePart]:
        return {"light": {"mean": [3]}}


class EmptyPart(Good):
    def scene_parts(self) -> dict[str, ScenePart]:
        return {"light": {"mean": slice(3, 4)}}


class ChangesACompleteScene(Good):
    def complete_scene(self, scene: Scene) -> Scene:
        return Scene(mean=2 * scene["mean"])


class SceneOfDicts(Good):
    def describe(self, image: Tensor) -> Any:
        return {"mean": image.mean((2, 3))}


class SceneWithoutRows(Good):
    def describe(self, image: Tensor) -> Scene:
        return Scene(mean=image.mean((2, 3)), light=image.mean())


class Impure(Good):
    def render(self, pixels: Tensor, scene: Scene, window: Window) -> Tensor:
        return super().render(pixels.mul_(0.5), scene, window)


class ImpureScene(Good):
    def render(self, pixels: Tensor, scene: Scene, window: Window) -> Tensor:
        scene["mean"].clamp_(0.4, 0.45)
        return super().render(pixels, scene, window)


class ImpureDescribe(Good):
    def describe(self, image: Tensor) -> Scene:
        return super().describe(image.clamp_(0.3, 0.6))


class Random(Good):
    def render(self, pixels: Tensor, scene: Scene, window: Window) -> Tensor:
        output = super().render(pixels, scene, window)
        return output + 1e-3 * torch.randn(3, 1, 1)


class Lambda(Good):
    def __init__(self) -> None:
        super().__init__()
        self.curve = lambda value: value


class Blind(Good):
    def render(self, pixels: Tensor, scene: Scene, window: Window) -> Tensor:
        return super().render(pixels, scene, window).detach() + 0 * self.near.weight.sum()


class Doubles(Good):
    def render(self, pixels: Tensor, scene: Scene, window: Window) -> Tensor:
        return super().render(pixels, scene, window).double()


class NaNs(Good):
    def render(self, pixels: Tensor, scene: Scene, window: Window) -> Tensor:
        return super().render(pixels, scene, window) / 0


class Raises(Good):
    def render(self, pixels: Tensor, scene: Scene, window: Window) -> Tensor:
        raise KeyError("mean")


class Unregistered(Good):
    """Has a weight that is neither parameter nor buffer, so model files lack it."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = torch.rand(3)

    def render(self, pixels: Tensor, scene: Scene, window: Window) -> Tensor:
        return super().render(pixels, scene, window) * self.gain[:, None, None]


class NoWeights(Network):
    def render(self, pixels: Tensor, scene: Scene, window: Window) -> Tensor:
        return pixels


class OddHalo(Good):
    halo, stride = 1, 2


class NoStride(Good):
    stride = 0


class NoSamples(Good):
    samples_per_window = 0


class SamplesColumnByColumn(Good):
    def render_samples(self, pixels: Tensor, scene: Scene, window: Window, sample_index: Tensor) -> Tensor:
        turned = sample_index % window.height * window.width + sample_index // window.height
        return super().render_samples(pixels, scene, window, turned)


class SamplesAsMaps(Good):
    def render_samples(self, pixels: Tensor, scene: Scene, window: Window, sample_index: Tensor) -> Tensor:
        return super().render_samples(pixels, scene, window, sample_index)[:, :, None]


class SamplesOfNothing(Good):
    def render_samples(self, pixels: Tensor, scene: Scene, window: Window, sample_index: Tensor) -> Any:
        return None


class SamplesInDouble(Good):
    def render_samples(self, pixels: Tensor, scene: Scene, window: Window, sample_index: Tensor) -> Tensor:
        return super().render_samples(pixels, scene, window, sample_index).double()


class SamplesDetached(Good):
    def render_samples(self, pixels: Tensor, scene: Scene, window: Window, sample_index: Tensor) -> Tensor:
        return super().render_samples(pixels, scene, window, sample_index).detach()


class SamplesOfOneWindow(Good):
    def render_samples(self, pixels: Tensor, scene: Scene, window: Window, sample_index: Tensor) -> Tensor:
        return super().render_samples(pixels, scene, window, sample_index[:1].expand_as(sample_index))


class Std(Good):
    """Knows its error."""

    def render_std(self, pixels: Tensor, scene: Scene, window: Window) -> Tensor:
        return self.render(pixels, scene, window).abs()

    def exposure_std(self, image: Tensor, scene: Scene) -> Tensor:
        return image.mean((1, 2, 3))


class StdNegative(Std):
    def render_std(self, pixels: Tensor, scene: Scene, window: Window) -> Tensor:
        return -super().render_std(pixels, scene, window)


class StdWithHalo(Std):
    def render_std(self, pixels: Tensor, scene: Scene, window: Window) -> Tensor:
        return pixels


class StdOfTheWindow(Std):
    def render_std(self, pixels: Tensor, scene: Scene, window: Window) -> Tensor:
        return super().render_std(pixels, scene, window) + pixels.std((2, 3), keepdim=True)


class StdOfTheBatch(Std):
    def render_std(self, pixels: Tensor, scene: Scene, window: Window) -> Tensor:
        std = super().render_std(pixels, scene, window)
        return std + std.mean(0, keepdim=True)


class StdImpure(Std):
    def render_std(self, pixels: Tensor, scene: Scene, window: Window) -> Tensor:
        return super().render_std(pixels.mul_(0.5), scene, window)


class StdOfAllExposures(Std):
    def exposure_std(self, image: Tensor, scene: Scene) -> Tensor:
        return image.mean()


class Fits(Network):
    """Fits one gain by least squares; its inverse divides."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("gain", torch.ones(()))
        self.register_buffer("power", torch.ones(()))

    def fit_pairs(self, pairs: Iterable[tuple[Image, Image]]) -> None:
        above = sum(float((image * target).sum()) for image, target in pairs)
        below = sum(float((image * image).sum()) for image, _ in pairs)
        self.gain.fill_(above / below)

    def render(self, pixels: Tensor, scene: Scene, window: Window) -> Tensor:
        return pixels * self.gain**self.power

    def inverse(self) -> Network:
        network = Fits()
        network.gain.copy_(self.gain)
        network.power.copy_(-self.power)
        return network


class FitsNothing(Fits):
    def fit_pairs(self, pairs: Iterable[tuple[Image, Image]]) -> None: ...


class GrowsInFit(Fits):
    def fit_pairs(self, pairs: Iterable[tuple[Image, Image]]) -> None:
        super().fit_pairs(pairs)
        self.register_buffer("seen", torch.zeros(len(list(pairs))))


class InverseIsForward(Fits):
    def inverse(self) -> Network:
        return self


class PaddedInverse(Fits):
    def inverse(self) -> Network:
        return Blur()


class Blur(Fits):
    def render(self, pixels: Tensor, scene: Scene, window: Window) -> Tensor:
        return avg_pool2d(pixels, 3, 1, padding=1)


class Toy(Backbone):
    name = "toy"
    networks: ClassVar[dict[str, type[Network]]] = {
        item.__name__: item for item in globals().values() if isinstance(item, type) and issubclass(item, Network)
    }

    def __init__(self, network: str = "Good") -> None:
        self.network = network

    def build(self) -> Network:
        return self.networks[self.network]()


class InvertibleToy(Toy):
    invertible = True


WRONG = {
    "UnderstatedHalo": r"render reads 2 pixels around a pixel but declares halo = 1; set halo = 2 and use valid",
    "UnderstatedHaloAtStrideTwo": r"render reads 3 pixels around a pixel but declares halo = 2; set halo = 4 and",
    "TooHungry": r"TooHungry\.render returned shape .* use valid convolutions that consume exactly halo = 1 pixels",
    "Padding": r"an image rendered in tiles differs from the image rendered whole by .*; use no padding",
    "InstanceStatistics": r"render depends on every pixel of its window .*; whatever depends on the whole image",
    "BatchStatistics": r"the output of a window depends on the other windows of its batch; use no batch statistics",
    "RunningStatistics": r"render changes the network's buffers in training; keep no running statistics in it",
    "BatchMean": r"the output of a window depends on the other windows of its batch; use no batch statistics",
    "SceneOfTheBatch": r"the scene's mean depends on the other images of the batch; use no batch statistics in",
    "KeepsTheScene": r"the output depends on earlier calls; keep no state .* stores nothing in self",
    "Counts": r"the output depends on earlier calls; keep no state between calls",
    "GrowingScene": r"the size of the scene's rows depends on the image's .*; reduce it in describe",
    "Hungry": r"describe needs 6\.0 MiB for an image of 2048 x 256 pixels .*; reduce the image first",
    "PartOfNothing": r"scene_parts: light names the tensor means, which is not in the scene \(mean\)",
    "PartBeyondTheScene": r"scene_parts: light does not fit mean of shape \(1, 3\): index 3 is out of bounds",
    "EmptyPart": r"scene_parts: light names no floating-point values of mean, of shape \(1, 3\)",
    "ChangesACompleteScene": r"complete_scene changes mean of a scene that is complete; compute it as describe does",
    "SceneOfDicts": r"describe returned a dict, expected ispfit\.Scene\(name=tensor, \.\.\.\)",
    "SceneWithoutRows": r"describe returned light of shape \(\) for 2 images; its leading axis must count the images",
    "Impure": r"render changes its pixels; use no in-place operations on its inputs",
    "ImpureScene": r"render changes its mean; use no in-place operations",
    "ImpureDescribe": r"describe changes its image; use no in-place operations",
    "Random": r"the output is random; draw random numbers only while self\.training is True",
    "Lambda": r"its network cannot be pickled .*; define its classes and functions at the top .* store no lambdas",
    "Blind": r"20 steps of Adam did not lower the loss on three pairs .* without detach or rounding",
    "Doubles": r"render returned torch\.float64, expected torch\.float32",
    "NaNs": r"render returned NaN or infinite values; look for divisions by zero",
    "Raises": r"KeyError while checking that render returns finite float32 .*: 'mean'",
    "Unregistered": r"a network loaded from its saved weights renders differently; register everything",
    "NoWeights": r"its network has no weights to train; register them as torch\.nn\.Parameter, or override fit_pairs",
    "OddHalo": r"halo is 1, expected a whole number of pixels and a multiple of stride = 2",
    "NoStride": r"stride is 0, expected a whole number of pixels >= 1",
    "NoSamples": r"samples_per_window is 0; set it to a number of pixels of each window, or to None for all",
    "SamplesColumnByColumn": r"render_samples differs from the same pixels of render by .* row by row, without",
    "SamplesAsMaps": r"SamplesAsMaps\.render_samples returned shape \(2, 3, 1, 50\), expected shape \(2, 3, 50\)",
    "SamplesOfNothing": r"SamplesOfNothing\.render_samples returned NoneType, expected shape \(2, 3, 50\)",
    "SamplesInDouble": r"render_samples returned torch\.float64, expected torch\.float32",
    "SamplesDetached": r"render_samples returns pixels that do not depend on the weights; use no detach",
    "SamplesOfOneWindow": r"render_samples differs from the same pixels of render .* numbers the pixels of each window",
    "StdNegative": r"render_std returned NaN, infinite or negative values; clamp variances before the root",
    "StdWithHalo": r"StdWithHalo\.render_std returned shape .* use valid convolutions that consume exactly halo = 1",
    "StdOfTheWindow": r"the standard deviation: render depends on every pixel of its window",
    "StdOfTheBatch": r"the standard deviation: the output of a window depends on the other windows of its batch",
    "StdImpure": r"the standard deviation: render changes its pixels; use no in-place operations",
    "StdOfAllExposures": r"exposure_std returned tensor\(.*\) for 2 images, expected 2 finite values >= 0, in EV",
    "FitsNothing": r"fit_pairs did not lower the loss on three pairs",
    "GrowsInFit": r"the weights of one network do not fit another .* must depend on the hyper-parameters only",
}


@pytest.mark.usefixtures("brief_photofinish")
@pytest.mark.parametrize("name", list_backbones())
def test_built_in_backbones_keep_the_contract(name: str) -> None:
    check_backbone(small(name))


def test_good_backbones_keep_the_contract() -> None:
    check_backbone(Toy("Good"))
    check_backbone(Toy("Std"))
    check_backbone(Toy("Fits"))
    check_backbone(InvertibleToy("Fits"))


@pytest.mark.parametrize("network", WRONG)
def test_each_broken_promise_is_reported_with_what_to_change(network: str) -> None:
    with pytest.raises(BackboneError, match=f"^Toy: {WRONG[network]}"):
        check_backbone(Toy(network))


@pytest.mark.parametrize("network", sorted(WRONG))
def test_nothing_else_is_reported(network: str) -> None:
    with pytest.raises(BackboneError) as caught:
        check_backbone(Toy(network))
    sentences = str(caught.value).splitlines()
    assert len(sentences) == 1, sentences


@pytest.mark.parametrize(
    ("network", "message"),
    [
        ("Good", r"Good has no inverse\(\), but its backbone declares invertible = True"),
        ("InverseIsForward", r"the inverse does not undo the forward network"),
        ("PaddedInverse", r"the inverse: render reads 1 pixels around a pixel but declares halo = 0; set halo = 1"),
    ],
)
def test_a_declared_inverse_is_measured(network: str, message: str) -> None:
    with pytest.raises(BackboneError, match=message):
        check_backbone(InvertibleToy(network))


class Converts(Toy):
    def __init__(self, network: str = "Good", width: int = 3) -> None:
        self.network = network
        self.width = int(width)


class Renames(Toy):
    def __init__(self, network: str = "Good", width: int = 3) -> None:
        self.network = network
        self.size = width


class Arrays(Toy):
    def __init__(self, network: str = "Good", centers: Any = None) -> None:
        self.network = network
        self.centers = centers


class Nameless(Backbone):
    def build(self) -> Network:
        return Good()


class Same(Toy):
    kept = Good()

    def build(self) -> Network:
        return self.kept


class NumpyWeights(Toy):
    seeds = itertools.count()

    def build(self) -> Network:
        network = Good()
        noise = np.random.default_rng(next(self.seeds)).random(3, np.float32)
        network.far.bias.data = torch.from_numpy(noise)
        return network


class NoNetwork(Toy):
    def build(self) -> Any:
        return nn.Conv2d(3, 3, 1)


@pytest.mark.parametrize(
    ("backbone", "message"),
    [
        (Converts(), "the parameter 'width' is not stored as given; write self.width = width in __init__ and nothing"),
        (Renames(), "get_params fails ("),
        (Arrays(centers=np.zeros(3)), "do not survive JSON, in which a model file stores them; use numbers, strings,"),
        (Nameless(), "Nameless: it has no name; set name = '...' on the class."),
        (Same(), "build returns weights that an earlier call returned; make a new network in each call."),
        (NumpyWeights(), "two networks built after torch.manual_seed(0) differ; draw the weights from torch's global"),
        (NoNetwork(), "build returned a Conv2d, expected an ispfit.Network."),
        (Toy, "check_backbone: expected an object of a subclass of Backbone, got <class"),
    ],
)
def test_hyper_parameters_and_build_are_checked(backbone: Any, message: str) -> None:
    with pytest.raises(BackboneError, match=re.escape(message)):
        check_backbone(backbone)


def test_classes_inside_a_function_cannot_be_pickled() -> None:
    class Local(Good): ...

    class LocalToy(Toy):
        def build(self) -> Network:
            return Local()

    with pytest.raises(BackboneError) as caught:
        check_backbone(LocalToy())
    assert [sentence.split(" (")[0] for sentence in str(caught.value).splitlines()] == [
        "LocalToy: the backbone cannot be pickled",
        "LocalToy: its network cannot be pickled",
    ]


def test_tuples_are_kept_as_lists() -> None:
    check_backbone(Arrays(centers=(1, (2, 3))))


def test_the_random_state_is_left_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    check_backbone(Toy())
    assert torch.equal(torch.rand(3), expected)
