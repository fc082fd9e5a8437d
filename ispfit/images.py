"""Images (float32 arrays H x W x 3 in [0, 1] that carry their `Shot`) and the checks of lists of images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any, Protocol, TypeAlias, cast, runtime_checkable

import numpy as np
import numpy.typing as npt

from ispfit.errors import InputError

__all__ = [
    "CodedSource",
    "FloatImage",
    "Image",
    "ImageLike",
    "ImageList",
    "ImagePairs",
    "ImageSource",
    "Shot",
    "check_floats",
    "check_image",
    "check_images",
    "codes_of",
    "merge_shots",
    "shots_of",
]

FloatImage: TypeAlias = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Shot:
    """The metadata of a shot; an unknown field is None.

    Parameters
    ----------
    name : file stem, or any name that identifies the shot.
    make, model : the camera, as spelled in the EXIF data.
    iso : ISO speed.
    exposure_time : in seconds.
    white_balance : gains of R, G, B that were applied to the raw, relative to green.
    scene : label of a group of look-alike shots, which must not be split between training and test.
    style : picture style of the camera's rendering, such as "vivid".
    """

    name: str | None = None
    make: str | None = None
    model: str | None = None
    iso: float | None = None
    exposure_time: float | None = None
    white_balance: tuple[float, float, float] | None = None
    scene: str | None = None
    style: str | None = None

    @property
    def camera(self) -> str | None:
        """Make and model as one string, without repeating the make; None if both are unknown."""
        if self.make and self.model and self.model.lower().startswith(self.make.lower()):
            return self.model
        return " ".join(part for part in (self.make, self.model) if part) or None


def merge_shots(first: Shot, second: Shot) -> Shot:
    """Return `first` with its unknown fields filled in from `second`."""
    unknown = {name: value for name, value in vars(second).items() if getattr(first, name) is None}
    return replace(first, **unknown)


class Image(np.ndarray[Any, np.dtype[np.float32]]):
    """A float32 array H x W x 3 that carries the `Shot` of its pixels.

    Slices, copies, pickles and results of arithmetic keep the attribute ``shot``.

    Parameters
    ----------
    pixels : array H x W x 3, converted to float32.
    shot : metadata of the shot; None takes that of `pixels`, or an empty `Shot` if `pixels` is a plain array.

    Examples
    --------
    >>> import numpy as np
    >>> image = Image(np.zeros((4, 6, 3), np.float32), Shot(make="Nikon", model="D600"))
    >>> image[:2].shot.camera
    'Nikon D600'
    """

    shot: Shot

    def __new__(cls, pixels: npt.ArrayLike, shot: Shot | None = None) -> Image:
        image = np.asarray(pixels, dtype=np.float32).view(cls)
        image.shot = shot if shot is not None else getattr(pixels, "shot", Shot())
        return image

    def __array_finalize__(self, source: Any) -> None:
        self.shot = getattr(source, "shot", Shot())

    def __array_wrap__(self, array: Any, context: Any = None, return_scalar: bool = False) -> Any:
        return array[()] if return_scalar else super().__array_wrap__(array, context)

    def __reduce__(self) -> tuple[Any, ...]:
        rebuild, arguments, state = cast("tuple[Any, Any, Any]", super().__reduce__())
        return rebuild, arguments, (state, self.shot)

    def __setstate__(self, state: Any) -> None:
        array_state, self.shot = state
        super().__setstate__(array_state)


def shots_of(images: Sequence[Any]) -> list[Shot]:
    """Return the shot of each image without reading any file: the shot of a path is empty."""
    sources = images.sources if isinstance(images, ImageList) else images
    return [getattr(image, "shot", Shot()) for image in sources]


@runtime_checkable
class ImageSource(Protocol):
    """An image that is read on demand: any object with a ``shape`` that ``np.asarray`` converts to pixels.

    An attribute ``shot`` is optional, and so are the ``codes`` of a `CodedSource`.
    """

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]: ...


class CodedSource(ImageSource, Protocol):
    """An `ImageSource` that also offers its pixels as they are stored.

    ``codes`` is an array H x W x 3: uint8 or uint16 codes as in `ispfit.codes`, or float32 pixels. Training keeps the
    codes, which need less memory than pixels, and converts only the windows that it draws.
    """

    @property
    def codes(self) -> npt.NDArray[Any]: ...


def codes_of(image: ImageLike) -> npt.NDArray[Any] | None:
    """Return the codes of a `CodedSource`, or None for any other image."""
    codes: npt.NDArray[Any] | None = getattr(image, "codes", None)
    return codes


ImageLike: TypeAlias = npt.NDArray[Any] | ImageSource | str | PathLike[str]


def check_floats(dtype: Any, where: str) -> None:
    """Raise an `InputError` that starts with `where` if a dtype, of NumPy or torch, is not one of floats."""
    name = getattr(dtype, "name", str(dtype).removeprefix("torch."))
    if "float" not in name:
        hint = "divide 8-bit codes by 255 and 16-bit codes by 65535" if "int" in name else "convert it"
        raise InputError(f"{where}: expected floats in [0, 1], got dtype {name}; {hint}.")


def check_image(image: npt.NDArray[Any], where: str) -> Image:
    """Return `image` as a float32 `Image`, or raise an `InputError` that starts with `where`.

    Parameters
    ----------
    image : finite floats, H x W x 3, in [0, 1]; values up to 1e-4 outside are accepted.
    where : name of the image in the message, such as ``"X[3]"``.
    """
    if image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise InputError(f"{where}: expected an image of shape (H, W, 3), got {image.shape}.")
    check_floats(image.dtype, where)
    low, high = float(image.min()), float(image.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise InputError(f"{where}: contains NaN or infinite values; mask or replace them first.")
    if low < -1e-4 or high > 1 + 1e-4:
        raise InputError(
            f"{where}: expected values in [0, 1], got [{low:.4g}, {high:.4g}]; scale it so that 1 is saturation "
            "and clip the rest."
        )
    return Image(image)


class ImageList(Sequence[Image]):
    """A checked sequence of images, which reads files and lazy sources each time they are indexed.

    Parameters
    ----------
    images : arrays, paths and `ImageSource` objects that `check_images` has accepted.
    name : name of the sequence in messages, ``"X"`` or ``"Y"``.
    read : reads a path.
    """

    def __init__(self, images: Sequence[ImageLike], name: str, read: Callable[[Path], Image]) -> None:
        self.sources, self._name, self._read = images, name, read

    def __len__(self) -> int:
        return len(self.sources)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return ImageList(self.sources[index], self._name, self._read)
        return _load(self.sources[index], f"{self._name}[{index}]", self._read)

    def __iter__(self) -> Iterator[Image]:
        return (self[index] for index in range(len(self)))

    def in_memory(self) -> ImageList:
        """Return the list with all paths read; lazy sources stay lazy."""
        images = [
            self[index] if isinstance(image, str | PathLike) else image for index, image in enumerate(self.sources)
        ]
        return ImageList(images, self._name, self._read)

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Shape of each image; a path is read to find its shape."""
        return [
            self[index].shape if isinstance(image, str | PathLike) else tuple(image.shape)
            for index, image in enumerate(self.sources)
        ]


def _load(image: ImageLike, where: str, read: Callable[[Path], Image]) -> Image:
    if isinstance(image, str | PathLike):
        return check_image(read(Path(image)), f"{where} ({image})")
    if isinstance(image, np.ndarray):
        return Image(image)  # `check_images` has checked it
    return Image(check_image(np.asarray(image), where), getattr(image, "shot", None))


def check_images(images: Any, name: str, read: Callable[[Path], Image]) -> ImageList:
    """Return a sequence of images as an `ImageList`, or raise an `InputError`.

    Arrays are validated now and all problems are reported in one message. Paths are only checked for existence, and
    validated, like lazy sources, each time they are read.

    Parameters
    ----------
    images : sequence of float arrays H x W x 3 in [0, 1], paths and `ImageSource` objects, or one 4-D array. A pandas
        Series is taken in its order, whatever its index.
    name : name of the sequence in messages, ``"X"`` or ``"Y"``.
    read : reads a path.

    Raises
    ------
    InputError
        If `images` is a single image, is empty, or has an item that is not an image.
    """
    if isinstance(images, str | PathLike):
        raise InputError(f"{name}: expected a sequence of images, got one path; pass [{str(images)!r}].")
    if isinstance(images, ImageList):
        return images
    if isinstance(images, np.ndarray) and images.ndim in (2, 3) and images.dtype != object:
        raise InputError(
            f"{name}: expected a sequence of images, got one array of shape {images.shape}; "
            f"for one image pass [{name}]."
        )
    if hasattr(images, "columns") or not (hasattr(images, "__len__") and hasattr(images, "__getitem__")):
        hint = "; pass one column of it" if hasattr(images, "columns") else ""
        raise InputError(f"{name}: expected a sequence of images, got {type(images).__name__}{hint}.")
    if hasattr(images, "iloc"):
        images = list(images)
    if len(images) == 0:
        raise InputError(f"{name}: expected at least one image, got an empty sequence.")
    problems = [problem for index, image in enumerate(images) for problem in _problems(image, f"{name}[{index}]")]
    if problems:
        more = f"\n... and {len(problems) - 10} more" if len(problems) > 10 else ""
        raise InputError("\n".join(problems[:10]) + more)
    return ImageList(images, name, read)


def _problems(image: Any, where: str) -> list[str]:
    if isinstance(image, str | PathLike):
        return [] if Path(image).is_file() else [f"{where}: {image} is not a file."]
    if not isinstance(image, np.ndarray):
        if isinstance(image, ImageSource):
            return []
        return [f"{where}: expected an image of shape (H, W, 3) or a path, got {type(image).__name__}."]
    try:
        check_image(image, where)
    except InputError as error:
        return [str(error)]
    return []


class ImagePairs(Sequence[tuple[Image, Image]]):
    """A sequence of pairs (input, target), read each time they are indexed.

    Parameters
    ----------
    inputs, targets : images of equal number, pair by pair.
    """

    def __init__(self, inputs: Sequence[Image], targets: Sequence[Image]) -> None:
        self._inputs, self._targets = inputs, targets

    def __len__(self) -> int:
        return len(self._inputs)

    def __getitem__(self, index: Any) -> Any:
        return self._inputs[index], self._targets[index]
