"""The sharp image of a blurred one whose kernel is known."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from skimage.restoration import richardson_lucy, wiener
from torch import Tensor
from torch.nn.functional import pad, softshrink

from ispfit.deblur.boundary import make_periodic
from ispfit.deblur.kernels import Kernel, check_kernel
from ispfit.deblur.latent import DataTerm, with_sparse_gradients
from ispfit.deblur.noise import noise_of
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
from ispfit.errors import InputError
from ispfit.images import FloatImage, Image, check_image
from ispfit.runtime import resolve_runtime

__all__ = ["METHODS", "deconvolve", "deconvolve_light"]

METHODS = ("tv", "richardson-lucy", "wiener")

_ITERATIONS = 30  # of ADMM
_GRADIENT_PENALTY = 10.0  # per `tv`
_DATA_PENALTY = 0.05
_LEAST_TV, _TV_PER_VARIANCE = 1e-3, 2.2  # of noise
_MU_PER_TV = 0.2  # of the restoration with sparse gradients, which does not ring
_TOO_NOISY = 0.007  # for that restoration: it takes amplified noise for edges
_MAX_RINGING = 0.25  # above it, that restoration is wrong
_BILATERAL_PX, _BILATERAL_RANGE = 3, 0.1  # standard deviations
_RICHARDSON_LUCY_ITERATIONS = 30
_WIENER_BALANCE = 0.01


def deconvolve(
    image: FloatImage,
    kernel: npt.NDArray[np.floating],
    *,
    method: str = "tv",
    tv: float | None = None,
    ringing_removal: bool = True,
    clipped: float = 0.99,
    device: str = "auto",
) -> Image:
    """Return the sharp image that the kernel blurred to `image`.

    ``"tv"`` minimises ``|I * k - B|^2 / 2 + tv (|dx I|_1 + |dy I|_1)`` by ADMM. What is beyond the border is unknown to
    it (Almeida & Figueiredo, IEEE TIP 22(8), 2013), and of a clipped pixel it knows only that it is at least as bright,
    as a sensor clips (Whyte, Sivic & Zisserman, IJCV 110(2), 2014). The other two are scikit-image's, for comparison.

    Parameters
    ----------
    image : float32 H x W x 3 in [0, 1].
    kernel : k x k, k odd, values >= 0.
    method : ``"tv"``, ``"richardson-lucy"`` or ``"wiener"``.
    tv : weight of the total variation; None takes 0.001, or more if the image is noisy. Of ``"tv"`` only, as are the
        next two.
    ringing_removal : whether to take out what a restoration with sparse gradients has not, smoothed by a bilateral
        filter (Pan et al., CVPR 2014). Noise of more than 0.007 would upset it, and turns it off.
    clipped : value from which a blurred pixel counts as clipped; more than 1 for none.
    device : ``"auto"``, ``"cpu"``, ``"cuda"``, ...

    Returns
    -------
    Image H x W x 3 in [0, 1] with the shot of `image`.

    Raises
    ------
    InputError
        If a parameter is not as above.
    """
    pixels, weights = check_image(image, "image"), check_kernel(kernel)
    if method not in METHODS:
        raise InputError(f"method: expected {', '.join(map(repr, METHODS))}, got {method!r}.")
    if tv is not None and not tv > 0:
        raise InputError(f"tv: expected a number above 0, got {tv!r}.")
    if min(pixels.shape[:2]) < len(weights):
        raise InputError(
            f"kernel: expected one no larger than the image of {pixels.shape[0]} x {pixels.shape[1]} pixels, got "
            f"{len(weights)} x {len(weights)}."
        )
    plain = np.asarray(pixels)
    if method == "tv":
        sharp = deconvolve_light(
            plain, weights, plain >= clipped, tv=tv, ringing_removal=ringing_removal, device=device
        )
    else:
        sharp = _by_scikit_image(plain, weights, method)
    return Image(np.clip(sharp, 0, 1), pixels.shot)


def deconvolve_light(
    light: FloatImage,
    kernel: Kernel,
    over: npt.NDArray[np.bool_],
    *,
    tv: float | None = None,
    ringing_removal: bool = True,
    device: str = "auto",
) -> FloatImage:
    """Return a sharp image as `deconvolve` does with ``"tv"``, of any finite values.

    Parameters
    ----------
    light : float32 H x W x 3 of any scale; `tv` and the removal of ringing are meant for a white of about 1.
    kernel : float64 k x k, checked.
    over : bool H x W x 3, the values that are clipped.
    tv, ringing_removal, device : as for `deconvolve`.
    """
    on = resolve_runtime(device).device
    blurred, clipped = (
        torch.as_tensor(np.ascontiguousarray(np.moveaxis(each, 2, 0)), device=on) for each in (light, over)
    )
    noise = noise_of(light)
    weight = max(_LEAST_TV, _TV_PER_VARIANCE * noise**2) if tv is None else tv
    sharp, completed = _TotalVariation(blurred, clipped, kernel, weight).run()
    if ringing_removal and noise < _TOO_NOISY:
        plain = with_sparse_gradients(DataTerm.of(completed, kernel), completed, _MU_PER_TV * weight)
        apart = sharp - plain
        sharp -= _bilateral(apart * (apart.abs().amax(0) < _MAX_RINGING))
    return np.moveaxis(sharp[..., : blurred.shape[1], : blurred.shape[2]].cpu().numpy(), 0, 2)


class _TotalVariation:
    """ADMM for an image (C, H, W), with the reblurred image and the gradients as splits."""

    def __init__(self, blurred: Tensor, over: Tensor, kernel: Kernel, tv: float) -> None:
        self.target = make_periodic(blurred, len(kernel))
        self.over = torch.zeros_like(self.target, dtype=torch.bool)
        self.over[..., : blurred.shape[1], : blurred.shape[2]] = over
        self.trust = torch.zeros_like(self.target)  # 0 beyond the border
        self.trust[..., : blurred.shape[1], : blurred.shape[2]] = 1
        self.tv, self.penalty = tv, _GRADIENT_PENALTY * tv
        self.transfer = kernel_spectrum(kernel, self.target)
        self.matching = _DATA_PENALTY * self.transfer.conj()
        curvature = _DATA_PENALTY * self.transfer.abs().square() + self.penalty * gradient_power(self.target)
        self.inverse = doubled(curvature.reciprocal())

    def run(self) -> tuple[Tensor, Tensor]:
        """Return the minimiser, periodic, and the blurred image completed from it where it is clipped or unknown."""
        image, reblurred = self.target, to_image(spectrum(self.target) * self.transfer, self.target.shape)
        dual, duals = torch.zeros_like(image), [torch.zeros_like(image), torch.zeros_like(image)]
        for _ in range(_ITERATIONS):
            wish = reblurred + dual
            seen = self._reconciled(wish)
            dual = wish - seen
            wishes = [step + each for step, each in zip(differences(image), duals, strict=True)]
            splits = [softshrink(each, self.tv / self.penalty) for each in wishes]
            duals = [each - split for each, split in zip(wishes, splits, strict=True)]
            pulls = [split - each for split, each in zip(splits, duals, strict=True)]
            values = self.matching * spectrum(seen - dual)
            values += spectrum(divergence(pulls[0], pulls[1]).mul_(self.penalty))
            values = scaled(values, self.inverse)
            image = to_image(values, image.shape)
            reblurred = to_image(values * self.transfer, image.shape)
        return image, torch.where((self.trust > 0) & ~self.over, self.target, self._reconciled(reblurred))

    def _reconciled(self, wish: Tensor) -> Tensor:
        """Return the reblurred image that agrees with the blurred one where it is known and not clipped."""
        seen = (self.trust * self.target + _DATA_PENALTY * wish) / (self.trust + _DATA_PENALTY)
        return torch.where(self.over, torch.maximum(wish, self.target), seen)


def _bilateral(image: Tensor) -> Tensor:
    """Return an image (C, H, W) filtered bilaterally (Tomasi & Manduchi, ICCV 1998), all channels by one weight."""
    height, width = image.shape[-2:]
    reach = 2 * _BILATERAL_PX
    padded = pad(image[None], [reach] * 4, mode="replicate")[0]
    total, weights = torch.zeros_like(image), torch.zeros_like(image[:1])
    for row in range(-reach, reach + 1):
        for column in range(-reach, reach + 1):
            moved = padded[..., reach + row : reach + row + height, reach + column : reach + column + width]
            apart = (moved - image).square().sum(0, keepdim=True) / (2 * _BILATERAL_RANGE**2)
            weight = torch.exp(-apart - (row**2 + column**2) / (2 * _BILATERAL_PX**2))
            total += weight * moved
            weights += weight
    return total / weights


def _by_scikit_image(pixels: npt.NDArray[np.float32], kernel: Kernel, method: str) -> npt.NDArray[np.float32]:
    """Return the image deconvolved channel by channel, mirrored at its border."""
    margin = len(kernel)
    padded = np.pad(pixels.astype(np.float64), [(margin, margin), (margin, margin), (0, 0)], mode="symmetric")
    planes = []
    for plane in np.moveaxis(padded, 2, 0):
        if method == "wiener":
            sharp = wiener(plane, kernel, _WIENER_BALANCE, clip=False)
        else:
            sharp = richardson_lucy(np.maximum(plane, 1e-6), kernel, _RICHARDSON_LUCY_ITERATIONS, clip=False)
        planes.append(sharp[margin:-margin, margin:-margin])
    return np.asarray(np.clip(np.stack(planes, 2), 0, 1), np.float32)
