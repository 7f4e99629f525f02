"""A model, a data set, a metric and a report: descriptions only, nothing heavy."""

from gengauge import DatasetSpec, MetricSpec, ModelSpec, Parameter, ReportSpec, hookimpl


@hookimpl
def gengauge_models():
    """Return the models this plugin offers."""
    return [
        ModelSpec(
            id="histogram",
            family="histogram",
            summary="Counts in the cells of a grid, and a wide normal around it",
            target="gengauge_triangle.model:Histogram",  # imported only when it is run
            modalities=("points",),
            capabilities=("density",),
            parameters=(Parameter("bins", 20, "cells along each axis", minimum=1),),
            budget="1 steps",
        )
    ]


@hookimpl
def gengauge_datasets():
    """Return the data sets this plugin offers."""
    return [
        DatasetSpec(
            id="triangle",
            summary="8,000 points, uniform on a triangle",
            target="gengauge_triangle.data:load",
            modality="points",
            has_truth=True,
        )
    ]


@hookimpl
def gengauge_metrics():
    """Return the metrics this plugin offers."""
    return [
        MetricSpec(
            id="centre_distance",
            suite="fidelity",
            label="Centre",
            unit="data units",
            direction="lower",
            summary="How far the mean of the samples lies from that of the test points. "
            "Blind to everything but the mean.",
            target="gengauge_triangle.metric:centre_distance",
            modalities=("points",),
            parameters=(Parameter("blocks", 20, "blocks of the jackknife", minimum=2),),
        )
    ]


@hookimpl
def gengauge_reports():
    """Return the report formats this plugin offers."""
    return [
        ReportSpec(
            id="firsts",
            summary="one line for each data set and metric: which model came first",
            target="gengauge_triangle.report:render",
            suffix=".txt",
        )
    ]
