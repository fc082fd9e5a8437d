"""The sharp image for a given kernel, by half-quadratic splitting with sparse gradients and few dark pixels.

Minimised is ``|I * k - B|^2 + mu |grad I|_0 + lambda |D(I)|_0`` (Pan, Sun, Pfister, Yang, "Blind Image Deblurring Using
Dark Channel Prior", CVPR 2016), where D are minima over patches, or nothing. Auxiliary variables take the place of
gradients and of dark pixels, and are tied to them by weights that double. Given them, the image is found in the Fourier
domain.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from skimage.filters import threshold_otsu
from torch import Tensor

from ispfit.deblur.kernels import Kernel
from ispfit.deblur.minima import patch_minima, window_minima
from ispfit.deblur.spectra import (
    differences,
    divergence,
    doubled,
    gradient_power,
    kernel_spectrum,
    scaled,
    spectrum,
    to_image,
)

__all__ = ["PRIORS", "DataTerm", "Prior", "with_sparse_gradients"]

_MAX_GRADIENT_WEIGHT = 1e5
_MAX_DARK_WEIGHT = 8.0
_DARK_WINDOW_PX = 35
_PATCH_SHARE = 0.025  # of the mean side: the side of the patches of Wen et al.
_PATCH_ROUNDS = 3  # for each weight
_MAX_PATCH_THRESHOLD = 0.1


@dataclass(frozen=True)
class DataTerm:
    """``|I * k - B|^2`` of periodic images (C, H, W), and the parts of its minimiser that do not change.

    Parameters
    ----------
    shape : of the images.
    blurred, transfer : ``F(B)`` and ``F(k)``.
    matched : ``conj(F(k)) F(B)``.
    power : ``|F(k)|^2``, `doubled`.
    gradients : ``|F(dx)|^2 + |F(dy)|^2``, `doubled`.
    """

    shape: torch.Size
    blurred: Tensor
    transfer: Tensor
    matched: Tensor
    power: Tensor
    gradients: Tensor

    @classmethod
    def of(cls, blurred: Tensor, kernel: Kernel) -> DataTerm:
        transfer = kernel_spectrum(kernel, blurred)
        values, power = spectrum(blurred), doubled(transfer.abs().square())
        gradients = doubled(gradient_power(blurred))
        return cls(blurred.shape, values, transfer, transfer.conj() * values, power, gradients)

    def misfit(self, image: Tensor) -> float:
        """Return the rms of ``I * k - B``."""
        error = (self.transfer * spectrum(image)) - self.blurred
        return float(to_image(error, self.shape).square().mean().sqrt())

    def minimise(
        self, right: Tensor, below: Tensor, weight: float, pixels: Tensor | None = None, pixel_weight: float = 0.0
    ) -> Tensor:
        """Return the I that minimises the term plus ``weight |grad I - g|^2 + pixel_weight |I - pixels|^2``."""
        pull = divergence(right, below).mul_(weight)
        if pixels is not None:
            pull.add_(pixels, alpha=pixel_weight)
        target = spectrum(pull).add_(self.matched)
        curvature = (self.gradients * weight).add_(self.power).add_(pixel_weight)
        return to_image(scaled(target, curvature.reciprocal_()), self.shape)


def with_sparse_gradients(
    term: DataTerm, image: Tensor, mu: float, pixels: Tensor | None = None, pixel_weight: float = 0.0
) -> Tensor:
    """Return the minimiser of `term` plus ``mu |grad I|_0 + pixel_weight |I - pixels|^2``, starting at `image`."""
    weight = 2 * mu
    while weight < _MAX_GRADIENT_WEIGHT:
        image = term.minimise(*_large_differences(image, mu / weight), weight, pixels, pixel_weight)
        weight *= 2
    return image


def _large_differences(image: Tensor, least: float) -> tuple[Tensor, Tensor]:
    """Return the differences of an image (C, H, W), zero where their squares sum to less than `least`."""
    right, below = differences(image)
    power = torch.mul(right, right).addcmul_(below, below)
    power = power if len(power) == 1 else power.sum(-3, keepdim=True)
    large = torch.ge(power, least, out=power)  # 0 or 1 as floats: products with bools take six times as long
    return right.mul_(large), below.mul_(large)


def _gradient_only(term: DataTerm, blurred: Tensor, strength: float, mu: float, coarse: bool) -> Tensor:
    return with_sparse_gradients(term, blurred, mu)


def _dark_channel(term: DataTerm, blurred: Tensor, strength: float, mu: float, coarse: bool) -> Tensor:
    """Pixels that are the minimum of a window, and dark, are drawn to black."""
    image = blurred
    weight = strength / _otsu(image)
    while weight < _MAX_DARK_WEIGHT:
        minima, places = window_minima(image[0], _DARK_WINDOW_PX)
        dark = places[minima.square() < strength / weight]
        pixels = image.clone()
        pixels.view(-1)[dark] = 0
        image = with_sparse_gradients(term, image, mu, pixels, weight)
        weight *= 2
    return image


def _otsu(image: Tensor) -> float:
    """Return Otsu's threshold of the squared image, never 0."""
    values = np.clip(image.square().cpu().numpy(), 0, 1)
    return max(float(threshold_otsu(values)) if np.ptp(values) > 0 else 0.0, 1e-3)


def _patch_minima(term: DataTerm, blurred: Tensor, strength: float, mu: float, coarse: bool) -> Tensor:
    """The minimum of each patch is shrunk on coarse scales, and on fine ones set to black if it is dark."""
    image, weight = blurred, 2 * mu
    side = max(1, round(_PATCH_SHARE * sum(image.shape[-2:]) / 2))
    while weight < _MAX_GRADIENT_WEIGHT:
        for _ in range(_PATCH_ROUNDS):
            minima, places = patch_minima(image[0], side)
            if coarse:
                shrunk = (minima - strength).clamp_(min=0)
            else:
                least = min(max(strength, float(minima.abs().mean())), _MAX_PATCH_THRESHOLD)
                shrunk = torch.where(minima.abs() < least, 0, minima)
            image = image.contiguous()
            image.view(-1)[places.view(-1)] = shrunk.view(-1)
            image = term.minimise(*_large_differences(image, mu / weight), weight)
        weight *= 2
    return image


_Restore: TypeAlias = Callable[[DataTerm, Tensor, float, float, bool], Tensor]


@dataclass(frozen=True)
class Prior:
    """What is assumed of sharp images, with the constants of its authors.

    Parameters
    ----------
    restore : finds the image (1, H, W) from the data term, the blurred image, lambda, mu, and whether the scale is
        among the coarser half.
    strength, least_strength : lambda at the start, and its lower limit.
    mu : weight of the gradients at the start.
    alternations : between image and kernel on each scale.
    contrast : rms gradient to which a blurred luminance is scaled first, so that mu means the same in a dark raw and in
        a bright srgb; None leaves it as it is.
    """

    restore: _Restore
    strength: float
    least_strength: float
    mu: float
    alternations: int
    contrast: float | None = None


PRIORS: dict[str, Prior] = {
    "dark-channel": Prior(_dark_channel, 4e-3, 1e-4, 4e-3, 5),
    "pmp": Prior(_patch_minima, 0.1, 1e-2, 5e-3, 6),
    "gradient": Prior(_gradient_only, 0.0, 0.0, 4e-3, 10, contrast=0.012),
}
"""By name: Pan et al. (CVPR 2016); patch-wise minimal pixels, Wen et al. (IEEE TCSVT, 2021); gradients alone."""
