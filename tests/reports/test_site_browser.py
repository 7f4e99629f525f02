"""The leaderboard's pages in a real browser, opened from files as a stranger would."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from crowd import crowd
from tests_support import until

from gengauge_reports.site import board_page, dataset_page
from gengauge_reports.site.folder import Folder

DRAWN = "[...document.querySelectorAll('.plot')].every((p) => p.querySelector('.main-svg'))"
WHOLE = (
    "[...document.querySelectorAll('table.kept')].every((t) => t.dataset.ready === 'yes') && "
    + DRAWN
)
MODELS, METRICS = 500, 30


@dataclass
class Visit:
    """An opened page and what it complained of or asked for."""

    page: Any
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


@pytest.fixture
def visit(browser: Any) -> Iterator[Any]:
    contexts = []

    def open_page(path: Path, width: int = 1280, ready: str = WHOLE, **options: Any) -> Visit:
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        contexts.append(context)
        visit = Visit(context.new_page())
        visit.page.on("request", lambda r: visit.requests.append(r.url))
        visit.page.on("console", lambda m: visit.complaints.append(f"{m.type}: {m.text}"))
        visit.page.on("pageerror", lambda e: visit.complaints.append(str(e)))
        visit.page.on("dialog", lambda d: (visit.complaints.append(d.message), d.dismiss()))
        visit.page.goto(path.as_uri())
        if options.get("java_script_enabled", True):
            until(visit.page, ready)
        return visit

    yield open_page
    for context in contexts:
        context.close()


def one(folder: Path, pattern: str) -> Path:
    return sorted(folder.glob(pattern))[0]


KINDS = ("index.html", "datasets/digits.html", "boards/digits-bits-per-dim*.html",
         "models/vae.html")  # fmt: skip
NARROW = {kind: [pytest.mark.slow] for kind in KINDS if not kind.startswith("datasets")}


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data set page and one board of 500 models on 30 metrics."""
    folder, whole = tmp_path_factory.mktemp("large"), crowd(MODELS, METRICS)
    site = Folder(folder, whole.title)
    site.assets()
    dataset_page.write(site, whole.datasets[0], [], [])
    board_page.write(site, whole.datasets[0], whole.datasets[0].boards[0], [])
    return folder


@pytest.mark.parametrize(
    ("kind", "width", "scheme"),
    [(kind, 1280, "light") for kind in KINDS]
    + [pytest.param(kind, 390, "dark", marks=NARROW.get(kind, [])) for kind in KINDS],
)
def test_pages_are_silent_narrow_and_within_reach_of_everyone(
    visit: Any, published: Path, kind: str, width: int, scheme: str
) -> None:
    seen = visit(one(published, kind), width, color_scheme=scheme)
    assert [u for u in seen.requests if not u.startswith(("file:", "data:", "blob:"))] == []
    assert seen.complaints == []
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= width
    for fold in seen.page.locator("details").all():
        fold.evaluate("(d) => { d.open = true; }")
    assert barriers(seen.page) == []


def barriers(page: Any) -> list[tuple[str, str, str]]:
    """What axe-core finds that is serious or critical: rule, element, help."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    found = axe.Axe().run(page).response["violations"]
    return [
        (v["id"], node["html"][:120], v["help"])
        for v in found if v["impact"] in ("serious", "critical") for node in v["nodes"]
    ]  # fmt: skip


def column(page: Any, index: int) -> list[str]:
    return page.locator("table.kept tbody tr").evaluate_all(
        "(rows, i) => rows.map((r) => r.cells[i].innerText.trim())", index
    )


def test_a_board_is_sorted_by_keys_and_says_so(visit: Any, published: Path) -> None:
    page = visit(one(published, "boards/digits-samples-per-second*.html")).page
    assert column(page, 1) == ["<script>alert(1)</script>", "vae", "flow (0.1.0 abc)"]
    head = page.locator("table.kept thead th").nth(3)
    head.locator("button").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Space")
    assert column(page, 1) == ["flow (0.1.0 abc)", "vae", "<script>alert(1)</script>"]
    assert head.get_attribute("aria-sort") == "ascending"
    assert "Sorted by samples/s, ascending" in page.locator("#said").inner_text()


def test_hostile_heads_families_and_names_stay_text(visit: Any, published: Path) -> None:
    for pattern in ("datasets/points-moons.html", "boards/points-moons-*nll*.html", "index.html"):
        seen = visit(one(published, pattern))
        assert "<img src=x" in seen.page.locator("main").inner_text()
        assert seen.page.locator("table img, table script, select img").count() == 0
        for button in seen.page.locator("button.sort:visible").all()[:4]:
            button.click()
        seen.page.get_by_role("searchbox").first.fill("<img")
        assert seen.complaints == []


def test_missing_stays_last_in_both_orders(visit: Any, published: Path) -> None:
    page = visit(published / "datasets/digits.html").page
    button = page.locator("table.kept button.sort", has_text="bits/dim")
    for direction in ("ascending", "descending"):
        button.click()
        assert button.evaluate("(b) => b.closest('th').ariaSort") == direction
        values = [v for v in column(page, 1) if v]
        assert values[-1] == "\N{EN DASH}"
        assert "\N{EN DASH}" not in values[:2]


def test_models_are_found_by_text_and_by_family(visit: Any, large: Path) -> None:
    page = visit(large / "datasets/crowd.html").page
    page.get_by_role("searchbox").fill("model-12")
    assert [n.split()[0] for n in column(page, 0)] == [f"model-12{i}" for i in range(10)]
    assert page.locator("#said").inner_text() == f"10 of {MODELS} rows"
    page.get_by_label("Family").select_option("gan")
    assert [n.split()[0] for n in column(page, 0)] == ["model-122", "model-127"]
    page.get_by_role("searchbox").fill("nobody")
    assert column(page, 0) == ["No model matches."]


def test_controls_are_shown_when_asked_for(visit: Any, published: Path) -> None:
    page = visit(published / "datasets/digits.html").page
    assert not [n for n in column(page, 0) if "copycat" in n]
    page.get_by_label("controls").check()
    assert [n for n in column(page, 0) if "copycat" in n]


def test_columns_are_chosen_by_suite(visit: Any, published: Path) -> None:
    page = visit(published / "datasets/digits.html").page

    def heads() -> list[str]:
        return page.locator("table.kept button.sort").evaluate_all(
            "(all) => all.map((b) => b.dataset.name)"
        )

    assert "recall" not in heads()
    page.get_by_role("button", name="fidelity").click()
    assert "recall" in heads()
    assert "bits/dim" not in heads()
    page.get_by_role("button", name="all columns").click()
    assert {"recall", "bits/dim"} <= set(heads())


def test_a_theme_is_kept_from_page_to_page(visit: Any, published: Path) -> None:
    seen = visit(published / "index.html", color_scheme="light")
    button = seen.page.locator("button.theme")
    before = seen.page.evaluate("getComputedStyle(document.body).backgroundColor")
    button.click()
    button.click()
    assert button.inner_text() == "theme: dark"
    dark = seen.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert dark != before
    seen.page.goto((published / "models/vae.html").as_uri())
    assert seen.page.evaluate("getComputedStyle(document.body).backgroundColor") == dark


def test_the_command_is_copied(visit: Any, published: Path) -> None:
    page = visit(published / "models/gan.html",
                 permissions=["clipboard-read", "clipboard-write"]).page  # fmt: skip
    card = page.locator(".command-card").first
    card.locator("button.copy").click()
    card.get_by_text("copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == card.locator("code").last.inner_text()


def test_the_policy_stops_a_script_and_a_fetch(visit: Any, published: Path) -> None:
    page = visit(published / "index.html").page
    page.evaluate("""() => {
        const s = document.createElement('script'); s.textContent = 'window.ran = 1';
        document.body.append(s);
        const i = new Image(); i.onerror = () => { window.blocked = 1; };
        i.src = 'https://example.invalid/x.png'; document.body.append(i);
    }""")
    until(page, "window.blocked === 1")
    assert page.evaluate("window.ran") is None


def test_without_scripts_the_boards_stand(visit: Any, published: Path) -> None:
    page = visit(one(published, "boards/digits-bits-per-dim*.html"),
                 java_script_enabled=False).page  # fmt: skip
    assert page.get_by_text("1.874").first.is_visible()
    assert page.locator("button.copy, .tools, button.theme").first.is_hidden()


def test_the_first_tab_skips_to_the_content(visit: Any, published: Path) -> None:
    page = visit(published / "index.html").page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def spent(session: Any) -> float:
    """Milliseconds of CPU that the page's main thread has spent: script, style, layout, paint."""
    metrics = session.send("Performance.getMetrics")["metrics"]
    return 1000 * next(m["value"] for m in metrics if m["name"] == "TaskDuration")


def test_500_models_on_30_metrics_paint_within_a_second(visit: Any, large: Path) -> None:
    """The limit is stated to users; the best of several, for others share this machine."""
    first = "performance.getEntriesByName('first-contentful-paint')[0]"
    for path in (large / "datasets/crowd.html", large / "boards/crowd-m0.html"):
        times = []
        while len(times) < 5 and not (times and min(times) < 1000):
            page = visit(path, ready=f"{first} !== undefined").page
            times.append(page.evaluate(f"{first}.startTime"))
        assert min(times) < 1000, times


def test_500_models_on_30_metrics_sort_within_a_tenth_of_a_second(visit: Any, large: Path) -> None:
    """All 30 columns shown; the main thread's own time, so that others' work does not count."""
    page = visit(large / "datasets/crowd.html").page
    page.get_by_role("button", name="all columns").click()
    assert page.locator("table.kept tbody tr").first.locator("> *").count() == METRICS + 1
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    buttons = page.locator("table.kept button.sort")
    times = []
    for i in (3, 7, 11, 15, 19):
        before = spent(session)
        buttons.nth(i).evaluate("""(b) => new Promise((painted) => {
            b.click();
            requestAnimationFrame(() => setTimeout(painted, 0));
        })""")
        times.append(spent(session) - before)
    assert min(times) < 100, times
    names = column(page, 0)
    assert names[0].startswith("model-")
    assert page.locator("thead th[aria-sort=ascending] button").get_attribute("data-name") == (
        "metric 18"
    )
