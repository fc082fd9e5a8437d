"""The training loss as a module, which DistributedDataParallel can wrap."""

from __future__ import annotations

import torch
from torch import Tensor

from ispfit.backbone import Network, Scene
from ispfit.rendering import check_rendered, check_rendered_samples
from ispfit.runtime import Runtime
from ispfit.training.sampling import Batch, describe_batch

__all__ = ["Objective"]


class Objective(torch.nn.Module):
    """The mean squared error of each image of a batch (Nam & Kim 2017, Eq. 2), over its windows or its samples.

    In training, rendering and the error are compiled if the runtime says so: windows have one number and one size.
    Describing is not compiled, as images may have any size.

    Parameters
    ----------
    network : renders the windows.
    runtime : how to compute.
    """

    def __init__(self, network: Network, runtime: Runtime) -> None:
        super().__init__()
        self.network, self.runtime = network, runtime
        self._compiled_errors = runtime.compiled(_squared_errors)

    def forward(self, batch: Batch) -> Tensor:
        """Return the error of each image, float32 (B,)."""
        with self.runtime.autocast():
            scene = describe_batch(self.network, batch.images).select(batch.image_index)
        errors = self._compiled_errors if self.network.training else _squared_errors
        per_window = errors(self.network, batch, scene, self.runtime)  # two tensors (N,)
        sums, counts = (values.view(len(batch.images), -1).sum(1) for values in per_window)  # (B,) each
        return sums / counts


def _squared_errors(network: Network, batch: Batch, scene: Scene, runtime: Runtime) -> tuple[Tensor, Tensor]:
    """Return the sum of squared errors of each window, and the number of values it sums, both (N,)."""
    with runtime.autocast():
        if batch.sample_index is None:
            rendered = network.render(batch.pixels, scene, batch.window)
            check_rendered(network, rendered, batch.window)
        else:
            rendered = network.render_samples(batch.pixels, scene, batch.window, batch.sample_index)
            check_rendered_samples(network, rendered, batch.sample_index)
    error = (rendered.float() - batch.targets).square() * batch.mask
    return error.flatten(1).sum(1), 3 * batch.mask.flatten(1).sum(1)
