"""What a notebook shows of a model."""

from __future__ import annotations

import base64
import io
import re
from typing import Any

import numpy as np
import pytest
from PIL import Image as PILImage

from ispfit import ISPModel
from ispfit.color import linear_to_srgb
from ispfit.datasets import make_camera_pairs


@pytest.fixture(scope="module")
def pairs() -> Any:
    return make_camera_pairs(4, image_size=32, random_state=0)


def picture_of(html: str) -> np.ndarray:
    found = re.search(r'src="data:image/png;base64,([^"]+)"', html)
    assert found
    return np.asarray(PILImage.open(io.BytesIO(base64.b64decode(found[1]))))


def test_a_model_that_is_not_fitted_is_scikit_learns_diagram() -> None:
    html = ISPModel("mlp")._repr_html_()
    assert "sk-top-container" in html
    assert "validation PSNR" not in html


def test_a_fitted_model_says_what_it_is_fitted_on(pairs: Any) -> None:
    model = ISPModel("mlp", max_steps=3, validation_fraction=0.25, random_state=0).fit(*pairs)
    html = model._repr_html_()
    assert "sk-top-container" in html
    assert "mlp, fitted to ispfit Virtual A" in html
    for way in ("raw to sRGB", "sRGB to raw"):
        assert re.search(rf"{way}</td><td[^>]*>3 \+ 1</td><td[^>]*>3</td>", html)
    for record in model.records_.values():
        assert f"{record.best_psnr:.2f} dB" in html


def test_the_picture_is_a_chart_as_it_is_and_as_it_is_rendered(pairs: Any) -> None:
    model = ISPModel("curve", max_steps=1, random_state=0).fit(*pairs)
    picture = picture_of(model._repr_html_())
    half = picture.shape[1] // 2
    grey = picture[0, :half]
    assert (grey[:, 0] == grey[:, 1]).all()
    assert grey[0, 0] == round(255 * float(linear_to_srgb(np.float32(0.02))))
    np.testing.assert_array_less(-1, np.diff(grey[:, 0].astype(int)))
    assert np.abs(picture[:, :half].astype(int) - picture[:, half:]).max() > 10


def test_one_direction_and_an_unknown_camera(pairs: Any) -> None:
    raws, srgbs = (np.asarray(side, np.float32) for side in pairs)
    model = ISPModel("mlp", direction="inverse", max_steps=1, random_state=0).fit(raws, srgbs)
    html = model._repr_html_()
    assert "fitted to an unknown camera" in html
    assert "none held out" in html
    assert "<img" not in html


def test_names_of_files_do_not_become_markup(pairs: Any) -> None:
    model = ISPModel("curve", max_steps=1, random_state=0).fit(*pairs)
    model.camera_ = "<script>alert(1)</script>"
    assert "<script>alert(1)" not in model._repr_html_()
