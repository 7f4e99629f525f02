"""An executor: trials in random order."""

from gengauge import ExecutorSpec, Parameter, hookimpl


@hookimpl
def gengauge_executors():
    """Return the executor, described."""
    return [
        ExecutorSpec(
            id="example-dice",
            summary="runs trials one by one, in an order that dice decide",
            target="example_executor.dice:Dice",
            parameters=(Parameter("seed", 0, "of the dice"),),
        )
    ]
