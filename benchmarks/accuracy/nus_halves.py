"""Measured colours of two real cameras (Kim et al., PAMI 2012): a model fitted on half of them predicts the other half.

Prints PSNR in dB of `parametric` beside models without gamut mapping, with a 3 x 3 matrix in its place, and beside
the published model, which has seen all colours.

    python benchmarks/accuracy/nus_halves.py FOLDER_OF_MODEL [FOLDER_OF_MODEL ...]

Each folder holds a published model and ``pairs.npz`` with `ctrl` (white-balanced and colour-transformed raw), `Ts`,
`resp` and `jpeg_code`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch

from ispfit.backbones.parametric import ParametricNetwork
from ispfit.formats.nus import read_nus_model


def psnr(found: np.ndarray, wanted: np.ndarray) -> float:
    return float(-10 * np.log10(np.mean((found.clip(0, 1) - wanted) ** 2)))


def through(function, colors: np.ndarray) -> np.ndarray:  # type: ignore[no-untyped-def]
    return function(torch.from_numpy(colors).float()).numpy()


def compare(folder: Path) -> None:
    data = np.load(folder / "pairs.npz")
    ctrl, srgb, response = data["ctrl"].astype(float), data["jpeg_code"] / 255.0, data["resp"]
    raw = ctrl @ np.linalg.inv(data["Ts"]).T
    order = np.random.default_rng(0).permutation(len(raw))
    seen, unseen = order[::2], order[1::2]
    codes = np.linspace(0, 1, len(response))

    def encode(linear: np.ndarray) -> np.ndarray:
        return np.stack([np.interp(linear[:, c], response[:, c], codes) for c in range(3)], 1)

    linear = np.stack([np.interp(srgb[:, c], codes, response[:, c]) for c in range(3)], 1)
    matrix = np.linalg.lstsq(ctrl[seen], linear[seen], rcond=None)[0]
    rows = [
        ("published matrix and response, no gamut mapping", encode(ctrl[unseen]), None),
        ("the same, a 3 x 3 matrix for gamut mapping", encode(ctrl[unseen] @ matrix), None),
    ]
    for points in (0, 100, 300):
        camera = ParametricNetwork(points)
        camera.fit_colors(raw[seen], srgb[seen])
        name = f"parametric, {points} control points" if points else "parametric, gamut mapping affine only"
        rows.append((name, through(camera.to_srgb, raw[unseen]), through(camera.to_raw, srgb[unseen])))
    networks = read_nus_model(folder).networks_
    inverse = through(networks["inverse"].camera.to_raw, srgb[unseen])
    rows.append(("published (fitted to all)", through(networks["forward"].to_srgb, raw[unseen]), inverse))
    print(f"{folder.name}: fitted on {len(seen)} colours, PSNR in dB on {len(unseen)} others")
    print(f"{'':50} {'raw to sRGB':>12} {'sRGB to raw':>12}")
    for name, forward, back in rows:
        print(f"{name:50} {psnr(forward, srgb[unseen]):12.2f} {'' if back is None else psnr(back, raw[unseen]):>12.6}")


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        compare(Path(argument))
