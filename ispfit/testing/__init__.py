"""What a plugin's author runs: `check_backbone` measures the backbone contract, `check_estimator` the estimator's."""

from ispfit.testing.backbones import check_backbone
from ispfit.testing.estimators import check_estimator, estimator_checks

__all__ = ["check_backbone", "check_estimator", "estimator_checks"]
