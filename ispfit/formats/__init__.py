"""Read camera models that were written in formats of other software."""

from ispfit.formats.nus import read_nus_model

__all__ = ["read_nus_model"]
