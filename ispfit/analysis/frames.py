"""Results as tables of pandas, which is needed for nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["data_frame"]


def data_frame(columns: Mapping[str, Any]) -> DataFrame:
    """Return columns as a `pandas.DataFrame`; raise an ImportError that says what to install if pandas is missing."""
    try:
        from pandas import DataFrame
    except ImportError as error:
        raise ImportError("frame() needs pandas: pip install pandas.") from error
    return DataFrame(columns)
