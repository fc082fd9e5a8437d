"""Two images of a shot onto one pixel grid: arrays in, arrays out, no files."""

from ispfit.registration.align import AlignedPair, Tolerances, align_pair
from ispfit.registration.geometry import LensTransform, resample
from ispfit.registration.register import Registration, register

__all__ = ["AlignedPair", "LensTransform", "Registration", "Tolerances", "align_pair", "register", "resample"]
