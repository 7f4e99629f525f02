"""Tables and lines of text as samples of ``gengauge score``, beside data that have their form."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import worlds

from gengauge.cli import _run
from gengauge.store import RunStore


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def values(run: str, metric: str) -> dict[str, float]:
    return {
        r["model"]["id"]: s["value"]
        for r in RunStore(Path(run)).records() for s in r["scores"] if s["metric"] == metric
    }  # fmt: skip


def test_lines_take_the_alphabet_and_length_of_their_reference() -> None:
    stream = random.Random(0)
    shipped = worlds.load("text/devils-dictionary")
    texts = [t.replace("\n", "⏎").rstrip() for t in shipped.text(shipped.train.x[:200])]
    Path("good.txt").write_text("\n".join(texts) + "\n")
    mixed = ["".join(stream.sample(t, len(t))) for t in texts]
    Path("mixed.txt").write_text("\n".join(mixed) + "\n")
    command = ["score", "good.txt[fit=pad]", "mixed.txt[fit=pad]", "-o", "out",
               "--reference", "text/devils-dictionary"]  # fmt: skip
    assert _run([*command, "--embedder", "ngrams"]) == 0
    found = values("out", "fd")
    assert found["good"] < found["mixed"] < found["noise"]
    assert values("out", "coverage")["good"] > 0.5


def test_what_does_not_fit_is_one_line_and_nothing_is_written(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("short.txt").write_text("too short\n" * 50)
    rows = [f"{i % 7},{i % 5}\n" for i in range(50)]
    Path("a.csv").write_text("x,y\n" + "".join(rows))
    Path("b.csv").write_text("y,x\n" + "".join(rows))
    Path("c.csv").write_text("x,y\n1,2\n3,\n")
    for samples, reference, said in (
        ("short.txt", "text/devils-dictionary", "line 1: 9 tokens, expected 64; write fit=pad"),
        ("b.csv", "a.csv", "the table has 'y' as column 1 and not 'x', unlike its reference"),
        ("c.csv", "a.csv", "column 'y', row 2 (line 3): the cell is missing"),
        ("a.csv", "table/breast-cancer", "the table lacks the column 'mean radius'"),
        ("a.csv", "points/moons", "is of table"),
    ):
        assert _run(["score", samples, "--reference", reference, "-o", "out"]) == 2
        [line] = capsys.readouterr().err.splitlines()
        assert said in line
        assert samples in line
    assert not Path("out").exists()


def test_tables_are_compared_column_by_column() -> None:
    stream = random.Random(1)
    for name, spread in (("near", 1.0), ("far", 3.0), ("real", 1.0)):
        rows = (f"{stream.gauss(0, spread)},{stream.gauss(5, 1)}\n" for _ in range(150))
        Path(f"{name}.csv").write_text("x,y\n" + "".join(rows))
    assert _run(["score", "near.csv", "far.csv", "--reference", "real.csv", "-o", "out"]) == 0
    found = values("out", "w2")
    assert found["near"] < found["far"]
