"""Shots of which more is known than their files: those of a data set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["ListedShot"]


@dataclass(frozen=True)
class ListedShot:
    """A shot of a data set.

    Parameters
    ----------
    name : of the pair; no two shots of a folder have the same name.
    raw, srgb : its files; the same file if the srgb is the picture in the RAW file.
    split : "train", "validation" or "test"; empty lets `make_listed_pairs` choose.
    scene : what the data set calls its scene; shots of one scene are a group. Empty if unknown.
    columns : more columns of ``pairs.csv``.
    """

    name: str
    raw: Path
    srgb: Path
    split: str = ""
    scene: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
