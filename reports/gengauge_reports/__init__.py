"""Reports over stored runs; this module only registers them and imports nothing heavy."""

from __future__ import annotations

from gengauge.hooks import hookimpl
from gengauge.parameters import Parameter
from gengauge.publisher import PublisherSpec
from gengauge.specs import ReportSpec

__all__ = ["gengauge_publishers", "gengauge_reports"]


@hookimpl
def gengauge_reports() -> list[ReportSpec]:
    """Return the output formats that ship with gengauge."""
    return [
        ReportSpec(
            id="terminal",
            summary="ranked tables of the headline metrics for the terminal",
            target="gengauge_reports.terminal:render",
            suffix=".txt",
        ),
        ReportSpec(
            id="html",
            summary="one self-contained page: tables, curves, trade-offs and samples",
            target="gengauge_reports.html:render",
            suffix=".html",
        ),
        ReportSpec(
            id="atlas",
            summary="one page on the families: what each assumes, draws, costs and misses",
            target="gengauge_reports.atlas.page:render",
            suffix=".html",
        ),
        ReportSpec(
            id="md",
            summary="ranked tables as GitHub Markdown",
            target="gengauge_reports.markdown:render",
            suffix=".md",
        ),
        ReportSpec(
            id="notebook",
            summary="ranked tables as a fragment of HTML, for a notebook's cell",
            target="gengauge_reports.notebook:render",
            suffix=".html",
        ),
        ReportSpec(
            id="csv",
            summary="the tidy table, one row for each trial and metric",
            target="gengauge_reports.tidy:render_csv",
            suffix=".csv",
        ),
        ReportSpec(
            id="json",
            summary="the tidy table as a list of objects",
            target="gengauge_reports.tidy:render_json",
            suffix=".json",
        ),
        ReportSpec(
            id="latex",
            summary="ranked tables for a paper, with booktabs",
            target="gengauge_reports.latex:render",
            suffix=".tex",
        ),
        ReportSpec(
            id="parquet",
            summary="the tidy table with its types, for pandas, polars and DuckDB",
            target="gengauge_reports.parquet:render",
            suffix=".parquet",
        ),
    ]


@hookimpl
def gengauge_publishers() -> list[PublisherSpec]:
    """Return the forms of publication that ship with gengauge."""
    return [
        PublisherSpec(
            id="site",
            summary="a static leaderboard that works offline: boards, aggregates, fronts, models",
            target="gengauge_reports.site.publishing:publish",
            parameters=(Parameter("title", "", "title of the pages"),),
        ),
        PublisherSpec(
            id="huggingface",
            summary="a model card for each model with its model-index and .eval_results",
            target="gengauge_reports.huggingface.publishing:publish",
            reference="https://huggingface.co/docs/hub/eval-results",
            parameters=(
                Parameter("title", "", "title of the list, where there are several models"),
                Parameter("repo", "", "USER/NAME to send to; of several models USER/NAME-SLUG"),
                Parameter("dry_run", False, "send nothing, and say what would be sent"),
                Parameter("model", "", "write the card of this model alone"),
                Parameter("benchmark", "", "data set of the Hub that holds the leaderboard"),
                Parameter("source", "", "address that the results can be looked up at"),
            ),
            extras=("huggingface",),
            requires=("huggingface_hub",),
        ),
    ]
