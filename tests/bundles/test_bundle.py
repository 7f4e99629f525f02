"""A submission is the run it was packed from: same records, same pages, same bytes."""

from __future__ import annotations

import gc
import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import fsspec
import jsonschema
import pytest
from bundled import members_of, ok, records_of, spoilt, written
from hypothesis import given, settings
from hypothesis import strategies as st

from gengauge.bundle import is_bundle, open_bundle
from gengauge.bundle.conforms import unlike
from gengauge.bundle.packed import pack
from gengauge.cli import main
from gengauge.errors import GengaugeError, NothingSelectedError, StorageError, UsageError
from gengauge.registry import Registry
from gengauge.rendering import render
from gengauge.schema import RECORD_SCHEMA
from gengauge.sources import open_source
from gengauge.store import RunStore


def test_what_was_packed_is_read_again(finished: Path, bundle: Path) -> None:
    run, submitted = RunStore.open(finished), open_bundle(bundle)
    assert submitted.records() == run.records()
    assert submitted.environments() == run.environments()
    assert submitted.address == str(bundle)
    assert submitted.manifest["counts"] == {
        "trials": 4, "failed": 2, "models": 2, "datasets": 1,
        "scores": sum(len(r["scores"]) for r in run.records()),
        "unscored": sum(s["value"] is None for r in run.records() for s in r["scores"]),
    }  # fmt: skip
    key = next(r["trial"] for r in run.records() if r["status"] == "ok")
    assert (submitted.per_example(key, "nll") == run.per_example(key, "nll")).all()
    assert submitted.frame().equals(run.frame())


@pytest.mark.parametrize("format_", ["csv", "md", "html"])
def test_a_report_of_a_submission_is_that_of_its_run(
    finished: Path, bundle: Path, format_: str
) -> None:
    registry = Registry()
    ours, theirs = (render(registry, format_, [open_source(str(p))]) for p in (finished, bundle))
    assert ours == theirs


def test_the_same_run_gives_the_same_bytes(finished: Path, tmp_path: Path) -> None:
    first = pack(RunStore.open(finished), tmp_path / "a.zip")
    shutil.copytree(finished, tmp_path / "copy")
    second = pack(RunStore.open(tmp_path / "copy"), tmp_path / "b.zip")
    content = (tmp_path / "a.zip").read_bytes()
    assert content == (tmp_path / "b.zip").read_bytes()
    assert first.sha256 == second.sha256 == hashlib.sha256(content).hexdigest()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.zip", "b.zip", "copy"]


def test_samples_are_there_as_digests_and_whole_on_request(finished: Path, tmp_path: Path) -> None:
    pack(RunStore.open(finished), tmp_path / "a.zip")
    members = members_of(tmp_path / "a.zip")
    told = json.loads(members["manifest.json"])["samples"]
    for record in records_of(members):
        name = f"trials/{record['trial']}/samples.safetensors"
        assert name not in members
        if record["status"] == "ok":
            content = (finished / name).read_bytes()
            digest = hashlib.sha256(content).hexdigest()
            assert told[record["trial"]] == {"sha256": digest, "size": len(content)}
    assert not any("checkpoint" in name or name.endswith(".txt") for name in members)


def test_one_model_alone(finished: Path, tmp_path: Path) -> None:
    done = pack(RunStore.open(finished), tmp_path / "a.zip", models=("gmm",))
    assert done.counts["trials"] == 2
    assert {r["model"]["id"] for r in open_bundle(done.path).records()} == {"gmm"}
    with pytest.raises(NothingSelectedError, match="no model 'vae'; it has draws-nan, gmm"):
        pack(RunStore.open(finished), tmp_path / "b.zip", models=("vae",))


def test_secrets_stay_at_home(finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished, tmp_path / "run")
    path = tmp_path / "run/records.jsonl"
    found = [json.loads(line) for line in path.read_text().splitlines()]
    for record in found:
        record["command_line"] = "gengauge run -o s3://me:swordfish@host/run --api-token hunter2"
        if record["error"]:
            record["error"]["message"] = "no access with hf_abcdefghijklmnopqrstuv"
    path.write_text("".join(json.dumps(r) + "\n" for r in found))
    (tmp_path / "run/trials" / found[0]["trial"] / "error.txt").write_text("swordfish")
    done = pack(RunStore.open(tmp_path / "run"), tmp_path / "a.zip", note="see ?sig=hunter2")
    everything = b"".join(members_of(done.path).values())
    for secret in (b"swordfish", b"hunter2", b"hf_abcdef"):
        assert secret not in everything
    assert b"s3://***@host/run --api-token ***" in everything


def test_a_secret_that_a_key_is_made_of_is_not_packed(finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished, tmp_path / "run")
    path = tmp_path / "run/records.jsonl"
    found = [json.loads(line) for line in path.read_text().splitlines()]
    found[0]["model"]["parameters"]["weights"] = "https://me:swordfish@host/w"
    path.write_text("".join(json.dumps(r) + "\n" for r in found))
    with pytest.raises(UsageError, match="a password or a token among its parameters") as error:
        pack(RunStore.open(tmp_path / "run"), tmp_path / "a.zip")
    assert "swordfish" not in str(error.value)
    assert not (tmp_path / "a.zip").exists()


def test_a_run_that_does_not_hold_is_not_packed(finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished, tmp_path / "run")
    path = tmp_path / "run/records.jsonl"
    path.write_text(path.read_text().replace('"seed": 0', '"seed": 7'))
    with pytest.raises(GengaugeError, match=r"a.zip' is refused: 'records.jsonl': line 1: the tri"):
        pack(RunStore.open(tmp_path / "run"), tmp_path / "a.zip")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["run"]


def test_what_is_broken_beside_a_record_is_left_out_and_said(
    finished: Path, tmp_path: Path
) -> None:
    shutil.copytree(finished, tmp_path / "run")
    key = next(r["trial"] for r in RunStore.open(finished).records() if r["status"] == "ok")
    (tmp_path / "run/trials" / key / "points.json").write_text("{")
    (tmp_path / "run/trials" / key / "samples.txt").symlink_to("/etc/hostname")
    done = pack(RunStore.open(tmp_path / "run"), tmp_path / "a.zip")
    assert [w for w in done.warnings if f"trials/{key}/points.json was left out" in w]
    assert f"trials/{key}/samples.txt" not in members_of(done.path)


def test_a_submission_is_not_written_to_and_leaves_nothing(bundle: Path, tmp_path: Path) -> None:
    store = open_bundle(bundle)
    folder = store.folder
    assert folder.stat().st_mode & 0o77 == 0
    with pytest.raises(StorageError, match="is a submission and is not written to"):
        store.append({"trial": "a"})
    with pytest.raises(StorageError, match="is a submission and is not written to"):
        store.save("report.html", b"")
    del store
    gc.collect()
    assert not folder.exists()


def test_what_is_a_bundle(finished: Path, bundle: Path, tmp_path: Path) -> None:
    shutil.copy(bundle, tmp_path / "named-otherwise")
    (tmp_path / "x.zip").write_bytes(b"")
    assert is_bundle(bundle)
    assert is_bundle(tmp_path / "named-otherwise")
    assert is_bundle(tmp_path / "x.zip")
    assert not is_bundle(finished)
    assert not is_bundle(finished / "records.jsonl")
    assert not is_bundle("s3://bucket/run.zip")
    with pytest.raises(UsageError, match="there is no bundle"):
        open_bundle(tmp_path / "none.zip")


def ran(*arguments: object) -> Any:
    """Run the command line in this process and return its exit code."""
    with pytest.raises(SystemExit) as ended:
        main(list(map(str, arguments)))
    return ended.value.code


def test_a_submission_may_lie_at_a_url(bundle: Path) -> None:
    with fsspec.open("memory://sent/run.zip", "wb") as file:
        file.write(bundle.read_bytes())
    with fsspec.open("memory://sent/cut.zip", "wb") as file:
        file.write(bundle.read_bytes()[:500])
    store = open_source("memory://sent/run.zip")
    assert store.address == "memory://sent/run.zip"
    assert store.records() == open_bundle(bundle).records()
    with pytest.raises(UsageError, match=r"cut.zip' is refused: "):
        open_source("memory://sent/cut.zip")


def test_the_verb(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    assert ran("submit", finished, "-o", "mine.zip", "--note", "by hand") == 0
    digest = hashlib.sha256((tmp_path / "mine.zip").read_bytes()).hexdigest()
    said = capsys.readouterr()
    assert said.out == f"{digest}  mine.zip\n"
    assert "4 trials (2 failed) of 2 models on 1 datasets" in said.err
    assert open_bundle(tmp_path / "mine.zip").manifest["note"] == "by hand"
    assert ran("submit", finished, "-m", "vae") == 5
    assert ran("submit", tmp_path / "nothing") == 2
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mine.zip"]


def test_reports_and_gates_take_submissions(
    bundle: Path, finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert ran("report", bundle, "--format", "html") == 2
    assert "is a submission and is not written to); give -o a file" in capsys.readouterr().err
    assert ran("report", bundle, "--format", "csv", "-o", tmp_path / "a.csv") == 0
    assert ran("report", finished, "--format", "csv", "-o", tmp_path / "b.csv") == 0
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    assert ran("compare", bundle, finished) == ran("compare", finished, finished) == 0
    (tmp_path / "cut.zip").write_bytes(bundle.read_bytes()[:999])
    assert ran("compare", finished, tmp_path / "cut.zip") == 2
    assert ran("compare", tmp_path / "cut.zip", finished) == 4


def test_publishing_takes_submissions_or_refuses_them_whole(
    bundle: Path, finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    out = tmp_path / "out"
    forged = members_of(bundle)
    forged["records.jsonl"] += b"{}\n"
    bad = written(tmp_path / "bad.zip", forged)
    assert ran("publish", bundle, bad, finished, "--to", "huggingface", "-o", out) == 2
    assert f"'{bad}' is refused: 'records.jsonl': its content is not" in capsys.readouterr().err
    assert not out.exists()
    wrong = spoilt(members_of(bundle), lambda r: r["benchmark"].update(version=9), nth=ok(forged))
    other = written(tmp_path / "other.zip", wrong)
    assert ran("publish", other, "--to", "huggingface", "-o", out) == 4
    assert "was not measured for what the record says" in capsys.readouterr().err
    assert not out.exists()
    assert ran("publish", bundle, finished, "--to", "huggingface", "-o", out) == 0
    card = (out / "gmm/README.md").read_text()
    assert "seeds 0, 1," in card  # a trial that both hold counts once
    assert "n_reference" in card


LEAVES = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([1.0, 1.5, "ok", "", "x"])
TREES = st.recursive(
    LEAVES,
    lambda t: (
        st.lists(t, max_size=2) | st.dictionaries(st.sampled_from(["id", "n"]), t, max_size=2)
    ),
    max_leaves=4,
)
SPOILS = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(RECORD_SCHEMA["properties"], TREES)
)  # fmt: skip
_VALIDATOR = jsonschema.Draft202012Validator(RECORD_SCHEMA)


@settings(max_examples=80, deadline=None, derandomize=True, database=None)
@given(changes=SPOILS, score=TREES, drop=st.sampled_from([None, *RECORD_SCHEMA["properties"]]))
def test_our_check_of_schemas_is_that_of_jsonschema(
    bundle: Path, changes: dict[str, Any], score: Any, drop: str | None
) -> None:
    record = GOOD.setdefault("record", records_of(members_of(bundle))[0])
    made = {**record, **changes}
    if isinstance(made["scores"], list):
        made["scores"] = [*made["scores"], score]
    made.pop(drop, None)
    assert bool(unlike(made, RECORD_SCHEMA)) == (not _VALIDATOR.is_valid(made))


GOOD: dict[str, Any] = {}


def test_real_records_conform(bundle: Path) -> None:
    for record in records_of(members_of(bundle)):
        assert unlike(record, RECORD_SCHEMA) == ""
        assert _VALIDATOR.is_valid(record)
