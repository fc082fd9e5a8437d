"""Checks for authors of plugins: `check_backbone` of the backbone contract, `check_estimator` of scikit-learn's."""

from ispfit.testing.backbones import check_backbone
from ispfit.testing.estimators import check_estimator, estimator_checks

__all__ = ["check_backbone", "check_estimator", "estimator_checks"]
