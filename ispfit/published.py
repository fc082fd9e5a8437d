"""The old name of `ispfit.formats`."""

from ispfit.formats import read_nus_model

__all__ = ["read_nus_model"]
