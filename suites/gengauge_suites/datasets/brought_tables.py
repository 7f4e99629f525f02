"""Data sets in tables of the user's."""

from __future__ import annotations

from collections.abc import Iterable

from gengauge.parameters import Parameter
from gengauge.specs import DatasetSpec

_HOME = "gengauge_suites.datasets.tabular"
DROP = Parameter("drop", "", "columns to leave out, A;B")
ONEHOT = Parameter(
    "onehot", "", "columns of categories, A;B: each value becomes a column of 0 and 1"
)
AS = Parameter(
    "as", "table", "table: columns in units of their own; points: coordinates in one unit",
    choices=("table", "points"),
)  # fmt: skip
_USES = (
    Parameter("label", "", "column of classes"),
    DROP,
    ONEHOT,
    Parameter("split", "", "column that says train, validation or test"),
    AS,
)
_WRITTEN = (
    Parameter("sep", "", "separator, or semicolon, tab, pipe, space; default: comma, tab in .tsv"),
    Parameter("header", "auto", "whether the first line names the columns",
              choices=("auto", "true", "false")),
    Parameter("decimal", "point", "what stands before decimals", choices=("point", "comma")),
    Parameter("encoding", "utf-8", "such as latin-1, cp1252, utf-16"),
)  # fmt: skip


def table_files() -> Iterable[DatasetSpec]:
    """Return the data sets that read tables."""
    for id_, summary, suffixes, parameters in (
        ("csv", "A table of yours in CSV, gzip too: one row an example, a file, a folder or a "
         "pattern of shards, or train, validation and test", (".csv", ".csv.gz", ".tsv", ".tsv.gz"),
         _USES + _WRITTEN),
        ("parquet", "A table of yours in parquet: one row an example, a file, a folder or a "
         "pattern of shards, or train, validation and test", (".parquet", ".pq"), _USES),
    ):  # fmt: skip
        yield DatasetSpec(
            id=id_,
            summary=summary,
            target="gengauge.loading:load_opened",
            opens=f"{_HOME}.opening:open_{id_}",
            describes=f"{_HOME}.describing:describe",
            suffixes=suffixes,
            parameters=parameters,
            modality="table",
            takes_path=True,
        )
