"""Rows of samples that were given: what they are known by, what is asked of them, what is not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from scored import by_metric

from gengauge import cli
from gengauge.errors import NothingSelectedError, UsageError
from gengauge.store import RunStore

EYES = {"embedders": ("counting",)}


def test_a_trial_is_its_content_and_not_its_place(pictures, score, tmp_path):
    real = pictures("real", 200, seed=1)
    one = score(pictures("mine", 150), real, "a", **EYES)
    moved = score(pictures("elsewhere/mine", 150), real, "b", **EYES)
    assert one["trial"] == moved["trial"]
    values = [
        [(s["metric"], s["value"], s["comparability_key"]) for s in r["scores"]]
        for r in (one, moved)
    ]
    assert values[0] == values[1]
    other = score(pictures("other/mine", 150, seed=5), real, "c", **EYES)
    assert other["trial"] != one["trial"]
    assert one["model"]["family"] == "samples"
    assert one["model"]["checkpoint_sha256"] == one["given"]["sha256"]
    assert (one["given"]["n"], one["dataset"]["n_test"]) == (150, 200)
    assert one["given"]["path"].endswith("mine.bytes")
    keys = {s["comparability_key"] for r in (one, other) for s in r["scores"]
            if s["metric"] == "fd"}  # fmt: skip
    assert len(keys) == 1


def test_the_same_file_with_labels_is_another_trial(pictures, score):
    real = pictures("real", 200, seed=1)
    bare = score(pictures("mine", 150), real, "a", **EYES)
    known = score(pictures("mine", 150, labels=[0, 1] * 75), real, "b", **EYES)
    assert bare["trial"] != known["trial"]


def test_labels_and_captions_beside_samples_are_what_they_were_asked_for(pictures, score):
    dark, light = pictures("dark", 60, light=-60), pictures("light", 60, light=60)
    both = dark.with_name("both.bytes")
    both.write_bytes(dark.read_bytes() + light.read_bytes())
    right = [0] * 60 + [1] * 60
    both.with_suffix(".labels").write_text("\n".join(map(str, right)))
    both.with_suffix(".captions").write_text("dark\n" * 60 + "light\n" * 60)
    real = pictures("real", 120, seed=3, labels=[0, 1] * 60)
    found = by_metric(score(both, real, **EYES))
    assert found["class_accuracy"]["value"] == 1.0
    assert found["class_accuracy"]["n_samples"] == 120
    assert found["clip_score"]["value"] is not None
    assert found["cas"]["value"] is not None
    both.with_suffix(".labels").write_text("\n".join(map(str, right[::-1])))
    swapped = by_metric(score(both, real, "swapped", **EYES))
    assert swapped["class_accuracy"]["value"] == 0.0
    key = "comparability_key"
    assert swapped["class_accuracy"][key] != found["class_accuracy"][key]
    assert swapped["fd"][key] == found["fd"][key]


def test_controls_are_asked_for_what_the_samples_were_asked_for(pictures, registry, tmp_path):
    from gengauge.scoring import score_samples

    labels = [0, 1, 1] * 30
    mine = pictures("mine", 90, labels=labels)
    real, apart = (pictures(n, 90, seed=i, labels=[0, 1] * 45) for i, n in enumerate(("r", "h")))
    store = score_samples([str(mine)], str(real), str(tmp_path / "run"), registry=registry,
                          held_out=str(apart), **EYES)  # fmt: skip
    found = {r["model"]["id"]: by_metric(r)["class_accuracy"] for r in store.records()}
    assert list(found) == ["mine", "real", "noise"]
    assert len({score["comparability_key"] for score in found.values()}) == 1


def test_what_needs_the_model_is_asked_for_by_name_only_and_says_so(pictures, score):
    mine, real = pictures("mine", 100), pictures("real", 100, seed=1)
    usual = score(mine, real, "a", **EYES)
    assert {s["suite"] for s in usual["scores"]} == {"fidelity", "memorisation"}
    asked = by_metric(score(mine, real, "b", suites=("likelihood", "alignment"), **EYES))
    assert asked["bits_per_dim"]["unscored_reason"].startswith("needs the model itself")


def test_labels_are_matched_by_the_names_of_classes(pictures, registry):
    from dataclasses import replace

    from gengauge.bringing import bring, labels_as
    from gengauge.data import Dataset, Split

    path = pictures("mine", 4, labels=[0, 1, 1, 0])
    found = bring(str(path), registry, "samples").only()
    part = Split(torch.zeros(1, 1, 8, 8), torch.zeros(1, dtype=torch.int64))
    data = Dataset("d", "image", part, part, part, 256, ("cat", "dog"))
    named = replace(found, class_names=("dog", "cat"))
    assert labels_as(named, "mine", data).labels.tolist() == [1, 0, 0, 1]
    numbered = replace(found, class_names=("1", "0"))  # labels 1 and 0 of an array, by their names
    assert labels_as(numbered, "mine", data).labels.tolist() == [1, 0, 0, 1]
    with pytest.raises(UsageError, match="unknown class 'dgo'; did you mean 'dog'"):
        labels_as(replace(found, class_names=("dgo", "cat")), "mine", data)
    with pytest.raises(UsageError, match="labels 0 to 2, and the reference's 2 classes"):
        labels_as(replace(found, labels=torch.tensor([0, 1, 2, 0])), "mine", data)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pictures) -> Path:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    np.savez("points.npz", x=rng.normal(size=(60, 2)))
    np.savez("wide.npz", x=rng.normal(size=(60, 3)))
    bad = rng.normal(size=(60, 2))
    bad[17, 1] = np.nan
    np.savez("nan.npz", x=bad)
    np.savez("objects.npz", x=np.array([[{}, {}]] * 20))
    Path("cut.npz").write_bytes(Path("points.npz").read_bytes()[:300])
    np.savez("empty.npz", x=np.zeros((0, 2)))
    pictures("mine", 60)
    Path("none.bytes").touch()
    Path("notes.pdf").touch()
    return tmp_path


@pytest.mark.parametrize(
    ("samples", "reference", "said"),
    [
        ("nan.npz", "points.npz", "row 17 of 'x' in 'nan.npz' is not finite"),
        ("points.npz", "nan.npz", "row 17 of 'x' in 'nan.npz' is not finite"),
        ("wide.npz", "points.npz", r"'wide.npz' holds examples of shape \[3\], and 'points.npz' "
         r"\[2\]"),
        ("mine.bytes", "points.npz", "'mine.bytes' is of image, and 'points.npz' points"),
        ("mine.bytes", "digits", r"shape \[1, 8, 8\]|has 256 levels, and 'digits' 17 levels; "
         "convert one of them, or use the options side"),
        ("mine.bytes[side=4]", "mine.bytes", r"shape \[1, 4, 4\], and 'mine.bytes' \[1, 8, 8\]"),
        ("mine.bytes[sied=4]", "mine.bytes", "unknown option of bytes 'sied'; did you mean 'side'"),
        ("objects.npz", "points.npz", "is of Python objects.*give --trust"),
        ("cut.npz", "points.npz", "'cut.npz' is no whole zip archive"),
        ("empty.npz", "points.npz", r"shape \[0, 2\]"),
        ("none.bytes", "mine.bytes", "'none.bytes' holds no samples"),
        ("mine.bytes", "none.bytes", "expected examples in one part"),
        ("gone.npz", "points.npz", "samples 'gone.npz' is not there; give a path that ends in"),
        ("notes.pdf", "points.npz", "'notes.pdf' cannot be read by its ending; known endings"),
        ("points.npz", "gone.npz", "reference 'gone.npz' is no file or folder: unknown dataset"),
        ("points.npz", "digit", "did you mean 'digits'"),
        ("points.npz", "npz:", "'npz' reads a file of yours"),
    ],
)  # fmt: skip
def test_what_cannot_be_scored_is_said_in_a_line(samples, reference, said, files, score):
    options = EYES if "bytes" in samples and reference != "digits" else {}
    with pytest.raises(UsageError, match=said) as error:
        score(samples, reference, **options)
    assert "\n" not in str(error.value)
    assert not (files / "run" / "records.jsonl").exists()


def test_an_unreadable_file_is_named(files, score):
    if not Path("/proc/self").exists():
        pytest.skip("needs a system that lets root be refused")
    link = files / "loop.npz"
    link.symlink_to(link)
    with pytest.raises(UsageError, match=r"loop.npz"):
        score(link, "points.npz")


def test_embedders_that_do_not_fit_are_said(files, score):
    with pytest.raises(UsageError, match=r"the embedder 'digits' takes image, not points"):
        score("points.npz", "points.npz", embedders=("digits",))
    with pytest.raises(NothingSelectedError, match=r"name an --embedder .*counting"):
        score("mine.bytes", "mine.bytes")


def test_two_rows_of_one_name_need_names(files, registry):
    from gengauge.scoring import open_scoring

    pair = ["points.npz", "./points.npz"]
    with pytest.raises(UsageError, match=r"two rows are called 'points'; give each its --name"):
        open_scoring(pair, "points.npz", "run", registry=registry)
    opened = open_scoring(pair, "points.npz", "run", registry=registry, names=["a", "b"])
    assert [row["row"] for row in opened.planned()] == ["a", "b", "real", "noise"]
    with pytest.raises(UsageError, match="3 names were given for 2 samples"):
        open_scoring(pair, "points.npz", "run", registry=registry, names=["a", "b", "c"])


def run(*arguments: object) -> int:
    return cli._run([*map(str, arguments)])


def test_the_command_scores_beside_controls_and_again_does_nothing(files, capsys, registry):
    rng = np.random.default_rng(1)
    np.savez("real.npz", train=rng.normal(size=(200, 2)), validation=rng.normal(size=(80, 2)),
             test=rng.normal(size=(100, 2)))  # fmt: skip
    command = ("score", "points.npz", "--reference", "real.npz", "--name", "mine", "-s",
               "fidelity", "--embedder", "identity", "-o", "run")  # fmt: skip
    assert run(*command, "--dry-run") == 0
    assert capsys.readouterr().out.split()[:8] == [
        "row", "reference", "samples", "scores", "mine", "npz:real.npz", "60", "13"
    ]  # fmt: skip
    assert not Path("run").exists()
    assert run(*command) == 0
    said = capsys.readouterr()
    assert "[3/3] noise on npz:real.npz" in said.err
    found = {r["model"]["id"]: r for r in RunStore("run").records()}
    assert list(found) == ["mine", "real", "noise"]
    keys = {by_metric(r)["fd"]["comparability_key"] for r in found.values()}
    assert len(keys) == 1  # floor and ceiling stand in one column with the samples
    fd = {name: by_metric(r)["fd"]["value"] for name, r in found.items()}
    assert fd["real"] < fd["noise"]
    assert found["mine"]["command"] == (
        "gengauge score points.npz --reference real.npz --suite fidelity --embedder identity "
        "--name mine"
    )
    lines = Path("run/records.jsonl").read_text()
    assert run("reproduce", "run", "-m", "mine") == 2
    assert "score the same files again and compare: gengauge score" in capsys.readouterr().err
    assert run(*command) == 0
    assert Path("run/records.jsonl").read_text() == lines
    assert "mine is scored already" in capsys.readouterr().err
    assert run("report", "run", "--format", "json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert {r["model"] for r in rows} == {"mine", "real", "noise"}
    assert Path("run/report.html").stat().st_size > 10_000
    assert run("submit", "run", "-o", "run.zip") == 0
    assert run("publish", "run.zip", "--to", "site", "-o", "site") == 0
    assert run("compare", "run", "run.zip", "--gate", "fd:5%") == 0


def test_a_reference_in_one_part_takes_real_examples_from_elsewhere(files, capsys):
    command = ("score", "points.npz", "--reference", "points.npz", "-s", "fidelity", "-o")
    assert run(*command, "alone", "--name", "mine") == 0
    assert "no row real: it needs real examples apart" in capsys.readouterr().err
    assert [r["model"]["id"] for r in RunStore("alone").records()] == ["mine", "noise"]
    rng = np.random.default_rng(2)
    np.savez("held-out.npz", x=rng.normal(size=(90, 2)))
    assert run(*command, "both", "--name", "mine", "--held-out", "held-out.npz") == 0
    found = {r["model"]["id"]: r for r in RunStore("both").records()}
    assert list(found) == ["mine", "real", "noise"]
    assert (
        by_metric(found["real"])["w2"]["n_samples"] == by_metric(found["mine"])["w2"]["n_samples"]
    )
