"""Run a camera model that `ispfit export` wrote, on an image of any size, with NumPy and onnxruntime alone."""

from itertools import product
from typing import Any

import numpy as np
import onnxruntime


class OnnxModel:
    """One direction of a model, "forward" (raw to sRGB) or "inverse"; images are float32 H x W x 3 in [0, 1]."""

    def __init__(self, path: Any, direction: str = "forward") -> None:
        stem = f"{str(path).removesuffix('.onnx')}-{direction}"
        self._render = onnxruntime.InferenceSession(f"{stem}-render.onnx")
        self.about = self._render.get_modelmeta().custom_metadata_map
        self._describe = onnxruntime.InferenceSession(f"{stem}-describe.onnx") if self.about["scene"] else None

    def describe(self, image: Any) -> dict[str, Any]:
        """Return the scene: what the model reads from the whole of an image."""
        if self._describe is None:
            return {}
        found = self._describe.run(None, {"image": image.transpose(2, 0, 1)[None]})
        return dict(zip(self.about["scene"].split(), found, strict=True))

    def __call__(self, image: Any, scene: dict[str, Any] | None = None, tile: int = 256) -> Any:
        """Return the output, rendered in tiles; `scene` is by default that of the image."""
        scene, halo, stride = scene or self.describe(image), int(self.about["halo"]), int(self.about["stride"])
        (height, width), side = image.shape[:2], -(-tile // stride) * stride
        # the image is mirrored around its edge, where a window reads its halo or completes its last stride
        rows, columns = (np.pad(np.arange(size), (halo, halo + -size % stride), "reflect") for size in (height, width))
        output, inputs = np.empty_like(image), [each.name for each in self._render.get_inputs()]
        for top, left in product(range(0, height, side), range(0, width, side)):
            pixels = image[rows[top : top + side + 2 * halo, None], columns[left : left + side + 2 * halo]]
            place = {"top": top, "left": left, "image_height": height, "image_width": width}
            given = {name: np.array([number]) for name, number in place.items()} | scene
            given["pixels"] = pixels.transpose(2, 0, 1)[None]
            [found] = self._render.run(None, {name: given[name] for name in inputs})
            output[top : top + side, left : left + side] = found[0].transpose(1, 2, 0)[: height - top, : width - left]
        return output
