"""The result of one run, and its JSON file; the results of folds as one."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ispfit.files import atomic_path

__all__ = ["RunResult", "join_folds"]


@dataclass(frozen=True)
class RunResult:
    """What one run measured: one backbone, fitted with one seed to one pair set.

    Parameters
    ----------
    camera : str
        Name of the pair set.
    backbone : str
        Name of the backbone in tables.
    settings : dict of str to Any
        Parameters of the backbone.
    budget : dict of str to Any
        `Budget.settings`.
    seed : int
        Random state of the estimator.
    n_fit : int
        Number of training pairs.
    seconds : float
        Training time of both directions together, in seconds.
    weights : int
        Number of weights of the forward network.
    steps : dict of str to int
        Number of training steps, by direction.
    shots : list of str
        Names of the test shots.
    psnr : dict of str to list of float
        PSNR of each test shot in dB, by direction.
    n_folds : int
        Number of folds whose results are joined.
    """

    camera: str
    backbone: str
    settings: dict[str, Any]
    budget: dict[str, Any]
    seed: int
    n_fit: int
    seconds: float
    weights: int
    steps: dict[str, int]
    shots: list[str]
    psnr: dict[str, list[float]]
    n_folds: int = 1

    def write(self, path: Path) -> None:
        """Write the result as JSON."""
        with atomic_path(path) as temporary:
            temporary.write_text(json.dumps(asdict(self), indent=1), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> RunResult | None:
        """Read a result; return None if the file is missing or holds no result."""
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None


def join_folds(results: Iterable[RunResult], cameras: Mapping[str, str]) -> list[RunResult]:
    """Return the results with those of the folds of a camera as one, for each backbone and seed.

    The joined result has the test shots of all folds, and the mean number of training pairs and training time of a
    fold. If a fold has no result because its run failed, the others are left out.

    Parameters
    ----------
    results : iterable of RunResult
        Results of pair sets.
    cameras : dict of str to str
        The name of the camera, by the name of each pair set.
    """
    parts: dict[tuple[str, str, int], list[RunResult]] = {}
    for result in results:
        parts.setdefault((cameras[result.camera], result.backbone, result.seed), []).append(result)
    n_folds = Counter(cameras.values())
    return [_joined(camera, found) for (camera, _, _), found in parts.items() if len(found) == n_folds[camera]]


def _joined(camera: str, parts: list[RunResult]) -> RunResult:
    return replace(
        parts[0],
        camera=camera,
        n_fit=round(float(np.mean([part.n_fit for part in parts]))),
        seconds=float(np.mean([part.seconds for part in parts])),
        shots=[shot for part in parts for shot in part.shots],
        psnr={way: [value for part in parts for value in part.psnr[way]] for way in parts[0].psnr},
        n_folds=len(parts),
    )
