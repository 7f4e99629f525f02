"""A plugin for tests: executors that do as they should, and executors that do not."""

from gengauge import ExecutorSpec, ModelSpec, Parameter, hookimpl


@hookimpl
def gengauge_executors():
    def spec(id_, **more):
        return ExecutorSpec(
            id=id_, summary=f"An executor for tests: {id_}",
            target=f"fake_turns:{id_.title().replace('-', '')}", **more,
        )  # fmt: skip

    taken = (Parameter("shout", False, "Whether to say each name."),)
    return [
        spec("backwards", parameters=taken),
        spec("lacking", extras=("moon",), requires=("not_there_at_all",)),
        spec("breaks-off"),
    ]


@hookimpl
def gengauge_models():
    return [
        ModelSpec(
            id=id_, family="fake", summary="A model for tests", target=f"fake_nodes:{cls}",
            modalities=("points",), budget="20 steps",
        )
        for id_, cls in (("loses-node", "LosesNode"), ("waits", "Waits"))
    ]  # fmt: skip
