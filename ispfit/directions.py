"""The two directions of a camera model, and what tables call them."""

__all__ = ["DIRECTIONS"]

DIRECTIONS = {"forward": "raw to sRGB", "inverse": "sRGB to raw"}
"""Title of each direction, by its name."""
