"""The estimator `ISPModel`, what it is given, and its files."""

from ispfit.estimator.model import ISPModel, load

__all__ = ["ISPModel", "load"]
