"""The page in a real browser: what it does, and that it asks nobody for anything."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests_support import until

from gengauge_reports import html


@dataclass
class Visit:
    """An opened page and what it complained of or asked for."""

    page: Any
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


@pytest.fixture
def visit(browser, run, tmp_path) -> Iterator[Any]:
    path = tmp_path / "report.html"
    path.write_bytes(html.render([run]))
    contexts = []

    def open_page(width: int = 1280, **options: Any) -> Visit:
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        contexts.append(context)
        visit = Visit(context.new_page())
        visit.page.on("request", lambda r: visit.requests.append(r.url))
        visit.page.on("console", lambda m: visit.complaints.append(f"{m.type}: {m.text}"))
        visit.page.on("pageerror", lambda e: visit.complaints.append(str(e)))
        visit.page.on("dialog", lambda d: (visit.complaints.append(d.message), d.dismiss()))
        visit.page.goto(path.as_uri())
        return visit

    yield open_page
    for context in contexts:
        context.close()


def draw_all(page: Any) -> None:
    page.evaluate("Promise.all(plots.map(draw))")
    until(
        page, "[...document.querySelectorAll('.plot')].every((p) => p.querySelector('.main-svg'))"
    )


def column(page: Any, index: int) -> list[str]:
    """The texts of one column of the first table, models only."""
    return (
        page.locator("table.scores")
        .first.locator(".models tr")
        .evaluate_all(
            "(rows, i) => rows.map((r) => r.cells[i].dataset.value ?? r.cells[i].innerText.trim())",
            index,
        )
    )


def head(page: Any, text: str) -> Any:
    return page.locator("table.scores").first.locator("thead th", has_text=text)


def test_nothing_is_fetched_and_nothing_complains(visit):
    for width, scheme in ((1280, "light"), (375, "dark")):
        seen = visit(width, color_scheme=scheme)
        draw_all(seen.page)
        seen.page.locator("select.metric").first.select_option(index=1)
        seen.page.locator("select.axis").first.select_option("seconds")
        seen.page.mouse.wheel(0, 4000)
        seen.page.wait_for_timeout(200)
        assert [u for u in seen.requests if not u.startswith(("file:", "data:", "blob:"))] == []
        assert seen.complaints == []


def test_the_policy_stops_a_script_and_a_fetch(visit):
    page = visit().page
    page.evaluate("""() => {
        const s = document.createElement('script'); s.textContent = 'window.ran = 1';
        document.body.append(s);
        const i = new Image(); i.onerror = () => { window.blocked = 1; };
        i.src = 'https://example.invalid/x.png'; document.body.append(i);
    }""")
    until(page, "window.blocked === 1")
    assert page.evaluate("window.ran") is None


def test_numbers_sort_as_numbers_with_missing_last(visit):
    page = visit().page
    button = head(page, "samples/s").locator("button")
    place = head(page, "samples/s").evaluate("(th) => th.cellIndex")
    button.click()
    assert column(page, place) == ["450.0", "9000.0", "21000.0"]
    assert head(page, "samples/s").get_attribute("aria-sort") == "ascending"
    button.click()
    assert column(page, place) == ["21000.0", "9000.0", "450.0"]
    assert head(page, "samples/s").get_attribute("aria-sort") == "descending"

    for expected in ("ascending", "descending"):
        head(page, "bits/dim").locator("button").click()
        assert head(page, "bits/dim").get_attribute("aria-sort") == expected
        assert column(page, 1)[-1] == "\N{EN DASH}"
    assert head(page, "samples/s").get_attribute("aria-sort") == "none"


def test_sorting_by_keyboard(visit):
    page = visit().page
    head(page, "model").locator("button").focus()
    page.keyboard.press("Enter")
    ascending = column(page, 0)
    page.keyboard.press("Space")
    assert column(page, 0) == ascending[::-1] != ascending


@pytest.mark.parametrize("width", [320, 375, 768])
def test_the_page_never_scrolls_sideways(visit, width):
    page = visit(width).page
    draw_all(page)
    page.get_by_role("button", name="all columns").first.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    inner = page.locator(".scroll").first.evaluate("(e) => e.scrollWidth > e.clientWidth")
    assert inner, "the wide table should scroll inside its own frame"


def test_dark_mode_changes_page_and_plots(visit):
    page = visit(color_scheme="light").page
    draw_all(page)

    def colours() -> tuple[str, str]:
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        tick = page.locator(".plot .xtick text").first.evaluate("(e) => getComputedStyle(e).fill")
        return background, tick

    light = colours()
    page.emulate_media(color_scheme="dark")
    until(
        page,
        f"getComputedStyle(document.querySelector('.plot .xtick text')).fill !== '{light[1]}'",
    )
    dark = colours()
    assert brightness(light[0]) > 200 > 60 > brightness(dark[0])
    assert brightness(dark[1]) > brightness(light[1])


def brightness(colour: str) -> float:
    numbers = [float(n) for n in colour[colour.index("(") + 1 : -1].split(",")[:3]]
    return sum(numbers) / 3


def test_the_hostile_name_is_text_in_tables_and_plots(visit, hostile):
    seen = visit()
    draw_all(seen.page)
    names = seen.page.locator("table.scores .models th.name span").all_inner_texts()
    assert hostile in names
    seen.page.locator("select.metric").first.select_option(index=1)
    labels = seen.page.locator(".plot .textpoint text").all_text_contents()
    assert any("<script>" in label for label in labels)
    assert seen.complaints == []


def test_explanations_on_hover_and_on_focus(visit):
    page = visit().page
    tip = page.locator("#tip")
    assert tip.is_hidden()
    page.locator("table.scores td", has_text="2.123").hover()
    assert tip.is_visible()
    for part in ("vae · bits/dim", "upper bound", "lower is better", "Theis", "95 % int", "1,000"):
        assert part in tip.inner_text()
    page.mouse.move(1, 1)
    assert tip.is_hidden()

    page.locator("table.scores td[tabindex='0']").first.focus()
    assert tip.is_visible()
    before = tip.inner_text()
    page.keyboard.press("ArrowDown")
    assert tip.inner_text() != before
    assert page.evaluate("document.activeElement.getAttribute('aria-describedby')") == "tip"
    page.keyboard.press("Escape")
    assert tip.is_hidden()


def test_an_unscored_cell_says_why(visit, hostile):
    page = visit().page
    row = page.locator("table.scores").first.locator(".models tr", has_text=hostile)
    row.locator("td").first.hover()
    assert "the model has no likelihood" in page.locator("#tip").inner_text()


def test_the_command_is_copied(visit):
    page = visit(permissions=["clipboard-read", "clipboard-write"]).page
    row = page.locator("table.trials tbody tr").first
    row.locator("button.copy").click()
    row.get_by_text("copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == row.locator("code").inner_text()


def test_the_command_is_copied_where_the_clipboard_is_refused(visit):
    page = visit(permissions=["clipboard-read", "clipboard-write"]).page
    page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(Error('no')); }")
    row = page.locator("table.trials tbody tr").nth(1)
    row.locator("button.copy").click()
    row.get_by_text("copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == row.locator("code").inner_text()


def test_columns_are_chosen_by_suite(visit):
    page = visit().page
    assert head(page, "recall").is_hidden()
    page.get_by_role("button", name="fidelity").first.click()
    assert head(page, "recall").is_visible()
    assert head(page, "bits/dim").is_hidden()
    page.get_by_role("button", name="all columns").first.click()
    assert head(page, "bits/dim").is_visible()


def test_suites_are_named_where_they_begin_among_the_columns_shown(visit):
    page = visit().page

    def opened() -> list[str]:
        heads = page.locator("table.scores").first.locator("thead th.opens")
        return [h.get_attribute("data-suite") for h in heads.all() if h.is_visible()]

    assert opened() == ["likelihood", "fidelity", "speed"]
    page.get_by_role("button", name="fidelity").first.click()
    assert opened() == ["fidelity"]


def test_without_scripts_the_tables_are_whole(visit):
    page = visit(java_script_enabled=False).page
    assert page.get_by_text("1.874").first.is_visible()
    assert head(page, "recall").is_visible()
