"""A metric with an interval: how far correlations are off."""

from gengauge import MetricSpec, Parameter, hookimpl


@hookimpl
def gengauge_metrics():
    """Return the metric, described."""
    return [
        MetricSpec(
            id="example_correlation_gap",
            suite="example",
            label="Correlations",
            unit="correlation",
            direction="lower",
            summary="The mean gap between the correlations of the samples and of the test "
            "examples. Blind to the place, the scale and the shape of each value.",
            target="example_metric.metric:correlation_gap",
            modalities=("points", "table"),
            parameters=(Parameter("blocks", 20, "blocks of the jackknife", minimum=2),),
        )
    ]
