"""Compare backbones on equal terms: the same pairs, training windows and budget, as Table 1 of Nam & Kim does."""

from ispfit.comparison.budget import Budget
from ispfit.comparison.pair_sets import PairSet, prepare_pair_set, prepare_pair_sets, write_pair_set
from ispfit.comparison.report import (
    cautions,
    comparison_table,
    csv_text,
    describe_budget,
    describe_parameters,
    markdown,
    markdown_table,
    summary_table,
)
from ispfit.comparison.results import RunResult, join_folds
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
    "join_folds",
    "markdown",
    "markdown_table",
    "plan_runs",
    "prepare_pair_set",
    "prepare_pair_sets",
    "run_all",
    "summary_table",
    "write_pair_set",
]
