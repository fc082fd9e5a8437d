"""A report on a fitted model: one HTML file that opens anywhere, offline."""

from ispfit.report.write import write_report

__all__ = ["write_report"]
