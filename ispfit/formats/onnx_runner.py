"""Run a camera model that `ispfit export` wrote, on a picture of any size: NumPy and onnxruntime, without torch.

This file needs nothing else of ispfit: copy it into your own program.
"""

from typing import Any

import numpy as np
import onnxruntime


class OnnxModel:
    """One direction, "forward" (raw to sRGB) or "inverse", of the model that was exported to `path` (model.onnx)."""

    def __init__(self, path: Any, direction: str = "forward") -> None:
        stem = f"{str(path).removesuffix('.onnx')}-{direction}"
        self._render = onnxruntime.InferenceSession(f"{stem}-render.onnx")
        self.about = self._render.get_modelmeta().custom_metadata_map
        self.halo, self.stride = int(self.about["halo"]), int(self.about["stride"])
        self._describe = onnxruntime.InferenceSession(f"{stem}-describe.onnx") if self.about["scene"] else None

    def describe(self, image: Any) -> dict[str, Any]:
        """Return what the model reads from the whole of an image, float32 H x W x 3 in [0, 1]: the scene."""
        if self._describe is None:
            return {}
        names = [output.name for output in self._describe.get_outputs()]
        return dict(zip(names, self._describe.run(None, {"image": image.transpose(2, 0, 1)[None]}), strict=True))

    def __call__(self, image: Any, scene: dict[str, Any] | None = None, tile: int = 512) -> Any:
        """Return the output, float32 H x W x 3 in [0, 1], rendered in tiles; `scene` is by default the image's own."""
        scene, shape, side = scene or self.describe(image), image.shape[:2], tile // self.stride * self.stride
        result = np.empty(image.shape, np.float32)
        for corner in np.ndindex(*(-(-length // side) for length in shape)):
            top, left = starts = [index * side for index in corner]
            sides = [min(side, length - start) for start, length in zip(starts, shape, strict=True)]
            rows, columns = (self._around(*each) for each in zip(starts, sides, shape, strict=True))
            values = [image[rows[:, None], columns].transpose(2, 0, 1)[None], *([n] for n in (top, left, *shape))]
            names = ("pixels", "top", "left", "image_height", "image_width")
            given = scene | {name: np.asarray(value) for name, value in zip(names, values, strict=True)}
            output = self._render.run(None, {each.name: given[each.name] for each in self._render.get_inputs()})[0][0]
            where = tuple(slice(start, start + length) for start, length in zip(starts, sides, strict=True))
            result[where] = output.transpose(1, 2, 0)[: sides[0], : sides[1]]
        return result

    def _around(self, start: int, length: int, size: int) -> Any:
        """The rows or columns of a tile: whole strides, with the halo, mirrored at the edges of the image."""
        length = -(-length // self.stride) * self.stride
        index = np.arange(start - self.halo, start + length + self.halo) % max(1, 2 * size - 2)
        return np.minimum(index, 2 * size - 2 - index) if size > 1 else 0 * index
