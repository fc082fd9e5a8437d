"""A baked LUT renders as its model does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ispfit import Backbone, ISPModel, Network, Scene, Window
from ispfit.formats.bake import LutSpace, bake_lut
from ispfit.formats.encodings import camera_to_srgb, get_encoding
from ispfit.formats.lut_report import measure_lut
from ispfit.training import TrainingRecord

CAMERA = camera_to_srgb([[0.8198, -0.2239, -0.0724], [-0.4871, 1.2389, 0.2798], [-0.1043, 0.205, 0.7181]])  # a D7000
IMAGE = np.random.default_rng(0).random((40, 60, 3), np.float32) * np.float32(0.8)


class Look(Backbone):
    """A square root of a mean over the neighbourhood, darker by the scene, brighter to the right."""

    name = "look"

    def __init__(self, halo: int = 0, stride: int = 1, slant: float = 0.0) -> None:
        self.halo, self.stride, self.slant = halo, stride, slant

    def build(self) -> Network:
        return LookNetwork(self.halo, self.stride, self.slant)


class LookNetwork(Network):
    def __init__(self, halo: int, stride: int, slant: float) -> None:
        super().__init__()
        self.halo, self.stride, self.slant = halo, stride, slant
        self.weight = torch.nn.Parameter(torch.ones(()))

    def describe(self, image: Tensor) -> Scene:
        return Scene(mean=image.mean((1, 2, 3)))

    def render(self, pixels: Tensor, scene: Scene, window: Window) -> Tensor:
        smooth = torch.nn.functional.avg_pool2d(pixels, 2 * self.halo + 1, 1)
        place = 1 + self.slant * window.grid()[:, 1:]
        gain = (1 - scene["mean"])[:, None, None, None]
        return self.weight * (gain * place * smooth).clamp(min=1e-6).sqrt()


def fitted(**settings: Any) -> ISPModel:
    backbone = Look(**settings)
    records = {way: TrainingRecord(n_train=0, n_validation=0) for way in ("forward", "inverse")}
    networks = {way: backbone.build().eval() for way in records}
    return ISPModel(backbone, device="cpu").set_fitted(backbone, networks, records, camera="Toy One")


def space(name: str, direction: str = "forward") -> LutSpace:
    chosen, srgb = get_encoding(name), get_encoding("srgb")
    return LutSpace(direction, chosen, srgb if name == "camera" or direction == "inverse" else chosen, CAMERA)


@pytest.mark.parametrize(("halo", "stride"), [(0, 1), (3, 1), (4, 2)])
def test_the_nodes_are_flat_areas_rendered_with_the_scene(halo: int, stride: int) -> None:
    lut = bake_lut(fitted(halo=halo, stride=stride), [IMAGE], space("camera"), size=5)
    steps = np.linspace(0, 1, 5)
    expected = np.sqrt((1 - IMAGE.mean()) * np.maximum(steps, 1e-6))
    np.testing.assert_allclose(lut.table[0, 0, :, 0], expected, atol=2e-3)
    np.testing.assert_allclose(lut.table[:, 0, 0, 2], expected, atol=2e-3)


@pytest.mark.parametrize("name", ["camera", "srgb", "adobe-rgb", "prophoto", "linear-rec2020"])
def test_the_lut_renders_as_the_model_with_the_scene_of_the_image(name: str) -> None:
    model, where = fitted(), space(name)
    lut = bake_lut(model, [IMAGE], where, size=33, shaper=where.input_is_linear)
    inside = where.decode_input(where.encode_input(IMAGE))  # what the encoding can hold
    [truth] = model.transform([inside], scenes=model.describe([IMAGE]))
    found = where.decode_output(lut.apply(where.encode_input(IMAGE), "tetrahedral"))
    kept = np.abs(where.decode_srgb(where.encode_srgb(truth)) - truth).max(2) < 1e-4
    assert np.abs(found - truth)[kept].mean() < 0.004


def test_the_inverse_goes_from_srgb_to_the_encoding_of_the_raw() -> None:
    model, where = fitted(), space("linear-rec2020", "inverse")
    lut = bake_lut(model, [IMAGE], where, size=17)
    assert where.describe() == ["input: sRGB", "output: Rec.2020 primaries, linear"]
    [raw] = model.inverse_transform([IMAGE])
    found = where.decode_output(lut.apply(where.encode_input(IMAGE)))
    assert np.abs(found - raw).mean() < 0.03


def test_the_mean_lies_between_the_scenes() -> None:
    dark, bright = np.float32(0.2) * IMAGE, IMAGE
    one, other, both = (
        bake_lut(fitted(), images, space("camera"), size=5) for images in ([dark], [bright], [dark, bright])
    )
    inner = np.s_[1:, 1:, 1:]
    assert (both.table[inner] > other.table[inner]).all()
    assert (both.table[inner] < one.table[inner]).all()


def test_a_colour_is_rendered_where_it_occurs() -> None:
    model = fitted(slant=0.5)
    ramp = np.repeat(np.linspace(0, 1, 90, dtype=np.float32)[None, :, None], 60, 0).repeat(3, 2)
    mirrored = np.ascontiguousarray(ramp[:, ::-1])
    left, right = (bake_lut(model, [image], space("camera"), size=3).table[2, 2, 2, 0] for image in (mirrored, ramp))
    assert left == pytest.approx(np.sqrt(0.5 * (1 + 0.5 / 6)), abs=0.01)
    assert right == pytest.approx(np.sqrt(0.5 * (1 + 0.5 * 5 / 6)), abs=0.01)


def test_the_loss_is_that_of_the_table_and_of_the_scene() -> None:
    model, where = fitted(), space("srgb")
    other = np.float32(0.3) + np.float32(0.1) * IMAGE
    lut = bake_lut(model, [IMAGE], where, size=33)
    [truth] = model.transform([other])
    for loss in measure_lut(model, lut, where, [other], [truth]):
        assert loss.model_camera_psnr == 100
        assert loss.psnr == pytest.approx(loss.camera_psnr)
        assert loss.own_psnr is not None
        assert loss.own_ciede2000 is not None
        assert loss.psnr < loss.own_psnr - 10
        assert loss.ciede2000 > loss.own_ciede2000 > 0
