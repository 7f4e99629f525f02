"""A table through the command line: likelihoods, classes, distances and the page."""

import json
import subprocess

import pytest
from agreement import undocumented
from tests_support import command_line, environment

MODELS = ("naive-bayes", "flow[kind=realnvp,transforms=2,hidden=32]", "real", "noise")
SUITES = ("likelihood", "fidelity", "alignment", "utility")


@pytest.fixture(scope="module")
def scores(tmp_path_factory):
    folder = tmp_path_factory.mktemp("table")
    chosen = [part for m in MODELS for part in ("-m", m)]
    suites = [part for s in SUITES for part in ("-s", s)]
    done = subprocess.run(
        command_line("run", "-d", "table/breast-cancer", *chosen, *suites, "--budget",
                     "100 steps", "-o", "run"),
        cwd=folder, env=environment(), capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert (folder / "run/report.html").read_text("utf-8").count("table/breast-cancer") > 1
    lines = (folder / "run/records.jsonl").read_text().splitlines()
    return {
        (record["model"]["base"], score["metric"]): score
        for record in map(json.loads, lines)
        for score in record["scores"]
    }


def test_every_score_is_a_documented_number_or_has_a_reason(scores):
    assert not any(s["failed"] for s in scores.values())
    for (_, metric), score in scores.items():
        if score["value"] is None:
            assert score["unscored_reason"]
        else:
            assert undocumented(metric, score["kind"], score["interval_method"]) == ""


def test_naive_bayes_answers_everything_a_table_asks(scores):
    given, plain = (scores["naive-bayes", m]["value"] for m in ("nll_given_class", "nll"))
    assert given < plain
    assert scores["naive-bayes", "accuracy"]["value"] > 0.9
    assert scores["naive-bayes", "cas"]["value"] > 0.85
    assert scores["flow", "nll"]["high"] < scores["naive-bayes", "nll"]["low"]
    assert scores["flow", "nll_given_class"]["value"] is None


def test_real_rows_are_nearer_than_noise(scores):
    for metric in ("w2", "sliced_w2", "mmd", "energy_distance", "c2st"):
        real, noise = (scores[model, metric] for model in ("real", "noise"))
        assert real["high"] < noise["low"], metric
