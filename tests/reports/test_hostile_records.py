"""Run folders of strangers: what a record says never leaves the run and never ends a report."""

from __future__ import annotations

import copy
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gengauge.registry import Registry
from gengauge.rendering import render
from gengauge.store import RunStore

LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.just(10**400), st.just(-1), st.just(1e308),
    st.floats(allow_nan=False), st.text(max_size=20), st.just("../../etc/passwd"),
    st.just("/etc/passwd"), st.just("a\0b"), st.just("\x1b]0;x\x07"), st.just("\ud800"),
)  # fmt: skip
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner,
                                                                max_size=3),
    max_leaves=5,
)  # fmt: skip
HUGE = b'{"trial":' + b"[" * 100_000 + b"]" * 100_000 + b"}\n"


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry()


def places(content: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place of a JSON document."""
    inner = content.items() if isinstance(content, dict) else enumerate(content)
    found = []
    for key, value in inner if isinstance(content, dict | list) else ():
        found.append((*path, key))
        if isinstance(value, dict | list):
            found += places(value, (*path, key))
    return found


@st.composite
def changed(draw: st.DrawFn, document: Any) -> Any:
    """The document with one to three of its parts replaced or left out."""
    made = copy.deepcopy(document)
    for _ in range(draw(st.integers(1, 3))):
        *way, last = draw(st.sampled_from(places(made) or [(0,)]))
        inside = made
        for key in way:
            inside = inside[key]
        if draw(st.booleans()) and isinstance(inside, dict):
            inside.pop(last, None)
        elif isinstance(inside, dict | list) and inside:
            inside[last] = draw(VALUES)
    return made


def hardened(run: RunStore, line: bytes, formats: tuple[str, ...], registry: Registry) -> None:
    """Add a line to a run, render it, take the line away; the rest is in the report."""
    path = run.folder / "records.jsonl"
    before = path.read_bytes()
    path.write_bytes(before + line + b"\n")
    try:
        for format_ in formats:
            content = render(registry, format_, [RunStore.open(run.folder)])
            assert b"flow" in content
        store = RunStore.open(run.folder)
        n = len(store.records())
        assert len(store.frame())
    finally:
        path.write_bytes(before)
    whole = len(RunStore.open(run.folder).records())
    assert n >= whole
    assert n > whole or store.warnings or json.loads(line)["trial"] in line.decode()


def rich(run: RunStore) -> dict[str, Any]:
    """A record with all that figures are drawn of, under a key of its own."""
    record = copy.deepcopy(run.records()[0])
    record["trial"] = "f" * 12
    record["scores"][0]["details"] = {
        "front": [{"steps": 5, "evaluations": 5.0, "value": 1.0, "low": 0.9, "high": 1.1}],
        "by_batch_size": {"1": 2.0}, "claimed": 4, "by_attribute": {"shape": 0.5},
        "chance_by_attribute": {"shape": 0.1}, "kinds": ["shape"], "quality": "FD",
    }  # fmt: skip
    return record


RELAXED = settings(
    max_examples=80, deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip


@RELAXED
@given(data=st.data())
def test_any_change_of_a_record_is_shown_or_left_out(
    run: RunStore, registry: Registry, data: st.DataObject
) -> None:
    record = data.draw(changed(rich(run)))
    line = json.dumps(record).encode()
    hardened(run, line, ("md", "csv", "json", "terminal"), registry)


@settings(RELAXED, max_examples=12)
@given(data=st.data())
def test_the_pages_survive_any_change_too(
    run: RunStore, registry: Registry, data: st.DataObject
) -> None:
    line = json.dumps(data.draw(changed(rich(run)))).encode()
    hardened(run, line, ("html", "atlas"), registry)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"trial": "../../../etc"}, "cannot name a folder"),
        ({"trial": "/etc"}, "cannot name a folder"),
        ({"trial": "a\0b"}, "cannot name a folder"),
        ({"trial": ".."}, "cannot name a folder"),
        ({"scores": {}}, "'status' or 'scores' is missing"),
        ({"model": {"id": 3, "family": "f"}}, "'model' has no id"),
        ({"position": "first"}, "'position' is str, expected int or null"),
        ({"position": 10**90}, "'position' is float, expected int or null"),
        ({"timing": {"train": True}}, "'timing.train' is bool"),
    ],
)
def test_a_hostile_record_is_left_out_and_said(
    run: RunStore, change: dict[str, Any], said: str
) -> None:
    before = len(run.records())
    run.append({**rich(run), **change})
    assert len(run.records()) == before
    assert said in run.warnings[0]


@pytest.mark.parametrize("line", [HUGE, b'{"trial": NaN}', b"\xff\xfe", b"1e999"])
def test_what_is_no_record_is_left_out(run: RunStore, line: bytes) -> None:
    before = run.records()
    with (run.folder / "records.jsonl").open("ab") as file:
        file.write(line + b"\n")
    assert run.records() == before
    assert len(run.warnings) == 1


def test_a_line_that_is_too_long_is_left_out(
    run: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gengauge.guarded.LINE", 10)
    assert run.records() == []
    assert run.warnings


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret.txt"
    path.write_text("the password is swordfish")
    return path


def test_links_out_of_the_run_are_not_followed(
    run: RunStore, registry: Registry, secret: Path
) -> None:
    """A folder that was sent to us must not put our files into a page we publish."""
    [vae] = [r["trial"] for r in run.records() if r["model"]["id"] == "vae"][:1]
    folder = run.trial_folder(vae)
    picture = (folder / "samples.png").read_bytes()
    inside = run.folder / "kept.txt"
    inside.write_text("a text of the run's own")
    (folder / "samples.txt").symlink_to(secret)
    page = render(registry, "html", [run])
    assert b"swordfish" not in page
    (folder / "samples.txt").unlink()
    (folder / "samples.txt").symlink_to(inside)
    assert b"a text of the run" in render(registry, "html", [run])

    elsewhere = secret.parent / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "samples.txt").write_text("swordfish")
    (elsewhere / "samples.png").write_bytes(picture)
    (run.folder / "trials").rename(run.folder / "before")
    (run.folder / "trials").mkdir()
    (run.folder / "trials" / vae).symlink_to(elsewhere)
    assert b"swordfish" not in render(registry, "html", [run])


def test_pipes_loops_and_nonsense_beside_a_record_are_passed_over(
    run: RunStore, registry: Registry
) -> None:
    keys = [r["trial"] for r in run.records() if r["status"] == "ok"]
    for key, content in zip(keys, ("[1]", "{", '{"samples": 3}', '{"density": [1]}'), strict=False):
        folder = run.trial_folder(key)
        folder.mkdir(exist_ok=True)
        for name in ("points.json", "neighbours.json", "reconstructions.json", "captioned.json"):
            (folder / name).write_text(content)
        for name in ("neighbours.png", "reconstructions.png"):
            (folder / name).write_bytes(b"\x89PNG\r\n\x1a\n")
        (folder / "curve.jsonl").unlink(missing_ok=True)
        os.mkfifo(folder / "curve.jsonl")
        (folder / "samples.txt").symlink_to("samples.txt")
    assert b"flow" in render(registry, "html", [run])


def test_broken_meanings_and_environments_are_left_out(run: RunStore, registry: Registry) -> None:
    (run.folder / "metrics.json").write_text('{"fd": {"order": "x"}, "nll": 3}')
    (run.folder / "environments" / "e2.json").write_text("[" * 100_000)
    (run.folder / "environments" / "e3.json").write_text('{"packages": "x", "cpu": {"a": [1]}}')
    assert run.metrics() == {}
    assert {k: v for k, v in run.environments().items() if k != "e1"} == {"e2": {}, "e3": {}}
    assert b"flow" in render(registry, "html", [run])
