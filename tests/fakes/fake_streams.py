"""A plugin for tests: pictures in files of bytes, and an embedder that counts."""

from gengauge import DatasetSpec, EmbedderSpec, Parameter, hookimpl


@hookimpl
def gengauge_datasets():
    return [
        DatasetSpec(
            id="bytes",
            summary="Pictures of one channel, a byte a pixel",
            target="gengauge.loading:load_opened",
            opens="fake_stream_targets:open_bytes",
            describes="fake_stream_targets:describe",
            suffixes=(".bytes", "/"),
            modality="image",
            levels=256,
            takes_path=True,
            parameters=(Parameter("side", 8, "pixels of a side", minimum=1),),
        )
    ]


@hookimpl
def gengauge_embedders():
    return [
        EmbedderSpec(
            id="counting",
            summary="Six random sums; counts what it is shown, and may die of it",
            target="fake_stream_targets:Counting",
            modalities=("image",),
            gives=("features", "classes", "text"),
            preprocessing="level / 255",
        )
    ]
