"""Compare backbones on equal terms: the same pairs, training windows and budget, as Table 1 of Nam & Kim does."""

from ispfit.comparison.budget import Budget
from ispfit.comparison.pair_sets import PairSet, distinct_names, prepare_pair_set
from ispfit.comparison.report import (
    cautions,
    comparison_table,
    csv_text,
    describe_budget,
    describe_parameters,
    markdown,
)
from ispfit.comparison.results import RunResult
from ispfit.comparison.runs import Run, plan_runs, run_all
from ispfit.comparison.statistics import Comparison, Published, Statistic

__all__ = [
    "Budget",
    "Comparison",
    "PairSet",
    "Published",
    "Run",
    "RunResult",
    "Statistic",
    "cautions",
    "comparison_table",
    "csv_text",
    "describe_budget",
    "describe_parameters",
    "distinct_names",
    "markdown",
    "plan_runs",
    "prepare_pair_set",
    "run_all",
]
