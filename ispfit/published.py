"""Former name of `ispfit.formats`, kept for existing code."""

from ispfit.formats import read_nus_model

__all__ = ["read_nus_model"]
