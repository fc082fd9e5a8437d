"""Read and write files: RAW files and their previews, JPEG, PNG, TIFF and linear DNG."""

from ispfit.io.color_matrix import read_color_matrix
from ispfit.io.linear_dng import write_linear_dng
from ispfit.io.listing import RAW_SUFFIXES, SRGB_SUFFIXES, find_files
from ispfit.io.raw import read_raw
from ispfit.io.recipes import is_of_ispfit, recipe_id, recipe_of
from ispfit.io.registered_readers import raw_suffixes
from ispfit.io.srgb import read_srgb
from ispfit.io.writers import write_linear, write_srgb
from ispfit.resize import resize_area

__all__ = [
    "RAW_SUFFIXES",
    "SRGB_SUFFIXES",
    "find_files",
    "is_of_ispfit",
    "raw_suffixes",
    "read_color_matrix",
    "read_raw",
    "read_srgb",
    "recipe_id",
    "recipe_of",
    "resize_area",
    "write_linear",
    "write_linear_dng",
    "write_srgb",
]
