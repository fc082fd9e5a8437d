"""Linear light encoded by a power, which spreads the dark tones over the nodes of a table."""

from __future__ import annotations

from torch import Tensor

__all__ = ["GAMMA", "decode", "encode"]

GAMMA = 2.2


def encode(linear: Tensor) -> Tensor:
    """Return ``linear ** (1 / 2.2)``; negative values are taken as 0."""
    return linear.clamp(min=0) ** (1 / GAMMA)


def decode(encoded: Tensor) -> Tensor:
    """Undo `encode`."""
    return encoded.clamp(min=0) ** GAMMA
