"""What a training step minimises, as a module, which several processes can share."""

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

    While the network trains, what is done to windows is compiled if the runtime says so. Their number and size never
    change, whereas images are described as they come, in any size.

    Parameters
    ----------
    network : whose errors they are.
    runtime : how to compute.
    """

    def __init__(self, network: Network, runtime: Runtime) -> None:
        super().__init__()
        self.network, self.runtime = network, runtime
        self._compiled_errors = runtime.compiled(_errors)

    def forward(self, batch: Batch) -> Tensor:
        """float32 (B,)."""
        with self.runtime.autocast():
            scene = describe_batch(self.network, batch.images).select(batch.rows)
        errors = self._compiled_errors if self.network.training else _errors
        per_window = errors(self.network, batch, scene, self.runtime)
        sums, counts = (part.view(len(batch.images), -1).sum(1) for part in per_window)
        return sums / counts


def _errors(network: Network, batch: Batch, scene: Scene, runtime: Runtime) -> tuple[Tensor, Tensor]:
    """Of each window the sum of squared errors, and how many numbers it is of."""
    with runtime.autocast():
        if batch.at is None:
            rendered = network.render(batch.pixels, scene, batch.window)
            check_rendered(network, rendered, batch.window)
        else:
            rendered = network.render_samples(batch.pixels, scene, batch.window, batch.at)
            check_rendered_samples(network, rendered, batch.at)
    error = (rendered.float() - batch.targets).square() * batch.inside
    return error.flatten(1).sum(1), 3 * batch.inside.flatten(1).sum(1)
