"""The training loop: sample windows, step, validate, checkpoint, resume."""

from ispfit.training.checkpoint import Checkpoint
from ispfit.training.loop import OnEvaluation, train
from ispfit.training.plan import TrainingPlan, TrainingRecord
from ispfit.training.ranks import joined_ranks

__all__ = ["Checkpoint", "OnEvaluation", "TrainingPlan", "TrainingRecord", "joined_ranks", "train"]
