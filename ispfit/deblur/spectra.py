"""Periodic convolution and differences of tensors (..., H, W), in the plane and in the Fourier domain."""

from __future__ import annotations

import torch
from torch import Tensor

from ispfit.deblur.kernels import Kernel

__all__ = [
    "differences",
    "divergence",
    "doubled",
    "gradient_power",
    "kernel_spectrum",
    "scaled",
    "spectrum",
    "to_image",
]


def spectrum(image: Tensor) -> Tensor:
    """Return the half spectrum (..., H, W // 2 + 1) of real images."""
    values: Tensor = torch.fft.rfft2(image)
    return values


def to_image(values: Tensor, shape: torch.Size | tuple[int, ...]) -> Tensor:
    """Return the real images (..., H, W) of a half spectrum."""
    image: Tensor = torch.fft.irfft2(values, s=tuple(shape[-2:]))
    return image


def kernel_spectrum(kernel: Kernel, like: Tensor) -> Tensor:
    """Return the half spectrum of a kernel k x k whose middle is the origin, at the size and dtype of `like`."""
    plane = torch.zeros(like.shape[-2:], dtype=like.dtype, device=like.device)
    size = len(kernel)
    plane[:size, :size] = torch.as_tensor(kernel, dtype=like.dtype, device=like.device)
    return spectrum(torch.roll(plane, (-(size // 2), -(size // 2)), (0, 1)))


def gradient_power(like: Tensor) -> Tensor:
    """Return ``|F(dx)|^2 + |F(dy)|^2``, (H, W // 2 + 1), of the two differences of `differences`."""
    height, width = like.shape[-2:]
    rows = torch.fft.fftfreq(height, dtype=like.dtype, device=like.device)[:, None]
    columns = torch.fft.rfftfreq(width, dtype=like.dtype, device=like.device)
    return 4 * (torch.sin(torch.pi * rows) ** 2 + torch.sin(torch.pi * columns) ** 2)


def differences(image: Tensor) -> tuple[Tensor, Tensor]:
    """Return the differences to the next pixel to the right and below; the image is periodic."""
    right, below = torch.empty_like(image), torch.empty_like(image)
    torch.sub(image[..., 1:], image[..., :-1], out=right[..., :-1])
    torch.sub(image[..., :1], image[..., -1:], out=right[..., -1:])
    torch.sub(image[..., 1:, :], image[..., :-1, :], out=below[..., :-1, :])
    torch.sub(image[..., :1, :], image[..., -1:, :], out=below[..., -1:, :])
    return right, below


def divergence(right: Tensor, below: Tensor) -> Tensor:
    """Return the adjoint of `differences`."""
    total = torch.empty_like(right)
    torch.sub(right[..., :-1], right[..., 1:], out=total[..., 1:])
    torch.sub(right[..., -1:], right[..., :1], out=total[..., :1])
    total -= below
    total[..., 1:, :] += below[..., :-1, :]
    total[..., :1, :] += below[..., -1:, :]
    return total


def doubled(factor: Tensor) -> Tensor:
    """Return a real factor of each complex value as one of its real and one of its imaginary part, for `scaled`."""
    return torch.stack([factor, factor], -1)


def scaled(values: Tensor, factor: Tensor) -> Tensor:
    """Return complex values times real ones, `doubled`, in place: torch would make the real ones complex first."""
    torch.view_as_real(values).mul_(factor)
    return values
