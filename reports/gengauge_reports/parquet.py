"""The tidy table as Parquet, with its types: what pandas, polars and DuckDB read at once."""

from __future__ import annotations

import io

import pandas as pd

from gengauge.errors import UsageError
from gengauge.store import COLUMNS, RunStore
from gengauge_reports.tidy import rows

_NUMBERS = ("value", "low", "high", "standard_error")
_COUNTS = ("seed", "n_samples", "n_reference")


def render(stores: list[RunStore]) -> bytes:
    """Return one row group with the columns of the tidy table; nulls where there is no value.

    Raises ``UsageError`` where pyarrow is missing.
    """
    frame = pd.DataFrame(rows(stores), columns=list(COLUMNS))
    types = {
        c: "Float64" if c in _NUMBERS else "Int64" if c in _COUNTS else "string" for c in frame
    }
    out = io.BytesIO()
    try:
        frame.astype(types).to_parquet(out, engine="pyarrow", index=False)
    except ImportError:
        raise UsageError(
            "format 'parquet' needs pyarrow: pip install 'gengauge[parquet]'"
        ) from None
    return out.getvalue()
