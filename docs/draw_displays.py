"""Draw the pictures of docs/displays.md.

python docs/draw_displays.py
"""

from pathlib import Path
from tempfile import TemporaryDirectory

from ispfit import ISPModel, read_raw, read_srgb
from ispfit.backbones.histpyramid import HistPyramid
from ispfit.datasets import make_camera_pairs, make_camera_roll
from ispfit.displays import (
    ErrorDisplay,
    HistogramDisplay,
    PSNRDisplay,
    RegistrationDisplay,
    RenderingDisplay,
    SceneDependenceDisplay,
    SceneExchangeDisplay,
    ToneCurveDisplay,
    TrainingDisplay,
)

FOLDER = Path(__file__).resolve().parent / "displays"


def main() -> None:
    X, Y = make_camera_pairs(60, image_size=192, random_state=0)
    fit, test = (X[:48], Y[:48]), (X[48:], Y[48:])
    camera = ISPModel("photofinish", random_state=0).fit(*fit)
    paper = ISPModel(HistPyramid(channels=16), max_steps=150, learning_rate=3e-3, windows_per_image=4, random_state=0)
    paper.set_params(validation_fraction=0.2).fit(*fit)
    drawn = {
        "rendering": RenderingDisplay.from_estimator(camera, test[0][:2], test[1][:2]),
        "psnr": PSNRDisplay.from_estimator({"photofinish": camera, "histpyramid": paper}, *test),
        "error": ErrorDisplay.from_estimator(camera, *test),
        "tone-curve": ToneCurveDisplay.from_estimator(camera, test[0]),
        "scene-exchange": SceneExchangeDisplay.from_estimator(camera, test[0][0], test[0][3]),
        "scene-dependence": SceneDependenceDisplay.from_estimator(camera, test[0][:4]),
        "histogram": HistogramDisplay.from_estimator(paper),
        "training": TrainingDisplay.from_estimator(paper),
    }
    with TemporaryDirectory() as folder:
        [(raw, srgb)] = make_camera_roll(folder, 1, image_size=(384, 576), lens=0.03, random_state=4)
        drawn["registration"] = RegistrationDisplay.from_images(read_raw(raw), read_srgb(srgb))
    for name, display in drawn.items():
        display.figure_.savefig(FOLDER / f"{name}.jpg", dpi=80, pil_kwargs={"quality": 85})


if __name__ == "__main__":
    main()
