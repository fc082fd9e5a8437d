"""The result of one run, and its JSON file."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ispfit.files import atomic_path

__all__ = ["RunResult"]


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
