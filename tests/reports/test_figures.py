"""The gallery of nearest neighbours, the reconstructions, and quality against evaluations."""

from __future__ import annotations

import json

import pytest
from tests_support import until

from gengauge.gather import gather
from gengauge_reports import html
from gengauge_reports.fronts import fronts, gallery, reconstructions
from gengauge_reports.ranking import tables


def only(factory):
    (table,) = tables(gather([factory.store]))
    return table


def front(*points, **changes):
    values = [
        {"steps": s, "evaluations": e, "value": v, "low": v - 1, "high": v + 2}
        for s, e, v in points
    ]
    return {"front": values, **changes}


@pytest.fixture
def shown(factory, make_score):
    """A model and a control with galleries, a model whose picture is missing."""
    pairs = [
        {"sample": i, "train": 2 * i, "distance": d, "chosen": c}
        for i, (d, c) in enumerate([(0.5, "closest"), (2.0, "random"), (4.0, "random")])
    ]
    about = {"pairs": pairs, "embedder": "digits", "order": "the closest first"}
    for name, control in (("vae", False), ("real", True), ("bare", False)):
        made = factory.add(name, [make_score("fd", 1.0, 0.1)], control=control)
        folder = factory.store.trial_folder(made["trial"])
        if name != "bare":
            factory.grid(folder / "neighbours.png", 5)
            (folder / "neighbours.json").write_text(json.dumps(about))
    return factory


def test_the_gallery_shows_who_has_one_and_how_close_it_is(shown):
    sheets = gallery(only(shown))
    assert [(s["title"], s["role"]) for s in sheets] == [("vae", "model"), ("real", "control")]
    assert sheets[0]["distances"] == "closest 0.5000, usual 3"
    page = html.render([shown.store]).decode()
    assert 'alt="Samples of vae, each beside its closest training image: distances closest' in page
    assert "in digits features: the closest first" in page


def test_a_picture_without_its_distances_is_shown_alone(shown):
    for path in shown.store.folder.rglob("neighbours.json"):
        path.unlink()
    assert [s["distances"] for s in gallery(only(shown))] == ["", ""]
    assert b"Nearest training images" in html.render([shown.store])


def test_without_pictures_there_is_no_gallery(run):
    assert b"Nearest training images" not in html.render([run])


def test_reconstructions_are_shown_with_what_their_columns_are(factory, make_score):
    columns = ["test image", "reconstruction", "with noise", "denoised"]
    for name, control, noise in (("vae", False, None), ("real", True, 0.2), ("bare", False, None)):
        made = factory.add(name, [make_score("fd", 1.0, 0.1)], control=control)
        if name != "bare":
            folder = factory.store.trial_folder(made["trial"])
            factory.grid(folder / "reconstructions.png", 5)
            about = {"columns": columns[: 4 if noise else 2], "noise": noise}
            (folder / "reconstructions.json").write_text(json.dumps(about))
    sheets = reconstructions(only(factory))
    assert [(s["title"], s["role"], s["seed"]) for s in sheets] == [
        ("vae", "model", 0), ("real", "control", 0),
    ]  # fmt: skip
    page = html.render([factory.store]).decode()
    assert "in groups of test image, reconstruction, with noise, denoised" in page
    assert "test image | reconstruction</small>" in page
    assert "noise has a deviation of 0.2 of the range" in page


def test_without_pictures_there_are_no_reconstructions(run):
    assert b"Reconstructions" not in html.render([run])


def test_a_front_is_a_line_a_model_by_effort(factory, make_score):
    details = front((10, 20, 3.0), (1, 2, 9.0), (0, 0, 99.0), quality="FD-digits")
    factory.add("ddpm", [make_score("recall", 20.0, details=details)])
    factory.add("vae", [make_score("recall", None, unscored_reason="takes no step count")])
    [one] = fronts(only(factory))
    assert one["title"] == "FD-digits"
    [line] = one["lines"]
    assert line["model"] == "ddpm"
    assert [p["evaluations"] for p in line["points"]] == [2, 20]
    last = {"steps": 10, "evaluations": 20, "v": 3.0, "above": 2.0, "below": 1.0}
    assert line["points"][1] == last


def test_the_seeds_of_a_front_are_averaged(factory, make_score):
    for seed, value in ((0, 4.0), (1, 6.0)):
        details = front((10, 20, value))
        factory.add("ddpm", [make_score("recall", 20.0, details=details)], seed=seed)
    [point] = fronts(only(factory))[0]["lines"][0]["points"]
    assert point["v"] == 5.0
    assert point["above"] == point["below"] > 1.0


def test_a_front_that_may_not_be_compared_is_not_drawn(factory, make_score):
    score = make_score("recall", 20.0, details=front((1, 1, 1.0)), caveat="leakage: x")
    factory.add("ddpm", [score])
    assert fronts(only(factory)) == []


def test_the_front_is_drawn_in_a_browser(browser, factory, make_score, tmp_path, hostile):
    for name in ("ddpm", hostile):
        details = front((1, 1, 90.0), (10, 10, 9.0), (100, 100, 5.0))
        factory.add(name, [make_score("recall", 20.0, details=details)])
    path = tmp_path / "report.html"
    path.write_bytes(html.render([factory.store]))
    page = browser.new_page()
    complaints: list[str] = []
    page.on("console", lambda m: complaints.append(m.text))
    page.on("pageerror", lambda e: complaints.append(str(e)))
    page.goto(path.as_uri())
    plot = '[data-plot="front"]'
    until(page, f"document.querySelector('{plot} .main-svg') !== null")
    assert page.locator(f"{plot} .scatterlayer .trace").count() == 2
    assert page.locator(f"{plot} .errorbar").count() == 6
    ticks = page.locator(f"{plot} .xtick text").all_text_contents()
    assert {"1", "10", "100"} <= set(ticks)
    assert "<script>" in " ".join(page.locator(f"{plot} .legendtext").all_text_contents())
    assert complaints == []
    page.close()
