"""Callbacks of a fit, by scikit-learn's protocol (`sklearn.callback`)."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ispfit.color import linear_to_srgb
from ispfit.errors import InputError
from ispfit.resize import reduce_image

__all__ = ["TensorBoard"]

_ERROR_SHOWN = 4.0  # times, so that errors can be seen


class TensorBoard:
    """Write the course of training for TensorBoard: loss and validation PSNR by step, and pictures now and then.

    ``ISPModel(...).set_callbacks(TensorBoard("runs")).fit(X, Y)``; ``tensorboard --logdir runs`` shows it. It needs the
    extra ``ispfit[tensorboard]``. A backbone that is fitted in closed form has no steps: its last pictures are written.

    Parameters
    ----------
    folder : each fit writes to a folder of its own in it.
    pairs : (X, Y) of which pictures are made, such as the validation pairs; None takes the training pairs.
    n_pictures : pairs that are shown, the first ones.
    picture_every : evaluations between two pictures.
    size : longer side of a picture in pixels.

    Raises
    ------
    InputError
        If TensorBoard's writer is not installed.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        pairs: tuple[Any, Any] | None = None,
        *,
        n_pictures: int = 2,
        picture_every: int = 5,
        size: int = 256,
    ) -> None:
        try:
            import_module("tensorboardX")
        except ImportError as error:
            raise InputError('TensorBoard: its writer is not installed: pip install "ispfit[tensorboard]".') from error
        self.folder = Path(folder)
        self.pairs = pairs
        self.n_pictures = n_pictures
        self.picture_every = picture_every
        self.size = size
        self._writer: Any = None
        self._n_evaluations: dict[str, int] = {}

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_writer": None}  # a worker opens a file of its own

    def setup(self, estimator: Any, context: Any) -> None:
        """Open the file of a fit; scikit-learn calls this."""
        number = 1
        while (run := self.folder / f"fit-{number}").exists():
            number += 1
        self._writer = import_module("tensorboardX").SummaryWriter(str(run))
        self._n_evaluations = {}

    def teardown(self, estimator: Any, context: Any) -> None:
        """Close the file."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        """Nothing is written when a task begins."""

    def on_fit_task_end(
        self, estimator: Any, context: Any, *, X: Any = None, y: Any = None, fitted_estimator: Any = None
    ) -> None:
        """Write what an evaluation found, and at the end of a fit its notes and pictures."""
        if fitted_estimator is None or self._writer is None:
            return
        pairs = self.pairs or (X, y)
        if context.task_name == "evaluation":
            self._tell_evaluation(fitted_estimator, list(fitted_estimator.records_)[-1], pairs)
            return
        for direction, record in fitted_estimator.records_.items():
            for note in record.notes:
                self._writer.add_text(f"{direction}/notes", note, record.steps)
            self._show(fitted_estimator, direction, pairs, record.steps)

    def _tell_evaluation(self, model: Any, direction: str, pairs: tuple[Any, Any]) -> None:
        entry = model.records_[direction].history[-1]
        step = int(entry["step"])
        self._writer.add_scalar(f"{direction}/loss", entry["loss"], step)
        if entry["psnr"] is not None:
            self._writer.add_scalar(f"{direction}/validation_PSNR_dB", entry["psnr"], step)
        number = self._n_evaluations[direction] = self._n_evaluations.get(direction, 0) + 1
        if number % self.picture_every == 0:
            self._show(model, direction, pairs, step)
        self._writer.flush()

    def _show(self, model: Any, direction: str, pairs: tuple[Any, Any], step: int) -> None:
        """Write the input, the output, the truth and four times the error of some pairs, side by side."""
        X, Y = pairs
        for number in range(min(self.n_pictures, len(X))):
            raw, srgb = (
                reduce_image(X[number], self.size, linear=True),
                reduce_image(Y[number], self.size, linear=False),
            )
            if direction == "forward":
                given, made, truth = _shown(raw), np.asarray(model.transform([raw])[0]), np.asarray(srgb)
            else:
                given, made, truth = np.asarray(srgb), _shown(model.inverse_transform([srgb])[0]), _shown(raw)
            error = np.clip(_ERROR_SHOWN * np.abs(made - truth), 0, 1)
            self._writer.add_image(
                f"{direction}/pair_{number + 1}_input_output_truth_error_x{_ERROR_SHOWN:g}",
                np.concatenate([given, made, truth, error], axis=1),
                step,
                dataformats="HWC",
            )


def _shown(raw: Any) -> npt.NDArray[np.float32]:
    """A raw as it is shown: encoded by the sRGB curve."""
    return np.asarray(linear_to_srgb(np.clip(np.asarray(raw, np.float32), 0, 1)), np.float32)
