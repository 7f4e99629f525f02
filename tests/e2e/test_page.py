"""The page that the main job wrote, opened as a stranger would open it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests_support import until


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (375, "dark")])
def test_the_real_report_is_whole_silent_and_asks_nobody(
    quick: Path, browser: Any, width: int, scheme: str
) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    asked: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto((quick / "runs/quick/report.html").as_uri())
    # nobody scrolls: every plot draws itself, so that a saved or captured page is whole
    until(
        page,
        "[...document.querySelectorAll('.plot')].every((p) => p.querySelector('.main-svg'))",
    )
    assert page.locator(".plot").count() > 10
    assert [u for u in asked if not u.startswith(("file:", "data:", "blob:"))] == []
    assert complaints == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    names = page.locator("table.scores").first.inner_text()
    assert all(model in names for model in ("vae", "flow", "gmm", "real", "noise"))
    page.close()
