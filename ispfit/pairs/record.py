"""What is known of a pair: its camera, its exposure, and how its two files were brought onto one grid."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from ispfit.files import hash_file
from ispfit.images import Image, Shot, merge_shots
from ispfit.io.exif import Exif, read_exif, read_style
from ispfit.pairs.lookalikes import Signature, appearance
from ispfit.registration import AlignedPair

__all__ = [
    "PairRecord",
    "camera_slug",
    "content_digest",
    "describe_pair",
    "group_by_cause",
    "left_out",
    "picture_style",
]

_LEFT_OUT = " was left out: "  # between the name and the reason


@dataclass(frozen=True)
class PairRecord:
    """What ``pairs.csv`` says of a pair, except name, files, group and split; unknown values are None.

    Parameters
    ----------
    make, model, iso, exposure_time, white_balance : as of `ispfit.images.Shot`.
    camera : make and model as one string.
    style : picture style, see `ispfit.io.exif.read_style`.
    taken : when the picture was taken, seconds since 1970 on the camera's clock.
    residual : expected error of the registration, rms in pixels at working size; None if nothing was registered.
    overlap : share of the srgb that the raw shows too, in [0, 1].
    zoom : field width of the srgb relative to that of the largest crop of the raw with the same aspect ratio.
    rotation : of the srgb against the raw, degrees.
    distortion : radial distortion that the camera took out of the srgb, share of the half diagonal at the corner.
    resampled : "raw", "srgb" or "", the image that was interpolated.
    reason : why the pair was rejected, else empty.
    notes : warnings about the two files.
    content : SHA-256 of the RAW file, shortened.
    appearance : perceptual hash of the srgb, see `ispfit.pairs.lookalikes.appearance`.
    """

    make: str | None = None
    model: str | None = None
    camera: str | None = None
    style: str | None = None
    iso: float | None = None
    exposure_time: float | None = None
    white_balance: tuple[float, float, float] | None = None
    taken: float | None = None
    residual: float | None = None
    overlap: float | None = None
    zoom: float | None = None
    rotation: float | None = None
    distortion: float | None = None
    resampled: str = ""
    reason: str = ""
    notes: tuple[str, ...] = ()
    content: str = ""
    appearance: tuple[int, ...] = ()

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> PairRecord:
        """The record that ``json.dumps(asdict(record))`` wrote.

        Raises
        ------
        TypeError, ValueError
            If `data` is anything else.
        """
        names = {field.name for field in fields(cls)}
        if data.keys() != names:
            raise ValueError(f"expected the fields of a pair's record, got {sorted(data)}")
        values: dict[str, Any] = {name: tuple(each) if isinstance(each, list) else each for name, each in data.items()}
        return cls(**values)

    @property
    def signature(self) -> Signature:
        """The features by which look-alikes of this pair are found."""
        return Signature(self.content, self.appearance, self.taken, self.camera)

    def columns(self) -> dict[str, Any]:
        """The columns of ``pairs.csv``."""
        gains = self.white_balance or (None, None, None)
        return {
            "make": self.make,
            "model": self.model,
            "camera": self.camera,
            "style": self.style,
            "iso": self.iso,
            "exposure_time": self.exposure_time,
            **{f"white_balance_{letter}": gain for letter, gain in zip("rgb", gains, strict=True)},
            "taken": self.taken,
            **self.measures(),
            "resampled": self.resampled,
            "notes": "; ".join(self.notes),
        }

    def measures(self) -> dict[str, float | None]:
        """The registration's measures, by column."""
        names = ("residual", "overlap", "zoom", "rotation", "distortion")
        return {name: getattr(self, name) for name in names}


def describe_pair(
    files: tuple[Path, Path], raw: Image, srgb: Image, pair: AlignedPair, notes: Sequence[str]
) -> PairRecord:
    """Describe a pair.

    Parameters
    ----------
    files : the RAW file, and the file of the srgb (the RAW file itself if the srgb is its preview).
    raw, srgb : the images as they were read.
    pair : the result of `align_pair`.
    """
    shot = merge_shots(raw.shot, srgb.shot)
    raw_exif, srgb_exif = read_exif(files[0]), read_exif(files[1]) if files[0] != files[1] else Exif()
    found = pair.registration
    return PairRecord(
        make=shot.make,
        model=shot.model,
        camera=Shot(make=shot.make, model=shot.model).camera,
        style=picture_style(files),
        iso=shot.iso,
        exposure_time=shot.exposure_time,
        white_balance=shot.white_balance,
        taken=srgb_exif.taken or raw_exif.taken,
        residual=_rounded(found.residual, 3) if found else None,
        overlap=_rounded(found.overlap, 4) if found else None,
        zoom=_rounded(pair.zoom, 5) if found else None,
        rotation=_rounded(found.transform.rotation, 3) if found else None,
        distortion=_rounded(found.transform.k1 + found.transform.k2, 5) if found else None,
        resampled=pair.resampled,
        reason=pair.reason,
        notes=tuple(notes),
        content=content_digest(files[0]),
        appearance=tuple(appearance(srgb)),
    )


def picture_style(files: tuple[Path, Path]) -> str | None:
    """The picture style of a pair, by its srgb's file, else by its RAW file."""
    return read_style(files[1]) or read_style(files[0])


def camera_slug(camera: str | None, style: str | None) -> str:
    """Return a name of a camera and a picture style that is fit for a file.

    Examples
    --------
    >>> camera_slug("NIKON D600", "VIVID"), camera_slug(None, None)
    ('nikon-d600-vivid', 'unknown-camera')
    """
    name = " ".join(part for part in (camera, style) if part).lower()
    return "-".join("".join(letter if letter.isalnum() else " " for letter in name).split()) or "unknown-camera"


def left_out(name: str, reason: str) -> str:
    """The sentence about a pair that is not used, the same wherever pairs are made or loaded."""
    return f"pair {name!r}{_LEFT_OUT}{reason}"


def group_by_cause(sentences: Sequence[str]) -> list[list[str]]:
    """Group sentences of `left_out` whose reasons differ only in numbers; the most frequent cause comes first."""
    causes: dict[str, list[str]] = {}
    for sentence in sentences:
        reason = sentence.partition(_LEFT_OUT)[2] or sentence
        causes.setdefault(re.sub(r"\d[\d.]*", "#", reason), []).append(sentence)
    return sorted(causes.values(), key=len, reverse=True)


def _rounded(value: float, digits: int) -> float | None:
    return round(float(value), digits) if np.isfinite(value) else None


def content_digest(path: Path) -> str:
    """Return the SHA-256 of a file, shortened; see `hash_file`."""
    return hash_file(path)[:16]
