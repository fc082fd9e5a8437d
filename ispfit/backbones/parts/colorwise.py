"""Networks that map each colour on its own, in the same way in every scene; a table makes large images fast."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.compiler import is_exporting

from ispfit.backbone import Network, Scene, Window
from ispfit.backbones.parts.color_table import lattice, look_up, prefilter

__all__ = ["TABLE_NODES", "ColorwiseNetwork"]

TABLE_NODES = 97
"""Nodes per side of the table. On pictures, the speed of a look-up does not depend on it."""

_MIN_TABLE_PX = 512 * 512  # a table costs as much as three and a half images of this size
_GREY_WIDTH = 0.3  # the smaller, the more of the nodes lie close to grey


class ColorwiseNetwork(Network):
    """One map of colours for all pixels and scenes; subclasses implement `map_colors`.

    Images of at least 512 x 512 pixels are looked up in a table of the map, smaller ones are mapped exactly. The table
    is computed at its first use, and again if the weights have changed. It covers [0, 1]: colours outside are mapped
    exactly in images of any size. A graph that is exported always looks up, and clips colours to [0, 1].

    The axes of the table are two differences of encoded colours and their mean. Most colours of pictures are close to
    grey, and so are most of the nodes: a table over red, green and blue would err two to four times as much.

    Attributes
    ----------
    gamma : colours are encoded as ``x ** (1 / gamma)``.
    """

    gamma: float = 1.0

    def __init__(self) -> None:
        super().__init__()
        self._table: Tensor | None = None
        self._weights_of_table: list[Tensor] = []

    def map_colors(self, colors: Tensor) -> Tensor:
        """Map colours (n, 3) exactly."""
        raise NotImplementedError

    def render(self, pixels: Tensor, scene: Scene, window: Window) -> Tensor:
        """Map each pixel on its own."""
        if is_exporting():  # an exported graph has no branches
            return look_up(self.table(), _coordinates(pixels.clamp(0, 1), self.gamma))
        large = (window.image_height * window.image_width >= _MIN_TABLE_PX).tolist()
        with torch.autocast(pixels.device.type, enabled=False):
            rows = torch.split(pixels.float(), 1)
            mapped = [(self._look_up if big else self._map)(row) for row, big in zip(rows, large, strict=True)]
        return mapped[0] if len(mapped) == 1 else torch.cat(mapped)

    def table(self) -> Tensor:
        """Return the table of the map, float32 (1, 3, size, size, size); see `look_up`."""
        weights = [*self.parameters(), *self.buffers()]
        if is_exporting() and self._table is not None:
            return self._table
        if self._table is None or not _equal(weights, self._weights_of_table):
            with torch.inference_mode(False), torch.no_grad():  # else autograd would refuse the table later on
                nodes = _decoded(lattice(TABLE_NODES, weights[0].device), self.gamma)
                values = self.map_colors(nodes).T.reshape(1, 3, *3 * [TABLE_NODES])
                self._table, self._weights_of_table = prefilter(values), [weight.clone() for weight in weights]
        return self._table

    def __getstate__(self) -> dict[str, Any]:
        """Leave the table out of copies and pickles."""
        return self.__dict__ | {"_table": None, "_weights_of_table": []}

    def _look_up(self, pixels: Tensor) -> Tensor:
        """Map images (N, 3, h, w) by the table."""
        low, high = pixels.detach().aminmax()
        if low >= 0 and high <= 1:
            return look_up(self.table(), _coordinates(pixels, self.gamma))
        inside = pixels.clamp(0, 1)
        mapped = look_up(self.table(), _coordinates(inside, self.gamma)).movedim(1, -1)
        changed = (inside != pixels).any(1)
        mapped[changed] = self.map_colors(pixels.movedim(1, -1)[changed])
        return mapped.movedim(-1, 1)

    def _map(self, pixels: Tensor) -> Tensor:
        """Map images (N, 3, h, w) exactly."""
        colors = pixels.movedim(1, -1)
        return self.map_colors(colors.reshape(-1, 3)).reshape(colors.shape).movedim(-1, 1).contiguous()


def _coordinates(colors: Tensor, gamma: float) -> Tensor:
    """Return where colours (N, 3, h, w) in [0, 1] lie in the table, from 0 to 1."""
    red, green, blue = (colors ** (1 / gamma)).unbind(1)
    differences = torch.stack([red - green, blue - green], 1)
    spread = 0.5 + 0.5 * (1 + _GREY_WIDTH) * differences / (differences.abs() + _GREY_WIDTH)
    return torch.cat([spread, ((red + green + blue) / 3)[:, None]], 1)


def _decoded(coordinates: Tensor, gamma: float) -> Tensor:
    """Undo `_coordinates`, for rows (n, 3); some of these colours lie outside [0, 1]."""
    spread = 2 * coordinates[:, :2] - 1
    red, blue = (_GREY_WIDTH * spread / (1 + _GREY_WIDTH - spread.abs())).unbind(1)
    green = coordinates[:, 2] - (red + blue) / 3
    encoded = torch.stack([green + red, green, green + blue], 1)
    return encoded.sign() * encoded.abs() ** gamma


def _equal(some: list[Tensor], others: list[Tensor]) -> bool:
    return len(some) == len(others) and all(
        one.device == other.device and torch.equal(one, other) for one, other in zip(some, others, strict=True)
    )
