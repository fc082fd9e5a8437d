"""The scene: what a network reads from a whole image before it renders any pixel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

import torch
from torch import Tensor

__all__ = ["Scene", "ScenePart"]

ScenePart: TypeAlias = Mapping[str, slice | list[int]]
"""Values of a scene that belong together: for each tensor, by its name, their indices along its second axis."""


class Scene(Mapping[str, Tensor]):
    """What `Network.describe` returns, Φ: named tensors whose leading axis counts the images.

    Parameters
    ----------
    **tensors : tensors of shape (N, ...), whose size must not grow with the image; none if the network ignores the
        scene.

    Examples
    --------
    >>> import torch
    >>> scene = Scene(mean=torch.tensor([[0.1], [0.7]]))
    >>> scene.select(torch.tensor([1, 1, 0]))["mean"].flatten().tolist()
    [0.699..., 0.699..., 0.100...]
    """

    def __init__(self, **tensors: Tensor) -> None:
        self._tensors = tensors

    def __getitem__(self, name: str) -> Tensor:
        return self._tensors[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)

    def __repr__(self) -> str:
        return f"Scene({', '.join(f'{name}={tuple(tensor.shape)}' for name, tensor in self.items())})"

    def select(self, index: Tensor) -> Scene:
        """Return a scene whose row i is the scene of image ``index[i]``."""
        return Scene(**{name: tensor[index] for name, tensor in self.items()})

    def detach(self) -> Scene:
        """Return the same values without gradient history."""
        return Scene(**{name: tensor.detach() for name, tensor in self.items()})

    def blend(self, other: Scene, share: float = 1.0, part: ScenePart | None = None) -> Scene:
        """Return this scene with `share` of another: 0 is this one, 1 the other, 0.5 the middle of both.

        Parameters
        ----------
        other : a scene with tensors of the same names and shapes.
        share : any number; beyond 0 and 1 the scene is extrapolated.
        part : the values that are blended; None for all.

        Examples
        --------
        >>> one, other = Scene(histogram=torch.zeros(1, 3)), Scene(histogram=torch.ones(1, 3))
        >>> one.blend(other, 0.25, {"histogram": slice(1, None)})["histogram"].tolist()
        [[0.0, 0.25, 0.25]]
        """
        blended = {name: tensor.clone() for name, tensor in self.items()}
        for name, columns in (dict.fromkeys(self) if part is None else part).items():
            where = ... if columns is None else (slice(None), columns)
            blended[name][where] = torch.lerp(self[name][where], other[name][where], share)
        return Scene(**blended)

    @classmethod
    def cat(cls, scenes: Sequence[Scene]) -> Scene:
        """Concatenate the scenes of several images."""
        return cls(**{name: torch.cat([scene[name] for scene in scenes]) for name in scenes[0]})
