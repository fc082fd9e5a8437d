"""The pairs of a training run, and which of them validate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import torch

from ispfit.images import Image, shots_of
from ispfit.training.device_images import DeviceImages, usable_bytes
from ispfit.training.plan import TrainingPlan
from ispfit.training.sampling import split_pairs

__all__ = ["ImageLists", "TrainingData"]

ImageLists: TypeAlias = tuple[Sequence[Image], Sequence[Image]]  # inputs and targets


class TrainingData:
    """Training and validation pairs on the device.

    Parameters
    ----------
    pairs : inputs and targets.
    validation : inputs and targets for validation; None to hold out a share of `pairs`, `plan.validation_fraction`.

    Attributes
    ----------
    pairs, training : training images, and the indices of those to train on.
    validation_pairs, validation : validation images, and the indices of those to validate on.
    validation_scenes : int64 (V,), number of the scene of each image to validate on.
    """

    def __init__(
        self, pairs: ImageLists, validation: ImageLists | None, plan: TrainingPlan, device: torch.device
    ) -> None:
        lists = pairs if validation is None else pairs + validation
        max_bytes = usable_bytes(device) // len(lists)
        inputs, targets, *others = [DeviceImages(images, device, max_bytes) for images in lists]
        self.pairs = self.validation_pairs = (inputs, targets)
        if validation is None:
            self.training, self.validation = split_pairs(_scenes(pairs), plan)
            scenes = [_scenes(pairs)[index] for index in self.validation]
        else:
            self.training, self.validation = np.arange(len(pairs[0])), np.arange(len(validation[0]))
            self.validation_pairs = (others[0], others[1])
            scenes = _scenes(validation)
        labels = [str(index) if scene is None else f"scene {scene}" for index, scene in enumerate(scenes)]
        self.validation_scenes = np.unique(labels, return_inverse=True)[1] if labels else np.zeros(0, np.int64)


def _scenes(pairs: ImageLists) -> list[str | None]:
    return [shot.scene for shot in shots_of(pairs[0])]
