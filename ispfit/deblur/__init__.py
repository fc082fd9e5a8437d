"""Take the blur of a moving camera out of a photograph: arrays in, arrays out, no files."""

from ispfit.deblur.blind import BlindEstimate, ScaleRecord, estimate_kernel
from ispfit.deblur.deconvolution import deconvolve
from ispfit.deblur.kernels import blur, kernel_similarity, motion_kernel, shake_kernel
from ispfit.deblur.photograph import CameraModel, Deblurred, deblur
from ispfit.deblur.shifts import register_shift

__all__ = [
    "BlindEstimate",
    "CameraModel",
    "Deblurred",
    "ScaleRecord",
    "blur",
    "deblur",
    "deconvolve",
    "estimate_kernel",
    "kernel_similarity",
    "motion_kernel",
    "register_shift",
    "shake_kernel",
]
