"""How far renderings spread over the scenes of other images."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ispfit import ISPModel, psnr
from ispfit.analysis import scene_dependence
from ispfit.metrics import PSNR_CAP, ciede2000

Models = dict[str, ISPModel]


@pytest.mark.parametrize("name", ["mlp", "parametric"])
def test_what_renders_each_pixel_alone_depends_on_no_scene(fitted: Models, dark_and_bright: Any, name: str) -> None:
    found = scene_dependence(fitted[name], dark_and_bright)
    assert found.rms.tolist() == found.ciede2000.tolist() == [0, 0]
    assert found.psnr.tolist() == [PSNR_CAP, PSNR_CAP]
    assert [each.max() for each in found.maps] == [0, 0]


def test_two_images_are_compared_as_exchanged(fitted: Models, dark_and_bright: Any) -> None:
    model = fitted["histpyramid"]
    own = model.transform(dark_and_bright)
    exchanged = model.transform(dark_and_bright, scenes=model.describe(dark_and_bright)[::-1])
    found = scene_dependence(model, dark_and_bright)
    for index, (first, second) in enumerate(zip(own, exchanged, strict=True)):
        assert found.psnr[index] == pytest.approx(psnr(first, second))
        assert found.rms[index] == pytest.approx(255 * 10 ** (-psnr(first, second) / 20))
        assert found.ciede2000[index] == pytest.approx(ciede2000(first, second), rel=1e-5)
        assert found.maps[index].shape == first.shape[:2]


def test_three_scenes_are_averaged(fitted: Models, pairs: Any) -> None:
    model, raws = fitted["photofinish"], pairs[0][:3]
    one, two = (scene_dependence(model, [raws[0], other]) for other in raws[1:])
    found = scene_dependence(model, raws)
    assert found.rms[0] ** 2 == pytest.approx((one.rms[0] ** 2 + two.rms[0] ** 2) / 2)
    np.testing.assert_allclose(found.maps[0], (one.maps[0] + two.maps[0]) / 2, rtol=1e-4, atol=1e-5)
    assert found.frame()["shot"].tolist() == ["shot0000", "shot0001", "shot0002"]
    assert found.frame()["psnr"].tolist() == found.psnr.tolist()


def test_a_single_image_has_no_other_scene(fitted: Models, dark_and_bright: Any) -> None:
    assert scene_dependence(fitted["histpyramid"], dark_and_bright[:1]).rms.tolist() == [0]
