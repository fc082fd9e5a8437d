"""Two images of a shot onto one pixel grid: arrays in, arrays out, no files."""

from ispfit.registration.align import AlignedPair, Limits, align_pair
from ispfit.registration.geometry import LensTransform, resample
from ispfit.registration.register import Registration, register

__all__ = ["AlignedPair", "LensTransform", "Limits", "Registration", "align_pair", "register", "resample"]
