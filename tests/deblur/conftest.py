"""Blurred photographs whose sharp image and kernel are known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from ispfit.datasets import make_camera_pairs
from ispfit.deblur import blur, shake_kernel
from ispfit.images import Image


@dataclass(frozen=True)
class Blurred:
    sharp: Image
    kernel: np.ndarray
    image: Image


@pytest.fixture(scope="session")
def blurred() -> Blurred:
    """A detailed scene of the virtual camera, blurred by a shake of 13 pixels, with noise; its border is a true one."""
    [sharp] = make_camera_pairs(5, image_size=192, random_state=4)[1][2:3]
    kernel = shake_kernel(13, 1)
    noise = np.random.default_rng(0).normal(0, 0.003, sharp.shape)
    image = Image(np.clip(blur(sharp, kernel) + noise, 0, 1), sharp.shot)
    return Blurred(sharp[12:-12, 12:-12], kernel, image[12:-12, 12:-12])
