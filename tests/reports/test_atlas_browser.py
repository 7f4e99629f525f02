"""The atlas in a real browser: silent, within its width, and fit for a screen reader."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gengauge.registry import Registry
from gengauge.rendering import render

# of the rules of axe-core, what is found is an offence from here on
GRAVE = ("serious", "critical")


@pytest.fixture
def place(run: Any, factory: Any, make_score: Any, tmp_path: Path) -> Path:
    """The atlas of two datasets, three models, one of them in three stages."""
    for i, budget in enumerate(("20 steps", "200 steps", "2000 steps")):
        scores = [make_score("nll", 3.0 - i, 0.1, kind="exact")]
        training = {"steps": 20 * 10**i, "examples": 20, "seconds": 0.1 * 10**i}
        made = factory.add("steps", scores, dataset="points/moons", budget=budget,
                           trial=f"stage{i}", training=training)  # fmt: skip
        factory.points(factory.store.trial_folder(made["trial"]) / "points.json", 1.0 - i / 3, True)
        factory.curve(made["trial"], 1.0)
    page = tmp_path / "atlas.html"
    page.write_bytes(render(Registry(), "atlas", [run]))
    return page


@pytest.fixture
def opened(browser: Any, place: Path) -> Iterator[Any]:
    contexts = []

    def open_page(width: int, scheme: str) -> tuple[Any, list[str]]:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        page, complaints = context.new_page(), []
        page.on("console", lambda m: complaints.append(m.text))
        page.on("pageerror", lambda e: complaints.append(str(e)))
        page.on("request", lambda r: complaints.extend(
            [r.url] if not r.url.startswith(("file:", "data:")) else []))  # fmt: skip
        page.goto(place.as_uri())
        return page, complaints

    yield open_page
    for context in contexts:
        context.close()


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_it_is_silent_within_its_width_and_accessible(opened, width: int, scheme: str) -> None:
    page, complaints = opened(width, scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert complaints == []
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed"
    )
    found = axe.Axe().run(page).response["violations"]
    grave = [
        (v["id"], node["html"][:120], v["help"])
        for v in found if v["impact"] in GRAVE for node in v["nodes"]
    ]  # fmt: skip
    assert grave == []


def test_a_density_is_seen_and_a_panel_without_one_is_not_empty(opened) -> None:
    page, _ = opened(1280, "light")
    panel = page.locator("section.chapter", has=page.get_by_role("heading", name="steps")).first
    shaded = panel.locator("svg.plane", has=page.locator(".density"))
    assert shaded.count() == 4  # the data and three stages
    before = shaded.nth(3).screenshot()
    page.add_style_tag(content=".density { visibility: hidden }")
    assert shaded.nth(3).screenshot() != before
    page.add_style_tag(content=".dots { visibility: hidden }")
    bare = shaded.nth(3).screenshot()
    assert bare != before


def test_every_link_of_the_contents_leads_to_a_section(opened) -> None:
    page, _ = opened(1280, "light")
    targets = page.locator("nav a").evaluate_all("(all) => all.map((a) => a.getAttribute('href'))")
    assert len(targets) > 3
    for target in targets:
        assert page.locator(target).count() == 1
