"""Find the kernel of a blurred image from the image alone, from coarse to fine."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import interpolate
from tqdm import tqdm

from ispfit.color import BT601_LUMA
from ispfit.deblur.boundary import make_periodic
from ispfit.deblur.kernel_step import (
    edge_threshold,
    enlarged,
    find_kernel,
    gradients,
    recentred,
    strong_edges,
    without_weak_values,
)
from ispfit.deblur.kernels import Kernel, check_kernel_size
from ispfit.deblur.latent import PRIORS, DataTerm, Prior
from ispfit.errors import InputError
from ispfit.images import FloatImage, check_image
from ispfit.runtime import resolve_runtime

__all__ = ["DEFAULT_PRIOR", "BlindEstimate", "ScaleRecord", "estimate_kernel"]

DEFAULT_PRIOR = "gradient"

_STEP = math.sqrt(0.5)  # from scale to scale
_COARSEST_KERNEL_PX = 5
_DECAY, _LEAST_MU = 1.1, 1e-4  # of lambda and mu with each alternation
_MIN_SIDE = 2  # of the image, in kernels
_FLAT = 1e-6  # rms gradient of an image without detail, of rounding alone


@dataclass(frozen=True)
class ScaleRecord:
    """How the estimate converged on one scale.

    Parameters
    ----------
    shape : (height, width) of the image on this scale.
    kernel_size : side of the kernel in pixels of this scale.
    changes : after each alternation, the sum of absolute differences to the kernel before, 0 to 2.
    misfits : before each change of the kernel, the rms of ``I * k - B``, relative to white.
    seconds : time that the scale took.
    """

    shape: tuple[int, int]
    kernel_size: int
    changes: list[float] = field(default_factory=list)
    misfits: list[float] = field(default_factory=list)
    seconds: float = 0.0


@dataclass(frozen=True)
class BlindEstimate:
    """A kernel that was found, and how.

    Parameters
    ----------
    kernel : float64 kernel_size x kernel_size; values are 0 or more and sum to 1.
    latent : float32 (H, W) in [0, 1], the sharp luminance from which the kernel was found, without fine detail.
    record : of each scale, from the coarsest to the finest.
    """

    kernel: Kernel
    latent: npt.NDArray[np.float32]
    record: list[ScaleRecord]


def estimate_kernel(
    image: FloatImage,
    kernel_size: int,
    *,
    prior: str = DEFAULT_PRIOR,
    region: Sequence[int] | None = None,
    device: str = "auto",
    verbose: int = 0,
) -> BlindEstimate:
    """Find the kernel that blurred an image, after Pan, Sun, Pfister & Yang (CVPR 2016).

    The sharp luminance and the kernel are found in turn, first on a small picture, on which the kernel has about 5
    pixels, then on larger ones.

    Parameters
    ----------
    image : float32 H x W x 3 in [0, 1], each side at least twice `kernel_size`.
    kernel_size : side of the kernel in pixels, odd; larger than the blur, but not by much.
    prior : what is assumed of sharp images: ``"gradient"``, few edges; ``"dark-channel"``, also a dark pixel in each
        surround (Pan et al.); ``"pmp"``, also dark patch minima (Wen et al., IEEE TCSVT 2021).
    region : (top, left, height, width) in pixels of the part to find the kernel from: one with edges in many
        directions and nothing that moved. None takes the whole image.
    device : ``"auto"``, ``"cpu"``, ``"cuda"``, ...
    verbose : 1 shows a progress bar on a terminal.

    Returns
    -------
    BlindEstimate. Where the kernel lies in its frame is arbitrary; its centre of mass is put in the middle.

    Raises
    ------
    InputError
        If a parameter is not as above.
    """
    if prior not in PRIORS:
        raise InputError(f"prior: expected {', '.join(map(repr, PRIORS))}, got {prior!r}.")
    size = check_kernel_size(kernel_size)
    luma = _region(np.asarray(check_image(image, "image")) @ BT601_LUMA, region)
    if min(luma.shape) < _MIN_SIDE * size:
        raise InputError(
            f"kernel_size: expected at most half of the shorter side of the image or region, {min(luma.shape)} pixels, "
            f"got {size}; take a smaller kernel or a larger region."
        )
    search = _Search(torch.as_tensor(luma, device=resolve_runtime(device).device), size, PRIORS[prior])
    with tqdm(total=search.n_scales * search.prior.alternations, disable=None if verbose else True) as bar:
        return search.run(bar)


def _region(luma: npt.NDArray[np.float32], region: Sequence[int] | None) -> npt.NDArray[np.float32]:
    if region is None:
        return luma
    top, left, height, width = region
    if not (0 <= top < top + height <= luma.shape[0] and 0 <= left < left + width <= luma.shape[1]):
        raise InputError(
            f"region: expected (top, left, height, width) inside the image of {luma.shape[0]} x {luma.shape[1]} "
            f"pixels, got {tuple(region)}."
        )
    return np.ascontiguousarray(luma[top : top + height, left : left + width])


class _Search:
    """The kernel from coarse to fine; lambda and mu decay from alternation to alternation across all scales."""

    def __init__(self, plane: Tensor, kernel_size: int, prior: Prior) -> None:
        self.scale = _contrast_scale(plane, prior.contrast)
        self.plane, self.kernel_size, self.prior = plane * self.scale, kernel_size, prior
        self.n_scales = 1 + max(0, math.floor(math.log(_COARSEST_KERNEL_PX / kernel_size) / math.log(_STEP)))
        self.strength, self.mu = prior.strength, prior.mu

    def run(self, bar: tqdm[object]) -> BlindEstimate:
        record: list[ScaleRecord] = []
        kernel, threshold = np.zeros((1, 1)), 0.0
        for scale in reversed(range(self.n_scales)):
            bar.set_description(f"scale {self.n_scales - scale} of {self.n_scales}")
            size = math.ceil(self.kernel_size * _STEP**scale - 1e-9) | 1
            blurred = _reduced(self.plane, _STEP**scale)
            if record:
                kernel = enlarged(kernel, size, 1 / _STEP)
            else:
                kernel, threshold = _first_kernel(size), edge_threshold(blurred, size)
            found, latent, entry = self._alternate(blurred, kernel, threshold, scale >= self.n_scales / 2 - 1, bar)
            kernel = recentred(found)
            record.append(entry)
        return BlindEstimate(without_weak_values(kernel), (latent / self.scale).clamp(0, 1).cpu().numpy(), record)

    def _alternate(
        self, blurred: Tensor, kernel: Kernel, threshold: float, coarse: bool, bar: tqdm[object]
    ) -> tuple[Kernel, Tensor, ScaleRecord]:
        """Find the image and the kernel in turn on one scale."""
        started = time.monotonic()
        height, width = blurred.shape
        changes, misfits = [], []
        periodic, blurred_gradients = make_periodic(blurred[None], len(kernel)), gradients(blurred)
        for _ in range(self.prior.alternations):
            term = DataTerm.of(periodic, kernel)
            image = self.prior.restore(term, periodic, self.strength, self.mu, coarse)
            misfits.append(term.misfit(image) / self.scale)
            latent = image[0, :height, :width]
            before, kernel = kernel, find_kernel(blurred_gradients, strong_edges(latent, threshold), len(kernel))
            changes.append(float(np.abs(kernel - before).sum()))
            threshold /= _DECAY
            self.strength = max(self.strength / _DECAY, self.prior.least_strength)
            self.mu = max(self.mu / _DECAY, _LEAST_MU)
            bar.update()
        seconds = time.monotonic() - started
        return kernel, latent, ScaleRecord((height, width), len(kernel), changes, misfits, seconds)


def _contrast_scale(plane: Tensor, contrast: float | None) -> float:
    """Return the factor that gives a plane this rms gradient; 1 if it is flat."""
    rms = float(gradients(plane).square().sum(0).mean().sqrt())
    return contrast / rms if contrast and rms > _FLAT else 1.0


def _first_kernel(size: int) -> Kernel:
    """Return two equal pixels side by side: a kernel that is no single peak, which would be a trivial solution."""
    kernel = np.zeros((size, size))
    kernel[size // 2, size // 2 - 1 : size // 2 + 1] = 0.5
    return kernel


def _reduced(plane: Tensor, factor: float) -> Tensor:
    """Return a plane (H, W) made smaller."""
    if factor == 1:
        return plane
    shape = [max(1, round(side * factor)) for side in plane.shape]
    return interpolate(plane[None, None], shape, mode="bilinear", antialias=True)[0, 0]
