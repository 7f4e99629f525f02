"""A tracker of experiments: a line of JSON for each trial that is told of."""

from gengauge import Parameter, hookimpl
from gengauge.tracker import TrackerSpec


@hookimpl
def gengauge_trackers():
    """Return the tracker, described."""
    return [
        TrackerSpec(
            id="example-lines",
            summary="a line of JSON for each trial, in a file of the run's folder",
            target="example_tracker.lines:Lines",
            parameters=(Parameter("name", "tracked.jsonl", "of the file"),),
        )
    ]
