"""A report format: what failed, and why."""

from gengauge import ReportSpec, hookimpl


@hookimpl
def gengauge_reports():
    """Return the report format, described."""
    return [
        ReportSpec(
            id="example-failures",
            summary="what failed, and why, one line each; and how many trials there were",
            target="example_report.report:render",
            suffix=".txt",
        )
    ]
