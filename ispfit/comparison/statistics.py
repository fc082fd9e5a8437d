"""What the results of a comparison say, and how surely."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ispfit.directions import DIRECTIONS
from ispfit.metrics import psnr_summary

__all__ = ["Comparison", "Published", "Statistic"]

Published: TypeAlias = dict[str, dict[str, dict[str, tuple[float, float, float, float]]]]
"""Mean, median, min and max in dB, by camera, direction and backbone."""

_Array: TypeAlias = npt.NDArray[np.float64]

_COVERAGE = 95.0  # %
_FEW = 12  # shots, of which an interval holds the true mean in about 91 of 100 cases


@dataclass(frozen=True)
class Statistic:
    """A mean over shots and its nominal 95 % interval: B. Efron, percentile bootstrap, 1979.

    With few shots it is too narrow: of twelve it holds the true mean in about 91 of 100 cases. Of one it is that one.

    Examples
    --------
    >>> Statistic.of(np.array([30.0, 31.0, 32.0]))
    Statistic(mean=31.0, low=30.0, high=32.0)
    """

    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, values: _Array) -> Statistic:
        """Of one value a shot; shots are drawn with replacement ten thousand times, always the same way."""
        rng = np.random.default_rng(0)
        means = np.concatenate([values[rng.integers(len(values), size=(100, len(values)))].mean(1) for _ in range(100)])
        low, high = np.percentile(means, [(100 - _COVERAGE) / 2, (100 + _COVERAGE) / 2])
        return cls(float(values.mean()), float(low), float(high))


class Comparison:
    """Results of `ispfit.comparison.run_all`, by camera, backbone and direction.

    Parameters
    ----------
    results : of the runs.
    reference : the backbone that others are compared with, shot by shot.
    published : numbers to set beside, by camera, direction and backbone: mean, median, min and max.
    """

    def __init__(
        self,
        results: Iterable[dict[str, Any]],
        reference: str = "histpyramid",
        published: Published | None = None,
    ) -> None:
        self.results, self.reference, self.published = list(results), reference, published or {}

    @property
    def cameras(self) -> list[str]:
        return list(dict.fromkeys(result["camera"] for result in self.results))

    def backbones(self, camera: str) -> list[str]:
        return list(dict.fromkeys(result["backbone"] for result in self._of(camera)))

    def psnr(self, camera: str, backbone: str, direction: str) -> _Array:
        """PSNR of each test shot in dB, the mean over the seeds."""
        return np.asarray(np.mean([result["psnr"][direction] for result in self._of(camera, backbone)], axis=0))

    def difference(self, camera: str, backbone: str, direction: str) -> Statistic | None:
        """How many dB a backbone is above the reference on the same shots; None where there is nothing to compare."""
        if backbone == self.reference or self.reference not in self.backbones(camera):
            return None
        return Statistic.of(self.psnr(camera, backbone, direction) - self.psnr(camera, self.reference, direction))

    def _of(self, camera: str, backbone: str | None = None) -> list[dict[str, Any]]:
        return [
            result for result in self.results if result["camera"] == camera and backbone in (None, result["backbone"])
        ]

    def table(self, camera: str, direction: str) -> tuple[list[str], list[list[str]]]:
        """Header and rows in the layout of the paper's Table 1, with what it does not tell."""
        header = [DIRECTIONS[direction], "mean", "95 %", "median", "min", "max", f"against {self.reference}", "seeds"]
        header += ["steps", "time, both ways", "weights"]
        rows = []
        for backbone in self.backbones(camera):
            runs, values = self._of(camera, backbone), self.psnr(camera, backbone, direction)
            mean, difference = Statistic.of(values), self.difference(camera, backbone, direction)
            summary = psnr_summary(values)
            seconds = np.mean([run["seconds"] for run in runs])
            steps = runs[0]["steps"].get(direction, runs[0]["steps"].get("forward", 0))
            rows.append(
                [
                    backbone,
                    f"{mean.mean:.2f}",
                    f"{mean.low:.2f} to {mean.high:.2f}",
                    *(f"{value:.2f}" for value in (summary.median, summary.min, summary.max)),
                    ""
                    if difference is None
                    else f"{difference.mean:+.2f} ({difference.low:+.2f} to {difference.high:+.2f})",
                    str(len(runs)),
                    str(steps),
                    f"{seconds:.0f} s",
                    f"{runs[0]['weights']:,}",
                ]
            )
        rows += [[name, mean, "", *rest, *[""] * 5] for name, mean, *rest in self.published_rows(direction)]
        return header, rows

    def published_rows(self, direction: str) -> list[list[str]]:
        """Name, mean, median, min and max of what was published."""
        return [
            [f"{name} (paper, {camera})", *(f"{number:.2f}" for number in numbers)]
            for camera, directions in self.published.items()
            for name, numbers in directions.get(direction, {}).items()
        ]

    def markdown(self) -> str:
        """All tables."""
        parts = []
        for camera in self.cameras:
            first = self._of(camera)[0]
            parts.append(
                f"## {camera}\n\n{first['n_fit']} pairs to fit with, {len(first['shots'])} to test with; dB.\n"
            )
            for direction in DIRECTIONS:
                header, rows = self.table(camera, direction)
                lines = [header, ["---"] * len(header), *rows]
                parts.append("\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n")
        parts.append(f"Parameters: {self.parameters()}.\n\n{self.budget()}\n")
        parts += [f"{caution}\n" for caution in self.cautions()]
        return "\n".join(parts)

    def budget(self) -> str:
        """What each could spend, in words, with the rates of those that have their own."""
        budgets = {result["backbone"]: result["budget"] for result in self.results if any(result["steps"].values())}
        if not budgets:
            return "Budget: none was trained by steps."
        first, *_ = budgets.values()
        limit = f"{first['seconds']:g} s" if first["seconds"] is not None else f"{first['max_steps']} steps"
        rates = {name: f"{budget['learning_rate']:g}" for name, budget in budgets.items()}
        same = len(set(rates.values())) == 1
        rate = rates.popitem()[1] if same else ", ".join(f"{name} {value}" for name, value in rates.items())
        return (
            f"Budget: {limit} a direction, each of {first['batch_size']} images x {first['windows_per_image']} windows "
            f"of {first['window_size']} pixels a side, learning rate {rate}."
        )

    def cautions(self) -> list[str]:
        """What to keep in mind of cameras with few shots to test with."""
        counts = {camera: len(self._of(camera)[0]["shots"]) for camera in self.cameras}
        return [
            f"{camera}: only {count} to test with; intervals of so few are narrower than they say."
            for camera, count in counts.items()
            if count < _FEW
        ]

    def parameters(self) -> str:
        """The parameters of each backbone; where it could have had pretrained weights and had none, it says so."""
        settings = {result["backbone"]: result["settings"] for result in self.results}
        texts = []
        for backbone, given in settings.items():
            text = ", ".join(f"{name}={value!r}" for name, value in given.items())
            untrained = "; from random weights, not pretrained ones" if given.get("weights", "") is None else ""
            texts.append(f"{backbone} ({text}{untrained})")
        return "; ".join(texts)

    def csv(self) -> str:
        """One line a run, direction and shot."""
        text = io.StringIO()
        table = csv.writer(text)
        table.writerow(["camera", "backbone", "seed", "direction", "shot", "psnr"])
        for result in self.results:
            for direction, values in result["psnr"].items():
                for shot, value in zip(result["shots"], values, strict=True):
                    table.writerow(
                        [result["camera"], result["backbone"], result["seed"], direction, shot, f"{value:.4f}"]
                    )
        return text.getvalue()
