"""Records and files of strangers in a submission: refused, or rendered harmless."""

from __future__ import annotations

import json
import math
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bundled import (
    RECORDS,
    Members,
    lines,
    ok,
    records_of,
    refused,
    rekeyed,
    scored,
    sealed,
    spoilt,
    written,
)
from safetensors.numpy import save

from gengauge.bundle import open_bundle
from gengauge.errors import GengaugeError
from gengauge.gather import gather
from gengauge.provenance import content_hash
from gengauge.registry import Registry
from gengauge.rendering import render
from gengauge.store import RunStore

SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(2)>"
pytestmark = pytest.mark.usefixtures("nothing_is_left")


def test_a_script_in_every_text_is_shown_as_text(members: Members, tmp_path: Path) -> None:
    """The forger computes keys too: what is told honestly may still be a script."""
    records, moved = records_of(members), dict(members)
    for record in records:
        old = record["trial"]
        record["model"] |= {"id": SCRIPT, "base": SCRIPT, "summary": SCRIPT, "reference": SCRIPT}
        record["model"]["family"] = SCRIPT
        record["command"] = record["run_id"] = SCRIPT
        if record["error"]:
            record["error"] = {"type": SCRIPT, "message": SCRIPT}
        for score in record["scores"]:
            score["unscored_reason"] = score["unscored_reason"] and SCRIPT
            score["caveat"] = SCRIPT
        new = rekeyed(record, old)
        for name in [n for n in moved if n.startswith(f"trials/{old}/")]:
            moved[name.replace(old, new)] = moved.pop(name)
    key = records[ok(members)]["trial"]
    rows = [{"caption": SCRIPT, "png": SCRIPT}]
    moved[f"trials/{key}/captioned.json"] = json.dumps({"rows": rows}).encode()
    moved[f"trials/{key}/samples.txt"] = SCRIPT.encode()
    about = json.loads(moved["metrics.json"])
    for metric in about.values():
        metric |= {"label": SCRIPT, "summary": SCRIPT, "reference": SCRIPT}
    moved["metrics.json"] = json.dumps(about).encode()
    moved[RECORDS] = lines(records)
    digests = {r["trial"]: {"sha256": "0" * 64, "size": 1} for r in records}
    moved = {n: c for n, c in moved.items() if not n.endswith("samples.safetensors")}
    path = written(tmp_path / "a.zip", sealed(moved, note=SCRIPT, samples=digests))
    store, registry = open_bundle(path), Registry()
    page = render(registry, "html", [store]).decode()
    assert "alert(1)" in page
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    text = render(registry, "md", [store]).decode()
    assert "<script>alert" not in re.sub("`[^`]*`", "", text)  # in code it is shown as it is


def test_another_comparability_key(members: Members, tmp_path: Path) -> None:
    """Exit 4: the score would stand in a column it was not measured for."""
    wrong = scored(members, lambda s: s.update(comparability_key="0123456789abcdef"))
    refused(written(tmp_path / "a.zip", wrong), "comparability key 0123456789abcdef of", 4)
    other = scored(members, lambda s: s.update(comparability_key="../../etc"))
    refused(written(tmp_path / "b.zip", other), "comparability key of .* is no hash")
    fewer = scored(members, lambda s: s.update(n_reference=10))
    refused(written(tmp_path / "c.zip", fewer), "is not the hash of its request, split", 4)
    bare = spoilt(members, lambda r: [s.pop("protocol") for s in r["scores"]], ok(members))
    refused(written(tmp_path / "d.zip", bare), "did not record protocols; run the benchmark", 4)


@pytest.mark.parametrize(
    "change",
    [
        lambda r: r["benchmark"].update(version=99),
        lambda r: r["benchmark"].update(name="other"),
        lambda r: r["dataset"].update(revision="9"),
        lambda r: r["scores"][0].update(metric_version=9),
        lambda r: r["scores"][0]["parameters"].update(k=1),
        lambda r: r["scores"][0].update(metric="other"),
        lambda r: r["scores"][0].update(embedder={"id": "digits", "sha256": "0" * 64}),
    ],
    ids=["version", "benchmark", "revision", "metric version", "parameters", "metric", "embedder"],
)
def test_a_score_of_another_protocol_under_the_same_key(
    members: Members, tmp_path: Path, change: Callable[[dict], Any]
) -> None:
    path = written(tmp_path / "a.zip", spoilt(members, change, ok(members)))
    refused(path, "was not measured for what the record says", 4)


@pytest.mark.parametrize(
    "change",
    [
        lambda r: r["model"].update(id="better"),
        lambda r: r["model"]["parameters"].update(components=99),
        lambda r: r["model"].update(code="gengauge==9"),
        lambda r: r["dataset"].update(fingerprint="0" * 16),
        lambda r: r.update(budget="9 steps"),
        lambda r: r.update(precision="bf16"),
        lambda r: r["seeds"].update(seed=5),
        lambda r: r.update(trial="0123456789abcdef"),
    ],
)
def test_a_trial_that_is_not_that_of_its_key(
    members: Members, tmp_path: Path, change: Callable[[dict], Any]
) -> None:
    path = written(tmp_path / "a.zip", spoilt(members, change))
    refused(path, "line 1: the trial's key [0-9a-f]{16} is not the hash|no record refers to it")


def test_a_trial_that_is_there_twice(members: Members, tmp_path: Path) -> None:
    records = records_of(members)
    twice = sealed({**members, RECORDS: lines([*records, records[0]])})
    refused(written(tmp_path / "a.zip", twice), r"line 5: trial [0-9a-f]{16} is in it twice")
    double = spoilt(members, lambda r: r["scores"].append(r["scores"][0]), ok(members))
    refused(written(tmp_path / "b.zip", double), "it has two scores")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b'{"trial": NaN}', "NaN is no number of JSON"),
        (b'{"rank": Infinity}', "Infinity is no number of JSON"),
        (b'{"value": 1e999}', "a number is not finite"),
        (b'{"n": ' + b"9" * 400 + b"}", "a whole number is beyond 64 bits"),
        (b'{"n": ' + b"9" * 100_000 + b"}", "digits|beyond 64 bits|no JSON"),
        (b'{"trial": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
        (b'{"a": ' + b"[" * 200 + b"]" * 200 + b"}", "nested too deeply"),
        (b'{"trial": "\\ud800"}', "half a character"),
        (b"\xff\xfe", "not text in UTF-8|no JSON"),
        (b"[]", "it is no object"),
        (b"", "it is no JSON"),
        (b'{"schema_version": true}', "'schema_version' is True"),
        (b'{"schema_version": 1}', "cannot name a folder"),
    ],
)
def test_a_line_that_is_no_record(members: Members, tmp_path: Path, line: bytes, said: str) -> None:
    path = written(
        tmp_path / "a.zip", sealed({**members, RECORDS: members[RECORDS] + line + b"\n"})
    )
    refused(path, f"'records.jsonl': line 5: .*({said})")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: s.update(value=s["high"] + 1), "is not within its interval"),
        (lambda s: s.update(value=s["low"] - 1), "is not within its interval"),
        (lambda s: s.update(low=s["high"], high=s["low"]), "'score.low' is above 'score.high'"),
        (lambda s: s.update(value=1e80), "beyond all measure"),
        (lambda s: s.update(value=None), "neither a value nor a reason"),
        (lambda s: s.update(unscored_reason="none"), "a value and a reason"),
        (lambda s: s.update(kind="truth"), "'scores.*kind' is 'truth', expected one of exact"),
        (lambda s: s.update(standard_error=-1.0), "is negative"),
        (lambda s: s.update(level=95), "is no share"),
        (lambda s: s.update(n_samples=-1), "fewer than no examples"),
        (lambda s: s.update(value="1"), "'score.value' is str"),
        (lambda s: s.update(rank=math.nan), "NaN is no number of JSON"),
        (lambda s: s.update(value=math.inf), "Infinity is no number"),
    ],
)  # fmt: skip
def test_a_number_that_does_not_hold(
    members: Members, tmp_path: Path, change: Callable[[dict], Any], said: str
) -> None:
    refused(written(tmp_path / "a.zip", scored(members, change)), said)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda r: r.update(started_at="2999-01-01T00:00:00+00:00"), "is in the future"),
        (lambda r: r.update(started_at="0000-00-00"), "expected a time such as"),
        (lambda r: r.update(started_at="yesterday"), "expected a time such as"),
        (lambda r: r.update(started_at="2026-01-01T00:00:00"), "no time zone"),
        (lambda r: r.update(status="failed"), "it has scores or no error"),
        (lambda r: r.update(error={"type": "x"}), "status is ok, and it has an error"),
        (lambda r: r.update(status="fine"), "'status' is 'fine', expected one of"),
        (lambda r: r["seeds"].update(train=1), "'seeds.train' is not the one that seed"),
        (lambda r: r.update(environment="e1"), "its environment is not in the bundle"),
        (lambda r: r.pop("run_id"), "'run_id' is missing"),
        (lambda r: r["scores"].append(3), "a score is no object"),
    ],
)
def test_a_record_that_does_not_hold(
    members: Members, tmp_path: Path, change: Callable[[dict], Any], said: str
) -> None:
    refused(written(tmp_path / "a.zip", spoilt(members, change, ok(members))), said)


def test_more_machines_than_anyone_has(members: Members, tmp_path: Path) -> None:
    """A score is looked up on each: their number is how long that takes."""
    [name] = [n for n in members if n.startswith("environments/")]
    found = json.loads(members[name])
    more = [{**found, "cores": n} for n in range(1, 102)]
    extra = {f"environments/{content_hash(e)}.json": json.dumps(e).encode() for e in more}
    path = written(tmp_path / "a.zip", sealed({**members, **extra}))
    refused(path, "it was measured on 10[12] machines, beyond 100")


def test_a_text_that_would_fill_the_memory(members: Members, tmp_path: Path) -> None:
    key = records_of(members)[ok(members)]["trial"]
    lists = b'{"a":[' + b"[]," * 3_000_000 + b"[]]}"
    path = written(tmp_path / "a.zip", sealed({**members, f"trials/{key}/points.json": lists}))
    refused(path, "points.json': it unpacks to 9,000,010 bytes, expected at most 8,388,608")
    line = json.dumps({"a": "x" * (1 << 23)}).encode() + b"\n"
    path = written(tmp_path / "b.zip", sealed({**members, RECORDS: members[RECORDS] + line}))
    refused(path, "'records.jsonl': line 5 is longer than any record")


def test_an_environment_that_is_not_its_own(members: Members, tmp_path: Path) -> None:
    name = next(n for n in members if n.startswith("environments/"))
    other = json.dumps({**json.loads(members[name]), "cpu": "a faster one"}).encode()
    path = written(tmp_path / "a.zip", sealed({**members, name: other}))
    refused(path, f"'{name}': its content does not hash to its name")


class Payload:
    def __reduce__(self) -> tuple[Any, ...]:
        return (print, ("a program of a stranger's ran",))


def test_pickled_weights(
    members: Members, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = records_of(members)[ok(members)]["trial"]
    weights = pickle.dumps(Payload())
    for name in ("checkpoint/model.pt", "weights.pkl", "samples.npy", "pytorch_model.bin"):
        path = written(tmp_path / "a.zip", sealed({**members, f"trials/{key}/{name}": weights}))
        refused(path, "no such member: weights, and pickles above all, are not submitted")
    samples = {key: {"sha256": "0" * 64, "size": 1}}
    for name in ("samples.safetensors", "per_example.safetensors"):
        made = sealed({**members, f"trials/{key}/{name}": weights}, samples=samples)
        refused(written(tmp_path / "b.zip", made), "no safetensors file: it is a pickle")
    made = sealed({**members, f"trials/{key}/samples.png": weights})
    refused(written(tmp_path / "c.zip", made), "no PNG picture: it is a pickle")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("samples.png", b"<svg onload=alert(1)>", "no PNG"),
        ("samples.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + b"\xff" * 8, "4,294,967,295 pixels"),
        ("points.json", b"[1]", "no JSON object"),
        ("points.json", b'{"samples": NaN}', "NaN"),
        ("curve.jsonl", b'{"step": 1}\n3\n', "line 2 is no JSON object"),
        ("curve.jsonl", b'{"step": Infinity}', "line 1: Infinity"),
        ("samples.txt", b"\xff\xfe\xff", "not text in UTF-8"),
        ("per_example.safetensors", save({"nll": np.array([np.nan])}), "not finite"),
        ("per_example.safetensors", save({"nll": np.zeros((2, 2))}), r"expected F64 \[n\]"),
        ("per_example.safetensors", save({"nll": np.zeros(2, "float32")}), "expected F64"),
        ("per_example.safetensors", b"\xff" * 64, "no safetensors file"),
        ("neighbours.json", b"[" * 10**5, "nested too deeply"),
    ],
)  # fmt: skip
def test_a_file_that_is_not_what_its_name_says(
    members: Members, tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    key = records_of(members)[ok(members)]["trial"]
    path = written(tmp_path / "a.zip", sealed({**members, f"trials/{key}/{name}": content}))
    refused(path, f"{name}': .*{said}")


def test_two_submissions_of_one_trial_count_once(members: Members, tmp_path: Path) -> None:
    """The later on the command line wins, as with run folders, and a stranger's is said to."""

    def better(score: dict) -> None:
        score.update(value=score["value"] * 0.5, low=None, high=None)

    first = written(tmp_path / "a.zip", members)
    second = written(tmp_path / "b.zip", scored(members, better))
    alike = gather([open_bundle(first), open_bundle(first)])
    assert len(alike.trials) == len(records_of(members))
    assert alike.warnings == []
    runs = gather([open_bundle(first), open_bundle(second)])
    assert len(runs.trials) == len(alike.trials)
    [warning] = runs.warnings
    assert f"in '{second}' than in '{first}': the former count" in warning
    assert "(gmm on points/moons) has other values of" in warning


def test_content_hashes_are_the_harness_own(members: Members) -> None:
    """What is verified is what was computed: the environment's id, as provenance makes it."""
    for name, content in members.items():
        if name.startswith("environments/"):
            assert name == f"environments/{content_hash(json.loads(content))}.json"


def test_a_run_folder_is_no_bundle(finished: Path) -> None:
    assert RunStore.open(finished).records()
    with pytest.raises(GengaugeError, match="there is no bundle"):
        open_bundle(finished)
