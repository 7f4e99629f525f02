"""What models make of captions, claim by claim, and the images beside their captions."""

from __future__ import annotations

import base64
import json

import pytest

from gengauge.gather import gather
from gengauge_reports import html
from gengauge_reports.asked import captioned, claims
from gengauge_reports.ranking import tables

PNG = base64.b64encode(b"\x89PNG a small picture").decode()
HOSTILE = '"><script>alert(2)</script>'


def only(factory):
    runs = gather([factory.store])
    (table,) = tables(runs)
    return table, runs.trials


def details(shape, relation=None, **more):
    by_attribute = {"shape": shape} | ({} if relation is None else {"relation": relation})
    claimed = dict.fromkeys(by_attribute, 9)
    return {"by_attribute": by_attribute, "claimed": claimed, "kinds": list(by_attribute), **more}


@pytest.fixture
def asked(factory, make_score):
    """A model of two seeds, the control ``real``, and a model that takes no captions."""
    chance = {"chance": 0.01, "chance_by_attribute": {"shape": 0.25, "relation": 0.4}}
    for seed, (value, shape) in enumerate([(0.2, 0.5), (0.4, 0.7)]):
        score = make_score("recall", value, 0.1, details=details(shape, 0.6, **chance))
        made = factory.add("painter", [score], seed=seed)
        draw(factory, made, {"a red star": PNG, HOSTILE: PNG})
    score = make_score("recall", 0.9, 0.1, details=details(1.0, **chance))
    draw(factory, factory.add("real", [score], control=True), {"a red star": PNG})
    factory.add("deaf", [make_score("fd", 1.0, 0.1)])
    return factory


def draw(factory, made, images):
    folder = factory.store.trial_folder(made["trial"])
    folder.mkdir(parents=True, exist_ok=True)
    rows = [{"caption": caption, "png": png} for caption, png in images.items()]
    (folder / "captioned.json").write_text(json.dumps({"rows": rows}))


def test_claims_are_means_over_seeds_with_chance_beneath(asked):
    table, _ = only(asked)
    (board,) = claims(table)
    assert board["title"] == "recall"
    assert board["kinds"] == ["shape", "relation", "all of it"]
    painter, real, chance = board["rows"]
    assert painter["title"] == "painter"
    assert painter["shares"] == pytest.approx([0.6, 0.6, 0.3])
    assert real["shares"] == [1.0, None, 0.9]
    assert (chance["role"], chance["shares"]) == ("chance", [0.25, 0.4, 0.01])


def test_scores_that_claim_nothing_have_no_board(factory, make_score):
    factory.add("gmm", [make_score("fd", 1.0, 0.1, details={"by_attribute": {"shape": 1.0}})])
    table, trials = only(factory)
    assert claims(table) == []
    assert captioned(table, trials) is None
    page = html.render([factory.store])
    assert b"claim by claim" not in page
    assert b"Captions and images" not in page


def test_images_stand_beside_their_captions_real_ones_first(asked):
    table, trials = only(asked)
    folder = asked.store.dataset_folder("digits")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "captioned.json").write_text(
        json.dumps({"rows": [{"caption": "a red star", "png": PNG}]})
    )
    shown = captioned(table, trials)
    assert [(s["title"], s["role"]) for s in shown["sheets"]] == [
        ("data", "data"), ("painter", "model"), ("real", "control"),
    ]  # fmt: skip
    assert shown["captions"] == ["a red star", HOSTILE]
    assert HOSTILE not in shown["sheets"][0]["images"]


def test_what_was_asked_for_is_text_on_the_page(asked):
    page = html.render([asked.store]).decode()
    assert "recall, claim by claim" in page
    assert 'style="--share: 60.0%">60.0 %' in page
    assert "<script>alert(2)" not in page
    assert "&lt;script&gt;alert(2)" in page
    assert page.count(f"data:image/png;base64,{PNG}") == 3


def test_a_picture_that_is_no_base64_is_left_out(asked):
    for path in asked.store.folder.rglob("captioned.json"):
        rows = [{"caption": "x", "png": 'AA" onerror="alert(3)'}]
        path.write_text(json.dumps({"rows": rows}))
    table, trials = only(asked)
    assert captioned(table, trials) is None
    assert b"alert(3)" not in html.render([asked.store])
