"""The documentation is built with warnings as errors, and read from a folder without a network."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests_support import environment, until

from gengauge.cli import VERBS
from gengauge.registry import Registry

ROOT = Path(__file__).parents[2]
SHIM = "e8e412dbcfea9b7e31b5ffa288d7b6035915e714c542f4176a0cdbe262fc9609"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d", str(folder)]
    done = subprocess.run(
        command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return folder


def test_only_pages_are_published(site: Path) -> None:
    files = [p.relative_to(site) for p in site.rglob("*") if p.is_file()]
    assert not [p for p in files if p.suffix in (".py", ".toml", ".md")]
    assert not [p for p in files if "generate" in p.parts]


def test_nothing_is_asked_of_a_foreign_host(site: Path) -> None:
    tags = "script|img|iframe|link|source"
    asked = re.compile(rf"<(?:{tags})\b[^>]*?(?:src|href)=\"?(https?:[^\s\">]+)")
    found = {
        (page.name, address)
        for page in site.rglob("*.html")
        for address in asked.findall(page.read_text("utf-8"))
    }
    assert found == set()


def test_what_is_generated_is_all_there(site: Path) -> None:
    registry = Registry()

    def anchors(page: str) -> set[str]:
        return set(re.findall(r'<h\d id="([^"]+)"', (site / page).read_text("utf-8")))

    assert set(VERBS) <= anchors("reference/command-line.html")
    ours = [
        s.id for s in registry.models.values()
        if registry.provider("models", s.id).distribution == "gengauge"
    ]  # fmt: skip
    assert {i for i in ours if not registry.models[i].control} <= anchors("reference/models.html")
    controls = (site / "explanation/controls.html").read_text("utf-8")
    assert all(f"<code>{i}</code>" in controls for i in ours if registry.models[i].control)
    data = (site / "reference/datasets.html").read_text("utf-8")
    assert "<code>digits</code>" in data
    assert {"record", "record-scores", "record-model"} <= anchors("reference/records.html")


def test_the_shim_of_the_search_is_the_published_one() -> None:
    shim = ROOT / "docs/assets/vendor/iframe-worker/shim.js"
    assert hashlib.sha256(shim.read_bytes()).hexdigest() == SHIM


def test_no_page_shows_what_it_was_made_from(site: Path) -> None:
    for page in site.rglob("*.html"):
        text = page.read_text("utf-8")
        assert "<!-- generated" not in text, page
        assert not re.search(r"<p>\s*:::", text), page


@pytest.fixture(scope="module")
def opened(browser: Any, site: Path) -> Any:
    page = browser.new_page(viewport={"width": 390, "height": 800})
    page.asked, page.problems = [], []
    page.on("request", lambda r: page.asked.append(r.url))
    page.on("pageerror", lambda e: page.problems.append(str(e)))
    page.goto((site / "index.html").as_uri())
    yield page
    page.close()


def test_it_is_read_from_a_folder(opened: Any) -> None:
    assert [u for u in opened.asked if not u.startswith(("file:", "data:", "blob:"))] == []
    assert opened.problems == []
    assert "gengauge" in opened.title()
    assert opened.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_it_is_searched_without_a_server(opened: Any) -> None:
    opened.evaluate("document.querySelector('label[for=__search]').click()")
    opened.click("input[name=query]")
    opened.keyboard.type("jackknife")
    until(opened, "document.querySelectorAll('.md-search-result__item').length > 0")
    assert opened.problems == []
