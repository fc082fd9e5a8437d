"""What a training step minimises, as a module: the unit that is compiled, and that several processes share."""

from __future__ import annotations

import torch
from torch import Tensor

from ispfit.backbone import Network
from ispfit.rendering import check_rendered, check_rendered_samples
from ispfit.runtime import Runtime
from ispfit.training.sampling import Batch, describe_batch

__all__ = ["Objective"]


class Objective(torch.nn.Module):
    """The mean squared error of each image of a batch (Nam & Kim 2017, Eq. 2), over its windows or its samples.

    Parameters
    ----------
    network : whose errors they are.
    runtime : the precision to render in.
    """

    def __init__(self, network: Network, runtime: Runtime) -> None:
        super().__init__()
        self.network, self.runtime = network, runtime

    def forward(self, batch: Batch) -> Tensor:
        """float32 (B,)."""
        error = (self._render(batch).float() - batch.targets).square() * batch.inside
        sums, counts = (part.flatten(1).sum(1).view(len(batch.images), -1).sum(1) for part in (error, 3 * batch.inside))
        return sums / counts

    def _render(self, batch: Batch) -> Tensor:
        with self.runtime.autocast():
            scene = describe_batch(self.network, batch.images).rows(batch.rows)
            if batch.at is None:
                rendered = self.network.render(batch.pixels, scene, batch.window)
                check_rendered(self.network, rendered, batch.window)
            else:
                rendered = self.network.render_samples(batch.pixels, scene, batch.window, batch.at)
                check_rendered_samples(self.network, rendered, batch.at)
        return rendered
