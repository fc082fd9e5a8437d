"""The training loop: sample windows, step, validate, checkpoint, resume."""

from ispfit.training.checkpoint import Checkpoint
from ispfit.training.data import ImageLists
from ispfit.training.distributed import Distributed, joined_ranks
from ispfit.training.loop import OnEvaluation, train
from ispfit.training.plan import TrainingPlan, TrainingRecord
from ispfit.training.progress import duration_text, tell
from ispfit.training.speed import TrainingSpeed, measure_speed, steps_within

__all__ = [
    "Checkpoint",
    "Distributed",
    "ImageLists",
    "OnEvaluation",
    "TrainingPlan",
    "TrainingRecord",
    "TrainingSpeed",
    "duration_text",
    "joined_ranks",
    "measure_speed",
    "steps_within",
    "tell",
    "train",
]
