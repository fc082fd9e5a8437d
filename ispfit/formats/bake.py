"""Make a LUT of a fitted model: one scene, or the mean of several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from ispfit.color import linear_to_srgb, srgb_to_linear
from ispfit.estimator import ISPModel
from ispfit.formats.encodings import Encoding
from ispfit.formats.flat_colors import render_flat_colors, weights_of_positions
from ispfit.formats.lut import Lut, lut_nodes
from ispfit.images import FloatImage
from ispfit.rendering import describe_image
from ispfit.runtime import resolve_runtime
from ispfit.splits import evenly_spaced

__all__ = ["LutSpace", "bake_lut"]

_SHAPER_NODES = 4096
_KERNEL_WIDTH = 0.03  # in encoded luminance, of 0 to 1
_MAX_SCENES = 200
_MIN_SCENES, _MAX_AREA_PX = 16, 1 << 27  # fewer scenes if there are many nodes, or each needs a large area


@dataclass(frozen=True)
class LutSpace:
    """What goes into a LUT and what comes out of it.

    Parameters
    ----------
    direction : "forward", from a raw to its rendering, or "inverse".
    scene_referred : the encoding of the raw: of the input of a forward LUT, of the output of an inverse one.
    rendered : the encoding of the rendering.
    camera : matrix from white-balanced camera RGB to linear sRGB, see `camera_to_srgb`.
    """

    direction: str
    scene_referred: Encoding
    rendered: Encoding
    camera: npt.NDArray[np.float64] | None

    @property
    def input_is_linear(self) -> bool:
        """Whether the LUT takes linear light."""
        return (self.scene_referred if self.direction == "forward" else self.rendered).linear

    def describe(self) -> list[str]:
        """Return lines that say what the LUT takes and gives."""
        encodings = [self.scene_referred.title, self.rendered.title]
        source, target = encodings if self.direction == "forward" else encodings[::-1]
        return [f"input: {source}", f"output: {target}"]

    def encode_raw(self, raw: FloatImage) -> FloatImage:
        """Return a raw (..., 3) in the encoding of the LUT."""
        if self.scene_referred.primaries is None:
            return np.asarray(self.scene_referred.from_linear(raw), np.float32)
        assert self.camera is not None
        return self.scene_referred.from_srgb_light(raw @ self.camera.T.astype(np.float32), self.camera)

    def decode_raw(self, encoded: FloatImage) -> FloatImage:
        """Return the raw of encoded values; the inverse of `encode_raw`, clipped to [0, 1]."""
        if self.scene_referred.primaries is None:
            return np.asarray(self.scene_referred.to_linear(encoded), np.float32)
        assert self.camera is not None
        light = self.scene_referred.to_srgb_light(encoded, self.camera)
        return np.clip(light @ np.linalg.inv(self.camera).T.astype(np.float32), 0, 1).astype(np.float32)

    def encode_srgb(self, srgb: FloatImage) -> FloatImage:
        """Return an srgb (..., 3) in the encoding of the rendering."""
        return self.rendered.from_srgb_light(srgb_to_linear(srgb))

    def decode_srgb(self, encoded: FloatImage) -> FloatImage:
        """Return the srgb of encoded values; the inverse of `encode_srgb`."""
        return np.asarray(linear_to_srgb(np.clip(self.rendered.to_srgb_light(encoded), 0, 1)), np.float32)

    def develop(self, raw: FloatImage) -> FloatImage:
        """Return the srgb of a raw by the matrix of the camera alone; without a matrix, by none."""
        light = raw if self.camera is None else raw @ self.camera.T.astype(np.float32)
        return np.asarray(linear_to_srgb(np.clip(light, 0, 1)), np.float32)

    def encode_input(self, image: FloatImage) -> FloatImage:
        """Return an image of the model's input as the LUT takes it."""
        return self.encode_raw(image) if self.direction == "forward" else self.encode_srgb(image)

    def decode_input(self, encoded: FloatImage) -> FloatImage:
        """Return the model's input of what the LUT takes."""
        return self.decode_raw(encoded) if self.direction == "forward" else self.decode_srgb(encoded)

    def encode_output(self, image: FloatImage) -> FloatImage:
        """Return an image of the model's output as the LUT gives it."""
        return self.encode_srgb(image) if self.direction == "forward" else self.encode_raw(image)

    def decode_output(self, encoded: FloatImage) -> FloatImage:
        """Return the model's output of what the LUT gives."""
        return self.decode_srgb(encoded) if self.direction == "forward" else self.decode_raw(encoded)


def bake_lut(
    model: ISPModel, images: Sequence[FloatImage], space: LutSpace, *, size: int = 33, shaper: bool = False
) -> Lut:
    """Return the LUT of a model for the scene of an image, or for the mean over the scenes of several.

    The mean is that of the renderings, each weighted by how often colours as bright as the node occur in its image: of
    all LUTs, it has about the smallest squared error over the images. Networks that look at the neighbourhood see a
    flat area of each colour. Where a rendering depends on the position, the weights are those of each position.

    Parameters
    ----------
    model : fitted in the direction of `space`.
    images : raws (for the inverse direction, srgbs) whose scenes the LUT stands for; 16 to 200 of them, evenly spaced,
        are used, fewer for large LUTs.
    space : the encodings.
    size : number of nodes on a side.
    shaper : whether the nodes are spaced by sRGB's curve, which the LUT holds as its shaper; for linear input.
    """
    nodes = lut_nodes(size)
    encoded = srgb_to_linear(nodes) if shaper else nodes
    colors = space.decode_input(encoded)
    runtime = resolve_runtime(model.device, "fp32")
    network = model.networks_[space.direction].to(runtime.device)
    n_scenes = _MAX_AREA_PX // (len(nodes) * (2 * network.halo + network.stride) ** 2)
    n_scenes = min(_MAX_SCENES, max(_MIN_SCENES, n_scenes))
    chosen = evenly_spaced(len(images), n_scenes)
    total, weight = np.zeros_like(nodes, np.float64), np.zeros((len(nodes), 1))
    for index in tqdm(chosen, "scenes", disable=None if len(chosen) > 1 else True):
        image = np.asarray(images[index], np.float32)
        weights = weights_of_positions(_uniform(image, space).mean(2), _uniform(colors, space), _KERNEL_WIDTH)
        rendered = render_flat_colors(network, colors, describe_image(network, image, runtime), runtime, weights)
        share = weights.sum(1, keepdims=True) / image[..., 0].size
        total, weight = total + share * _uniform_output(rendered, space), weight + share
    network.cpu()
    output = space.encode_output(_from_uniform((total / weight).astype(np.float32), space))
    curve = linear_to_srgb(np.linspace(0, 1, _SHAPER_NODES)).astype(np.float32) if shaper else None
    return Lut(output.reshape(size, size, size, 3), curve)


def _uniform(image: FloatImage, space: LutSpace) -> FloatImage:
    """Return an image of the model's input in an encoding that is roughly uniform to the eye."""
    return linear_to_srgb(image) if space.direction == "forward" else image


def _uniform_output(image: FloatImage, space: LutSpace) -> FloatImage:
    return image if space.direction == "forward" else linear_to_srgb(image)


def _from_uniform(image: FloatImage, space: LutSpace) -> FloatImage:
    return image if space.direction == "forward" else srgb_to_linear(image)
