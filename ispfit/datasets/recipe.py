"""What a recipe says of a data set: where its files are, how raw and srgb meet, which splits papers used.

A recipe is a TOML file, ``datasets/NAME/recipe.toml`` or one of the user's own.
"""

from __future__ import annotations

import itertools
import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from ispfit.errors import FileError

__all__ = [
    "Archive",
    "Checksums",
    "Download",
    "GoogleStorage",
    "HuggingFace",
    "Listing",
    "Mosaic",
    "Pairing",
    "Recipe",
    "Splits",
    "UrlTable",
    "read_recipe",
    "safe_path",
]

_PAIR_BYTES = 1_600_000  # of a pair of 512 px: 16-bit TIFF, PNG and the record
_BYTES_PER_SECOND, _SECONDS_PER_SHOT = 10_000_000, 2.0  # assumed for the time that a fetch takes


def safe_path(text: str) -> str:
    """Return a relative path with forward slashes, or raise a ValueError if it leads out of its folder."""
    path = PurePosixPath(text)
    bad = not text or path.is_absolute() or ".." in path.parts or "\\" in text or ":" in path.parts[0] or "\0" in text
    if bad or not path.name:
        raise ValueError(f"expected a path within the folder of the data set, got {text!r}")
    return str(path)


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"expected a regular expression, got {text!r}: {error}") from error
    return text


def _url(text: str) -> str:
    if not re.fullmatch(r"(https?|ftp)://[^\s/]+/?\S*", text):
        raise ValueError(f"expected a URL, got {text!r}")
    return text


Url: TypeAlias = Annotated[str, AfterValidator(_url)]
Pattern: TypeAlias = Annotated[str, AfterValidator(_pattern)]
"""A regular expression that is searched for in a path with forward slashes."""
SafePath: TypeAlias = Annotated[str, AfterValidator(safe_path)]
Bytes: TypeAlias = Annotated[int, Field(ge=1)]
Text: TypeAlias = Annotated[str, Field(min_length=1)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)


class Licence(_Model):
    """The licence of a data set; `redistribution` is None where it is unknown."""

    name: Text
    url: Url | None = None
    redistribution: bool | None = None
    note: str = ""


class Quirk(_Model):
    """What is odd about a data set, and what the recipe does about it."""

    what: Text
    done: Text


class Exclusion(_Model):
    """Shots that are left out, by names in which ``*`` stands for any letters, and why."""

    shots: tuple[Text, ...]
    reason: Text


class FirstRun(_Model):
    """How much of a data set a first run needs."""

    shots: Annotated[int, Field(ge=1)]
    bytes: Bytes


class _Hashes(_Model):
    size: Bytes | None = None
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    sha1: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")] | None = None
    md5: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")] | None = None

    @property
    def hash(self) -> str | None:
        """The strongest hash that is known, as pooch writes it."""
        known = [f"{name}:{value}" for name in ("sha256", "sha1", "md5") if (value := getattr(self, name))]
        return known[0] if known else None


class Download(_Hashes):
    """A file, or several whose URLs differ in numbers: ``{i}`` stands for each value of ``each["i"]``."""

    url: Url
    path: SafePath | None = None
    each: dict[str, tuple[int | str, ...]] = {}

    def files(self) -> Iterator[tuple[str, str]]:
        """Yield URL and path of each file."""
        for values in itertools.product(*self.each.values()):
            names = dict(zip(self.each, values, strict=True))
            url = self.url.format(**names) if names else self.url
            path = self.path.format(**names) if self.path and names else self.path
            yield url, path or safe_path(url.partition("?")[0].rpartition("/")[2])


class Archive(_Hashes):
    """An archive of which only the members that match `keep` are used.

    A ZIP file that is `ranged` is not downloaded: its members are read by HTTP range requests. `sha1_at` is a text at a
    server, whose last word is the SHA-1 of the archive.
    """

    url: Url
    sha1_at: Url | None = None
    kind: Literal["zip", "tar"]
    keep: Pattern = ""
    ranged: bool = False

    @model_validator(mode="after")
    def _ranged_is_zip(self) -> Archive:
        if self.ranged and self.kind != "zip":
            raise ValueError("ranged: only members of ZIP files can be read by range requests")
        return self


class GoogleStorage(_Model):
    """The objects of a public bucket of Google Cloud Storage, with the MD5 that its listing gives."""

    kind: Literal["google-storage"]
    url: Url = "https://storage.googleapis.com"
    bucket: Text
    prefix: str = ""
    keep: Pattern = ""


class HuggingFace(_Model):
    """The files of a data set on Hugging Face, with the SHA-256 of its large files."""

    kind: Literal["huggingface"]
    url: Url = "https://huggingface.co"
    repository: Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]+$")]
    revision: Text = "main"
    keep: Pattern = ""


class Checksums(_Model):
    """The files that a list of ``sha256sum`` names, below the URL `base`."""

    kind: Literal["checksums"]
    url: Url
    base: Url
    keep: Pattern = ""


class UrlTable(_Model):
    """The files whose URLs are in a column of the CSV file `name`; `replace` mends hosts that have moved.

    The table must be got by hand: its publisher asks for a form.
    """

    kind: Literal["table"]
    name: SafePath
    column: Text
    folder: str = ""
    replace: dict[str, str] = {}


Listing: TypeAlias = Annotated[GoogleStorage | HuggingFace | Checksums | UrlTable, Field(discriminator="kind")]


class Camera(_Model):
    """A camera of a data set, and the colour filters of its mosaics where these are not in the files."""

    make: str = ""
    model: Text
    cfa: Literal["RGGB", "GRBG", "GBRG", "BGGR"] | None = None


class Mosaic(_Model):
    """How a raw that is no camera file is stored; it is made a DNG file, for the one way into pairs.

    ``png`` is a mosaic of one channel, ``mat`` one in HDF5 (MATLAB 7.3) in [0, 1], `black` and `white` meaning nothing,
    ``npy`` four planes H x W x 4 in the order of `cfa`. ``rgb`` is a picture of three linear channels, of 16 bits.

    `neutral` replaces a part of the raw's path, such as ("GT_RAW", "METADATA_RAW"), for the MATLAB file with its
    metadata, in which AsShotNeutral is.
    """

    kind: Literal["png", "mat", "npy", "rgb"]
    cfa: Literal["RGGB", "GRBG", "GBRG", "BGGR"] = "RGGB"
    black: Annotated[int, Field(ge=0)] = 0
    white: Annotated[int, Field(ge=1, le=65535)] = 65535
    key: str = "x"
    neutral: tuple[Text, Text] | None = None


class Pairing(_Model):
    """How a raw and an srgb meet.

    Parameters
    ----------
    raw : pattern of the paths of raws, with a group ``shot``, and where the path tells them ``split``, ``scene``,
        ``camera`` and any other column.
    srgb : pattern with the group ``shot`` too, or "embedded" for the camera's JPEG in the RAW file, or "libraw" for
        LibRaw's rendering.
    mosaic : how the raw is stored, if it is no camera file.
    align : False if both are on one pixel grid, so that nothing is registered.
    keep : part of the picture that is used, as shares of its sides: top, left, bottom, right, from the top left.
    """

    raw: Pattern
    srgb: Pattern | Literal["embedded", "libraw"]
    mosaic: Mosaic | None = None
    align: bool = True
    white_balance: tuple[float, float, float] | None = None
    keep: tuple[float, float, float, float] = (0, 0, 1, 1)
    min_overlap: Annotated[float, Field(ge=0, le=1)] = 0.5
    max_residual: Annotated[float, Field(ge=0)] = 0.05

    @property
    def has_no_picture(self) -> bool:
        """Whether the srgb is in the RAW file, or made of it."""
        return self.srgb in ("embedded", "libraw")

    @model_validator(mode="after")
    def _groups(self) -> Pairing:
        for name, pattern in (("raw", self.raw), ("srgb", self.srgb)):
            if pattern not in ("embedded", "libraw") and "shot" not in re.compile(pattern).groupindex:
                raise ValueError(f"{name}: expected a pattern with a group (?P<shot>...), got {pattern!r}")
        top, left, bottom, right = self.keep
        if not (0 <= top < bottom <= 1 and 0 <= left < right <= 1):
            raise ValueError(f"keep: expected shares 0 <= top < bottom <= 1 and left < right, got {self.keep}")
        return self


class Splits(_Model):
    """The splits of a data set.

    Parameters
    ----------
    rule : "random" is ispfit's own, by look-alikes; "folders" takes the group ``split`` of the raw's path; "lists"
        takes the names in `lists` and in the files `files`, and `others` for all other shots.
    names : what the set calls its splits, and what ispfit calls them.
    """

    rule: Literal["random", "folders", "lists"] = "random"
    source: Text
    names: dict[str, Literal["train", "validation", "test"]] = {}
    lists: dict[Literal["train", "validation", "test"], tuple[Text, ...]] = {}
    files: dict[Literal["train", "validation", "test"], tuple[SafePath, ...]] = {}
    others: Literal["train", "validation", "test", "random"] = "train"
    n_test: Annotated[int, Field(ge=0)] = 50


class Recipe(_Model):
    """A data set.

    Parameters
    ----------
    raw, srgb : what the raws and the srgbs are.
    made_by : who made the srgbs: a camera, a pipeline in software, a person; "nobody" if there are none.
    shots, bytes : of the whole set, as far as it is used; `estimated` says that they were not counted.
    manual : how to get the files, if they cannot be fetched without a form or an account.
    pairing : None for a set without pairs of raw and srgb.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
    title: Text
    citation: Text
    home_page: Url
    licence: Licence
    camera: Text
    raw: Text
    srgb: Text
    made_by: Literal["camera", "pipeline", "person", "nobody"]
    good_for: Text
    shots: Annotated[int, Field(ge=1)]
    bytes: Bytes
    first_run: FirstRun
    estimated: bool = False
    downloads: tuple[Download, ...] = ()
    archives: tuple[Archive, ...] = ()
    listings: tuple[Listing, ...] = ()
    manual: str = ""
    pairing: Pairing | None = None
    cameras: dict[str, Camera] = {}
    splits: Splits
    quirks: tuple[Quirk, ...] = ()
    exclusions: tuple[Exclusion, ...] = ()

    @model_validator(mode="after")
    def _can_be_had(self) -> Recipe:
        if any(isinstance(listing, UrlTable) for listing in self.listings) and not self.manual:
            raise ValueError("expected in `manual` how to get the table of URLs")
        if not (self.downloads or self.archives or self.listings or self.manual):
            raise ValueError("expected downloads, archives, listings, or in `manual` how to get the files")
        if (self.pairing is None) != (self.made_by == "nobody"):
            raise ValueError('expected `pairing`, unless made_by is "nobody"')
        return self

    @property
    def is_fetched(self) -> bool:
        """Whether the files can be fetched without a form or an account."""
        return not self.manual

    def needs(self, shots: int | None = None) -> tuple[int, float]:
        """Return the bytes on the disk and the seconds that `shots` shots need: downloads and pairs of 512 px.

        Estimated with 10 MB/s and two seconds of one core a shot. The first run tells what few shots need.
        """
        number = self.shots if shots is None else min(shots, self.shots)
        first = self.first_run
        per_shot = (self.bytes - first.bytes) / max(1, self.shots - first.shots)
        fetched = max(0.0, first.bytes + per_shot * (number - first.shots)) if number > first.shots else first.bytes
        disk = int(fetched + (number * _PAIR_BYTES if self.pairing else 0))
        return disk, fetched / _BYTES_PER_SECOND + (number * _SECONDS_PER_SHOT if self.pairing else 0.0)


def read_recipe(path: str | os.PathLike[str]) -> Recipe:
    """Read and check a recipe.

    Raises
    ------
    FileError
        If the file cannot be read, is not TOML, or lacks a field; the message names each field that is wrong.
    """
    try:
        return Recipe.model_validate(tomllib.loads(Path(path).read_text(encoding="utf-8")))
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {error.strerror}.") from error
    except ValidationError as error:
        raise FileError(f"{path}: expected a recipe of a data set; {_wrong_fields(error)}.") from error
    except ValueError as error:  # not TOML, not UTF-8
        raise FileError(f"{path}: expected a recipe as TOML: {error}.") from error


def _wrong_fields(error: ValidationError) -> str:
    return "; ".join(f"{'.'.join(map(str, each['loc'])) or 'recipe'}: {_reason(each)}" for each in error.errors())


def _reason(error: Any) -> str:
    message = str(error["msg"]).removeprefix("Value error, ").rstrip(".")
    is_plain = isinstance(error["input"], str | int | float | bool)
    return f"{message}, got {error['input']!r}" if is_plain and "got" not in message else message
