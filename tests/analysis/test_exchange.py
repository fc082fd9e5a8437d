"""Scene exchange: an image with the scene of another one, whole or in part."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from toys import quick

from ispfit import ISPModel, Scene
from ispfit.analysis import exchange_scene, mix_scenes, scene_parts
from ispfit.errors import InputError, NotFittedError
from ispfit.images import Image
from ispfit.io import write_linear

Models = dict[str, ISPModel]

HISTPYRAMID_PARTS = ["luminance/global", "luminance/grid4", "chrominance/global", "chrominance/grid4"]
PHOTOFINISH_PARTS = ["luminance/global", "luminance/local", "chrominance/global"]


def test_a_blend_lies_between_two_scenes() -> None:
    one, other = Scene(a=torch.zeros(1, 3), b=torch.zeros(1, 2)), Scene(a=torch.ones(1, 3), b=torch.full((1, 2), 4.0))
    blended = one.blend(other, 0.25)
    assert [tensor.tolist() for tensor in blended.values()] == [[[0.25, 0.25, 0.25]], [[1.0, 1.0]]]
    part = one.blend(other, 1.0, {"a": [0, 2]})
    assert [tensor.tolist() for tensor in part.values()] == [[[1.0, 0.0, 1.0]], [[0.0, 0.0]]]
    assert one["a"].sum() == 0


@pytest.mark.parametrize("name", ["histpyramid", "photofinish", "restless"])
def test_the_whole_scene_is_exchanged_as_transform_does(fitted: Models, dark_and_bright: Any, name: str) -> None:
    model, (dark, bright) = fitted[name], dark_and_bright
    [expected] = model.transform([dark], scenes=model.describe([bright]))
    np.testing.assert_allclose(exchange_scene(model, dark, bright), expected, atol=1e-6)


@pytest.mark.parametrize("name", ["histpyramid", "photofinish"])
@pytest.mark.parametrize("parts", [None, "luminance", ["chrominance/global"]])
def test_an_image_with_its_own_scene_is_unchanged(fitted: Models, dark_and_bright: Any, name: str, parts: Any) -> None:
    model, (dark, bright) = fitted[name], dark_and_bright
    [plain] = model.transform([dark])
    np.testing.assert_allclose(exchange_scene(model, dark, dark, parts=parts), plain, atol=1e-6)
    np.testing.assert_allclose(exchange_scene(model, dark, bright, parts=parts, share=0), plain, atol=1e-6)


def test_the_parts_of_the_histograms(fitted: Models, dark_and_bright: Any) -> None:
    """Figures 6 and 7 of the paper: the six bins of L of the whole image, and the twelve of r and g."""
    model = fitted["histpyramid"]
    own, other = model.describe(dark_and_bright)
    assert scene_parts(model) == HISTPYRAMID_PARTS
    luminance = mix_scenes(model, own, other, 1, parts="luminance/global")
    assert torch.equal(luminance["histogram"][:, :6], other["histogram"][:, :6])
    assert torch.equal(luminance["histogram"][:, 6:], own["histogram"][:, 6:])
    assert torch.equal(luminance["grid4"], own["grid4"])
    chrominance = mix_scenes(model, own, other, 1, parts=["chrominance"])
    for tensor in ("histogram", "grid4"):
        assert torch.equal(chrominance[tensor][:, :6], own[tensor][:, :6])
        assert torch.equal(chrominance[tensor][:, 6:], other[tensor][:, 6:])


def test_the_parts_of_statistics(fitted: Models, dark_and_bright: Any) -> None:
    """The table of a scene is computed anew from the statistics that were exchanged."""
    model = fitted["photofinish"]
    own, other = model.describe(dark_and_bright)
    assert scene_parts(model) == scene_parts(model, "inverse") == PHOTOFINISH_PARTS
    changed = mix_scenes(model, own, other, 1, parts=["luminance/global", "chrominance/global"])
    for tensor in ("statistics", "table", "parameters", "spread"):
        torch.testing.assert_close(changed[tensor], other[tensor])
    assert torch.equal(changed["brightness"], own["brightness"])
    colors = mix_scenes(model, own, other, 1, parts="chrominance")["statistics"]
    assert colors[0, 17:22].tolist() == other["statistics"][0, 17:22].tolist()
    assert colors[0, [*range(17), 22, 23]].tolist() == own["statistics"][0, [*range(17), 22, 23]].tolist()


def test_half_a_scene_changes_less_than_all_of_it(fitted: Models, dark_and_bright: Any) -> None:
    model, (dark, bright) = fitted["histpyramid"], dark_and_bright
    plain, half, whole = (exchange_scene(model, dark, bright, share=share) for share in (0.0, 0.5, 1.0))
    assert 0 < np.abs(half - plain).mean() < np.abs(whole - plain).mean()


def test_files_and_the_inverse_direction(fitted: Models, dark_and_bright: Any, tmp_path: Path) -> None:
    model, (dark, bright) = fitted["histpyramid"], dark_and_bright
    write_linear(tmp_path / "bright.tif", bright, dtype="float32")
    found = exchange_scene(model, dark, tmp_path / "bright.tif")
    np.testing.assert_allclose(found, exchange_scene(model, dark, bright), atol=1e-6)
    assert isinstance(found, Image)
    scenes = model.describe([bright], "inverse")
    [expected] = model.inverse_transform([dark], scenes=scenes)
    np.testing.assert_array_equal(exchange_scene(model, dark, bright, direction="inverse"), expected)


@pytest.mark.parametrize("name", ["mlp", "parametric"])
def test_a_backbone_without_a_scene_is_told(fitted: Models, dark_and_bright: Any, name: str) -> None:
    message = f"^the backbone {name} has no scene to exchange: it renders each pixel from its surround alone; fit one "
    for call in (lambda: exchange_scene(fitted[name], *dark_and_bright), lambda: scene_parts(fitted[name])):
        with pytest.raises(InputError, match=message):
            call()


def test_unknown_parts_are_told_with_the_known_ones(fitted: Models, dark_and_bright: Any) -> None:
    known = ", ".join(HISTPYRAMID_PARTS)
    for parts, got in ((["lumi", "luminance"], "'lumi'"), ([], "none"), ("luminance/", "'luminance/'")):
        message = f"parts: the scene of histpyramid has {known}; got {got}."
        with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
            exchange_scene(fitted["histpyramid"], *dark_and_bright, parts=parts)
    assert scene_parts(fitted["restless"]) == []
    with pytest.raises(InputError, match=r"^parts: the backbone restless names no parts of its scene; leave out parts"):
        exchange_scene(fitted["restless"], *dark_and_bright, parts="mean")


def test_what_is_not_fitted_is_told(dark_and_bright: Any) -> None:
    with pytest.raises(NotFittedError, match="this ISPModel is not fitted yet"):
        exchange_scene(quick(), *dark_and_bright)
