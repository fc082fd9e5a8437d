"""Know the pictures that ispfit wrote, and what each was made from, by the mark that they carry in their EXIF.

A file without the mark is the user's, and is never replaced.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from ispfit.io.metadata import open_metadata

__all__ = ["is_of_ispfit", "recipe_id", "recipe_of"]

_SOFTWARE, _IMAGE_UNIQUE_ID = 0x0131, 0xA420  # Exif 2.32
_PREFIX = b"ispf".hex()  # of the IDs, to tell them from those that cameras write
_ID_LENGTH = 32


def recipe_id(*recipe: object) -> str:
    """Return an ImageUniqueID for a picture: 32 hexadecimal digits that depend on all it is made from.

    Parameters
    ----------
    recipe : the state of the files, and the options; each has a text that says all of it.
    """
    text = "\n".join(map(str, recipe))
    return (_PREFIX + hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest())[:_ID_LENGTH]


def recipe_of(path: Path) -> str | None:
    """Return the `recipe_id` of a picture; None if ``ispfit render`` or ``derender`` did not write it."""
    with open_metadata(path) as metadata:
        software, found = metadata.image.text(_SOFTWARE), metadata.exif.text(_IMAGE_UNIQUE_ID)
    return found if _is_ispfit(software) and (found or "").startswith(_PREFIX) else None


def is_of_ispfit(path: Path) -> bool:
    """Return whether a picture says that ispfit wrote it, and no other program since."""
    with open_metadata(path) as metadata:
        return _is_ispfit(metadata.image.text(_SOFTWARE))


def _is_ispfit(software: str | None) -> bool:
    return (software or "").startswith("ispfit ")
