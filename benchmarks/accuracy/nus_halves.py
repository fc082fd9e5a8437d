"""Measured colours of two real cameras (Kim et al., PAMI 2012): fit a model to half of them, predict the other half.

Prints the PSNR in dB of `parametric`, of models without gamut mapping or with a 3 x 3 matrix in its place, and of the
published model, which was fitted to all colours.

    python benchmarks/accuracy/nus_halves.py MODEL_FOLDER [MODEL_FOLDER ...]

Each folder holds a published model and ``pairs.npz`` with `ctrl` (white-balanced and colour-transformed raw), `Ts`,
`resp` and `jpeg_code`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ispfit.backbones.parametric import ParametricNetwork
from ispfit.formats.nus import read_nus_model


def psnr(estimate: np.ndarray, target: np.ndarray) -> float:
    return float(-10 * np.log10(np.mean((estimate.clip(0, 1) - target) ** 2)))


def apply(function: Callable[[Tensor], Tensor], colors: np.ndarray) -> np.ndarray:
    return function(torch.from_numpy(colors).float()).numpy()


def compare_models(folder: Path) -> None:
    data = np.load(folder / "pairs.npz")
    ctrl, srgb, response = data["ctrl"].astype(float), data["jpeg_code"] / 255.0, data["resp"]
    raw = ctrl @ np.linalg.inv(data["Ts"]).T
    order = np.random.default_rng(0).permutation(len(raw))
    fitted, held_out = order[::2], order[1::2]
    codes = np.linspace(0, 1, len(response))

    def encode(linear: np.ndarray) -> np.ndarray:
        return np.stack([np.interp(linear[:, c], response[:, c], codes) for c in range(3)], 1)

    linear = np.stack([np.interp(srgb[:, c], codes, response[:, c]) for c in range(3)], 1)
    matrix = np.linalg.lstsq(ctrl[fitted], linear[fitted], rcond=None)[0]
    rows: list[tuple[str, np.ndarray, np.ndarray | None]] = [
        ("published matrix and response, no gamut mapping", encode(ctrl[held_out]), None),
        ("the same, with a 3 x 3 matrix for gamut mapping", encode(ctrl[held_out] @ matrix), None),
    ]
    for points in (0, 100, 300):
        camera = ParametricNetwork(points)
        camera.fit_colors(raw[fitted], srgb[fitted])
        name = f"parametric, {points} control points" if points else "parametric, affine gamut mapping"
        rows.append((name, apply(camera.to_srgb, raw[held_out]), apply(camera.to_raw, srgb[held_out])))
    networks: dict[str, Any] = read_nus_model(folder).networks_
    published = networks["forward"].to_srgb, networks["inverse"].camera.to_raw
    rows.append(("published (fitted to all)", apply(published[0], raw[held_out]), apply(published[1], srgb[held_out])))
    print(f"{folder.name}: fitted to {len(fitted)} colours, PSNR in dB on {len(held_out)} others")
    print(f"{'':50} {'raw to sRGB':>12} {'sRGB to raw':>12}")
    for name, forward, inverse in rows:
        inverse_psnr = "" if inverse is None else f"{psnr(inverse, raw[held_out]):.2f}"
        print(f"{name:50} {psnr(forward, srgb[held_out]):12.2f} {inverse_psnr:>12}")


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        compare_models(Path(argument))
