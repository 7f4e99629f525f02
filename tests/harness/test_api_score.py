"""``gengauge.score`` takes files and what lies in memory, and gives what the command writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import gengauge
from gengauge.api.handed import written
from gengauge.cli import _run
from gengauge.errors import UsageError

SMALL: dict[str, Any] = {"controls": ["real"], "limit": 400, "progress": False}
MOONS = torch.randn(300, 2, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scored")
    np.save(folder / "mine.npy", MOONS.numpy())
    return folder


@pytest.fixture(scope="module")
def results(place: Path) -> gengauge.Results:
    rows = {"array": MOONS.numpy(), "tensor": 3 * MOONS.double()}
    return gengauge.score(
        rows, "points/moons", output=place / "run", track=f"tensorboard={place / 'events'}", **SMALL
    )


def values(results: gengauge.Results, row: str) -> dict[str, float]:
    frame = results.frame()
    mine = frame[(frame["model"] == row) & frame["value"].notna()]
    return dict(zip(mine["metric"], mine["value"], strict=True))


def test_rows_in_memory_are_scored_and_ranked(results: gengauge.Results, place: Path) -> None:
    assert [r["model"]["id"] for r in results.records] == ["array", "tensor", "real"]
    assert not results.failed
    assert values(results, "array")["w2"] < values(results, "tensor")["w2"]
    assert "array" in repr(results)
    told = (place / "run/records.jsonl").read_text()
    assert "gengauge-" not in told  # where samples in memory were written down for a while
    assert (place / "run/report.html").is_file()
    assert len(list((place / "events").iterdir())) == 3


def test_it_is_what_the_command_line_gives(
    results: gengauge.Results, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    words = ["score", str(place / "mine.npy"), "--name", "array", "--reference", "points/moons"]
    words += ["--controls", "none", "--limit", "400", "-o", str(place / "other")]
    assert _run(words) == 0
    [record] = map(json.loads, (place / "other/records.jsonl").read_text().splitlines())
    [mine] = [r for r in results.records if r["model"]["id"] == "array"]
    scores = [{s["metric"]: s["value"] for s in r["scores"]} for r in (record, mine)]
    assert scores[0] == scores[1]
    assert record["trial"] == mine["trial"]


def test_what_was_scored_is_not_scored_again(results: gengauge.Results, place: Path) -> None:
    again = gengauge.score(
        place / "mine.npy", "points/moons", name="array", output=place / "run", **SMALL
    )
    assert values(again, "array") == values(results, "array")
    assert {r["model"]["id"] for r in again.records} == {"array", "real"}
    assert len((place / "run/records.jsonl").read_text().splitlines()) == 3


@pytest.mark.parametrize(
    ("samples", "said"),
    [
        ([], "are an empty list; expected a path"),
        ({}, "no samples were given"),
        ([1, 2], "are a list of int; expected a path"),
        (np.array(["a", "b"]), "are of <U1; expected numbers"),
        (["one", "two\nlines"], "text 1 of samples 'samples' has a line break"),
        (7, "are an empty int"),
        (Path("nowhere.npy"), "nowhere.npy"),
        (MOONS[:, :1], "'samples (in memory)' holds examples of shape [1], and 'points/moons' [2]"),
    ],
)
def test_what_cannot_be_scored_is_said(tmp_path: Path, samples: Any, said: str) -> None:
    with pytest.raises(UsageError) as raised:
        gengauge.score(samples, "points/moons", output=tmp_path / "run", **SMALL)
    assert said in str(raised.value)
    assert not (tmp_path / "run").exists()


def test_images_and_texts_are_written_whole(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (12, 5, 4, 3), dtype=np.uint8)
    folder = Path(written([Image.fromarray(p) for p in pixels], "a/b: c", tmp_path))
    assert folder.parent == tmp_path
    names = sorted(p.name for p in folder.iterdir())
    assert names == [f"{i:02}.png" for i in range(12)]
    for name, p in zip(names, pixels, strict=True):
        assert (np.asarray(Image.open(folder / name)) == p).all()
    path = Path(written(["über", "", "b"], "texts", tmp_path))
    assert path.read_text(encoding="utf-8").splitlines() == ["über", "", "b"]
    array = Path(written(torch.ones(3, 2, requires_grad=True), "x", tmp_path))
    assert np.load(array).tolist() == [[1, 1]] * 3
    assert written(tmp_path / "as it is.npz", "x", tmp_path) == str(tmp_path / "as it is.npz")


def test_images_in_memory_are_scored(tmp_path: Path) -> None:
    from sklearn.datasets import load_digits

    pixels = (load_digits().images[:60] * (255 / 16)).astype("uint8")
    images = [Image.fromarray(p) for p in pixels]
    np.save(tmp_path / "reference.npy", pixels[:, None])
    found = gengauge.score(
        images, tmp_path / "reference.npy", embedders="identity", suites="fidelity",
        output=tmp_path / "run", controls=(), progress=False,
    )  # fmt: skip
    assert values(found, "samples")


def test_options_say_how_what_is_in_memory_is_read(tmp_path: Path) -> None:
    given = written(["a", "b"], "texts", tmp_path, {"fit": "pad", "length": 4})
    assert given == f"{tmp_path}/texts.txt[fit=pad,length=4]"
    with pytest.raises(UsageError, match=r"did you mean 'resize'"):
        gengauge.score(
            [Image.new("L", (8, 8))] * 12, "digits", options={"resise": "crop"}, **SMALL,
            output=tmp_path / "run",
        )  # fmt: skip


def test_texts_in_memory_are_scored(tmp_path: Path) -> None:
    lines = [f"the cat number {i} sat on a mat" for i in range(60)]
    (tmp_path / "reference.txt").write_text("\n".join(lines) + "\n")
    found = gengauge.score(
        lines[:40], f"{tmp_path}/reference.txt[fit=pad]", options={"fit": "pad"}, controls=(),
        output=tmp_path / "run", progress=False,
    )  # fmt: skip
    assert values(found, "samples")["precision"] == 1.0
