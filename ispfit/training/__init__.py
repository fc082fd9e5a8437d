"""The training loop: sample windows, step, validate, checkpoint, resume."""

from ispfit.training.checkpoint import Checkpoint
from ispfit.training.distributed import joined_ranks
from ispfit.training.loop import OnEvaluation, train
from ispfit.training.plan import TrainingPlan, TrainingRecord

__all__ = ["Checkpoint", "OnEvaluation", "TrainingPlan", "TrainingRecord", "joined_ranks", "train"]
