"""A plugin for tests: publishers that do as they should, and publishers that do not."""

from __future__ import annotations

import json
from pathlib import Path

from gengauge import Parameter, PublisherSpec, RunStore, hookimpl


@hookimpl
def gengauge_publishers():
    taken = (Parameter("title", "", "A title."), Parameter("pages", 1, "How many.", minimum=1))
    return [
        PublisherSpec(id="plain", summary="Writes one page.", parameters=taken,
                      target="fake_publishers:plain"),
        PublisherSpec(id="other", summary="Writes one page.", parameters=taken,
                      target="fake_publishers:plain"),
        PublisherSpec(id="breaks", summary="Writes half.", target="fake_publishers:breaks"),
        PublisherSpec(id="lacking", summary="Needs more.", target="fake_publishers:plain",
                      requires=("not_there_at_all",), extras=("moon",)),
    ]  # fmt: skip


def plain(stores: list[RunStore], folder: Path, title: str = "", pages: int = 1) -> Path:
    assert not list(folder.iterdir())
    (folder / "pages").mkdir()
    for number in range(pages):
        (folder / "pages" / f"{number}.txt").write_text("page")
    keys = [r["trial"] for s in stores for r in s.records()]
    (folder / "index.json").write_text(json.dumps({"title": title, "trials": keys}))
    return folder / "index.json"


def breaks(stores: list[RunStore], folder: Path) -> Path:
    (folder / "half.txt").write_text("half")
    raise KeyboardInterrupt
