"""The small parts of the contract: scenes, windows, and the defaults of Network and Backbone."""

from __future__ import annotations

import pytest
import torch
from sklearn.base import clone
from small import small

from ispfit import Backbone, Network, Scene, Window, get_backbone, list_backbones
from ispfit.errors import BackboneError


def scene(*values: float) -> Scene:
    column = torch.tensor(values)[:, None]
    return Scene(mean=column, double=2 * column)


def window(top: int, left: int, height: int, width: int, image_height: int, image_width: int) -> Window:
    numbers = [torch.tensor([value]) for value in (top, left, image_height, image_width)]
    return Window(numbers[0], numbers[1], height, width, numbers[2], numbers[3])


def test_a_scene_is_a_mapping_of_tensors() -> None:
    described = scene(0.1, 0.7)
    assert list(described) == ["mean", "double"]
    assert len(described) == 2
    assert repr(described) == "Scene(mean=(2, 1), double=(2, 1))"


def test_each_row_gets_the_scene_of_its_image() -> None:
    rows = scene(1, 2, 3).select(torch.tensor([2, 2, 0]))
    assert rows["mean"].flatten().tolist() == [3, 3, 1]
    assert rows["double"].flatten().tolist() == [6, 6, 2]


def test_scenes_are_joined_in_order() -> None:
    assert Scene.cat([scene(1), scene(2, 3)])["mean"].flatten().tolist() == [1, 2, 3]


def test_an_empty_scene_has_rows_and_joins() -> None:
    assert len(Scene().select(torch.tensor([0, 1]))) == 0
    assert len(Scene.cat([Scene(), Scene()])) == 0


def test_a_detached_scene_has_no_history() -> None:
    weight = torch.ones(2, 1, requires_grad=True)
    detached = Scene(mean=weight * 2).detach()
    assert not detached["mean"].requires_grad


def test_the_grid_runs_over_the_image_and_not_over_the_window() -> None:
    whole = window(0, 0, 6, 8, 6, 8).grid()
    part = window(2, 4, 3, 2, 6, 8).grid()
    torch.testing.assert_close(part, whole[:, :, 2:5, 4:6])
    torch.testing.assert_close(whole[0, 0, :, 0], (torch.arange(6) + 0.5) / 6)
    torch.testing.assert_close(whole[0, 1, 0], (torch.arange(8) + 0.5) / 8)


def test_the_grid_leaves_the_image_where_the_window_does() -> None:
    y, x = window(4, 0, 4, 4, 6, 2).grid()[0]
    assert ((y > 1) == torch.tensor([False, False, True, True])[:, None]).all()
    assert ((x > 1) == torch.tensor([False, False, True, True])).all()


def test_by_default_a_network_has_an_empty_scene_and_cannot_render() -> None:
    assert len(Network().describe(torch.zeros(2, 3, 4, 4))) == 0
    with pytest.raises(NotImplementedError, match=r"Network must implement render\(pixels, scene, window\)"):
        Network().render(torch.zeros(1, 3, 4, 4), Scene(), window(0, 0, 4, 4, 4, 4))


def test_a_network_is_trained_by_steps_unless_it_fits_pairs() -> None:
    class Direct(Network):
        def fit_pairs(self, pairs: object) -> None: ...

    assert Direct().has_closed_form
    assert not Network().has_closed_form
    assert not Direct().uses_scene
    with pytest.raises(NotImplementedError, match="Network is trained by gradient steps"):
        Network().fit_pairs([])


def test_a_method_of_the_object_counts_as_overridden() -> None:
    network, other = Network(), get_backbone("histpyramid")().build()
    assert other.uses_scene
    assert not network.uses_scene
    network.describe = other.describe  # type: ignore[method-assign]
    assert network.uses_scene


def test_a_network_without_an_inverse_says_which_promise_is_broken() -> None:
    with pytest.raises(BackboneError, match=r"Network has no inverse\(\), but its backbone declares invertible = True"):
        Network().inverse()


def test_a_backbone_must_implement_build() -> None:
    with pytest.raises(NotImplementedError, match=r"Backbone must implement build\(\)"):
        Backbone().build()


@pytest.mark.parametrize("name", list_backbones())
def test_every_backbone_is_hyper_parameters_only(name: str) -> None:
    backbone = get_backbone(name)()
    assert backbone.name == name
    assert backbone.settings() == clone(backbone).settings() == backbone.get_params()
    assert type(backbone)(**backbone.settings()).settings() == backbone.settings()
    assert backbone.summary().endswith(".")


@pytest.mark.parametrize("name", list_backbones())
def test_every_backbone_draws_its_weights_from_the_seed_of_torch_or_none_at_all(name: str) -> None:
    def build(seed: int) -> Network:
        torch.manual_seed(seed)
        return small(name).build()

    first, again, other = (dict(build(seed).named_parameters()) for seed in (0, 0, 1))
    assert all(torch.equal(first[key], again[key]) for key in first)
    is_drawn = any(not torch.equal(first[key], other[key]) for key in first)
    assert is_drawn != build(0).has_closed_form
