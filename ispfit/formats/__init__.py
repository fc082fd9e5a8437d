"""Camera models in other people's formats."""

from ispfit.formats.nus import read_nus_model

__all__ = ["read_nus_model"]
