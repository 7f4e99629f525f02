"""Model pages and files for programs, from the run that the other reports are tested on."""

from __future__ import annotations

import csv
import io
import json

import pytest
from leaderboards import board_of, record, records_of, score

from gengauge.gather import gather
from gengauge.store import COLUMNS, RunStore
from gengauge_reports import tidy
from gengauge_reports.leaderboard import Leaderboard, leaderboard
from gengauge_reports.leaderboard.downloads import downloads
from gengauge_reports.leaderboard.pages import ModelPage, model_page


@pytest.fixture
def board(run: RunStore) -> Leaderboard:
    return leaderboard(gather([run]))


@pytest.fixture
def vae(board: Leaderboard) -> ModelPage:
    return model_page(board, "vae")


def test_a_page_says_what_the_model_is_and_where_it_stands(vae):
    assert (vae.entrant.label, vae.parameters, vae.code) == (
        "vae", {"latent": 16}, "gengauge==0.1.0+abc",
    )  # fmt: skip
    stands = {(b.dataset, b.column.metric): s for b, s in vae.standings}
    assert stands["digits", "bits_per_dim"].estimate.value == pytest.approx(2.123)
    assert stands["points/moons", "nll"].estimate.kind == "lower_bound"
    assert vae.environments["e1"]["cpu"] == "Example CPU"


def test_a_page_has_the_exact_command_of_every_trial(vae, run):
    recorded = {r["command"] for r in run.records() if r["model"]["id"] == "vae"}
    assert {r.command for r in vae.reproductions} == recorded
    assert [r.seeds for r in vae.reproductions] == [(0,), (1,), (0,)]
    assert {r.code for r in vae.reproductions} == {"gengauge==0.1.0+abc"}


def test_a_page_has_the_pictures_of_its_model_alone(vae):
    digits, moons = vae.artifacts
    assert [g["role"] for g in digits.grids] == ["data", "model"]
    assert [len(c["lines"]) for c in digits.curves] == [2]
    assert [c["title"] for c in moons.clouds] == ["data", "vae"]
    assert moons.grids == []


def test_a_model_that_failed_and_a_control_have_pages_too(board):
    gan = model_page(board, "gan")
    assert {s.reason for _, s in gan.standings} == {
        "diverged: DivergedError: the loss was nan at step 131 | </script>"
    }
    assert gan.trials[0]["status"] == "diverged"
    assert model_page(board, "real").entrant.control


def test_a_hostile_name_has_a_harmless_slug(board, hostile):
    (entrant,) = (e for e in board.entrants if e.id == hostile)
    assert entrant.label == hostile
    assert entrant.slug == "script-alert-1-script"
    assert model_page(board, entrant.slug).entrant == entrant


def read(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode())))


def test_every_table_is_there_twice_and_says_the_same(board):
    found = dict(downloads(board))
    boards = [b for d in board.datasets for b in d.boards]
    assert {f"boards/{b.slug}.csv" for b in boards} <= set(found)
    assert {f"aggregates/{a.slug}.json" for a in board.aggregates} <= set(found)
    assert {"datasets/digits.csv", "histories.json", "scores.csv"} <= set(found)
    for name in [n for n in found if n.endswith(".csv")]:
        lines, objects = read(found[name]), json.loads(found[name.replace(".csv", ".json")])
        assert len(lines) == len(objects)
        for line, thing in zip(lines, objects, strict=True):
            assert list(line) == list(thing)
            assert all(line[k] == "" for k, v in thing.items() if v is None), name
            numbers = {k: v for k, v in thing.items() if isinstance(v, float)}
            assert {k: float(line[k]) for k in numbers} == numbers


def test_a_board_as_objects(board):
    found = dict(downloads(board))
    name = next(b.slug for b in board.datasets[0].boards if b.column.metric == "bits_per_dim")
    lines = json.loads(found[f"boards/{name}.json"])
    by_model = {line["slug"]: line for line in lines}
    assert [line["slug"] for line in lines][:2] == ["flow", "vae"]
    assert (by_model["flow"]["rank_low"], by_model["flow"]["rank_of"]) == (1, 2)
    assert by_model["vae"]["kind"] == "upper_bound"
    assert by_model["vae"]["seeds"] == [0, 1]
    assert by_model["gan"]["value"] is None
    assert by_model["gan"]["reason"].startswith("diverged")
    assert by_model["real"]["control"] is True
    assert by_model["real"]["rank_low"] is None


def test_the_wide_table_has_a_line_a_model_and_a_column_a_board(board):
    lines = json.loads(dict(downloads(board))["datasets/digits.json"])
    assert len(lines) == len(board.datasets[0].rows)
    assert {b.slug for b in board.datasets[0].boards} <= lines[0].keys()


def test_scores_are_the_tidy_table(board, run):
    found = dict(downloads(board))
    assert json.loads(found["scores.json"]) == json.loads(tidy.render_json([run]))
    assert read(found["scores.csv"])[0].keys() == set(COLUMNS)


def test_the_same_records_give_the_same_bytes(board, run):
    assert list(downloads(leaderboard(gather([run])))) == list(downloads(board))


def test_no_cell_of_a_csv_is_a_formula():
    made = [
        record(name, "=moons", [score("fd", 1.0)], model={"family": "@SUM(A1)", "version": version})
        for name in ("=1+1", "-2") for version in ("+1", "+2")
    ]  # fmt: skip
    for name, content in downloads(board_of(*made)):
        if name.endswith(".csv"):
            cells = [c for row in csv.reader(io.StringIO(content.decode())) for c in row if c]
            assert [c for c in cells if c[0] in "=+@-" and not _number(c)] == []


def _number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def test_what_is_incomplete_says_what_it_lacks():
    cells = {m: {("one", "fd"): v, ("two", "fd"): v} for m, v in (("a", 1.0), ("b", 2.0))}
    cells["c"] = {("one", "fd"): 3.0}
    found = dict(downloads(board_of(*records_of(cells))))
    lines = json.loads(found["aggregates/fidelity-over-data-sets.json"])
    assert [(x["model"], x["complete"], x["mean_rank"], x["missing"]) for x in lines] == [
        ("a", True, 1.0, []), ("b", True, 2.0, []), ("c", False, None, ["two-fd-key-fd"]),
    ]  # fmt: skip
