"""What a notebook shows: results as a table of its own, and a bar while a run goes on."""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import gengauge
from gengauge import progress
from gengauge.results import Results

formatters = pytest.importorskip("IPython.core.formatters", reason="IPython is not installed")
display = pytest.importorskip("IPython.display", reason="IPython is not installed")
EVIL = "<img src=x onerror=alert(1)>"
RUN: dict[str, Any] = {
    "datasets": "points/moons", "suites": ["likelihood"], "limit": 400, "isolate": False,
}  # fmt: skip


class Shell:
    """As much of a kernel's shell as is asked for."""

    kernel = object()


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Make this program look like a kernel; return what its cell shows, one version a line."""
    shown: list[str] = []

    def show(made: Any, display_id: bool = False) -> Any:
        assert display_id
        shown.append(made.data)
        return SimpleNamespace(update=lambda made: shown.append(made.data))

    monkeypatch.setattr(sys.modules["IPython"], "get_ipython", Shell)
    monkeypatch.setattr(display, "display", show)
    return shown


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.seen.append(tag)
        assert not [name for name, _ in attrs if name.startswith("on")]
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    folder = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parents[1] / "fakes"))
        return gengauge.run(
            models=[f"gmm[components=2,name={EVIL}]", "gmm[components=8]", "real", "crash"],
            plugins="fake_models", output=folder, progress=False, **RUN,
        )  # fmt: skip


def test_a_notebook_is_given_text_and_html(results: Results) -> None:
    data, _ = formatters.DisplayFormatter().format(results)
    assert set(data) == {"text/plain", "text/html"}
    assert data["text/plain"] == repr(results)
    tags = Tags(data["text/html"])
    assert {"table", "caption", "thead", "tbody"} <= set(tags.seen)
    assert not {"script", "img", "link", "iframe"} & set(tags.seen)


def test_the_table_is_ranked_escaped_and_of_no_colour(results: Results) -> None:
    html = results._repr_html_()
    assert html is not None
    assert EVIL not in html
    assert "&lt;img src=x onerror=alert(1)&gt;" in html
    assert "http" not in html
    colours = re.findall(r"#[0-9a-f]{3,6}\b|rgba?\([^)]*\)|: *(?:white|black)", html)
    assert set(colours) <= {"rgba(128, 128, 128, .6)"}  # seen on light and on dark
    best = results.frame().query("metric == 'nll'").sort_values("value")["model"].tolist()
    rows = re.findall(r'<th scope="row">(.*?)</th>', html)
    assert rows[0] == "gmm[components=8]" == best[0]
    assert '<span class="rank">1</span>' in html
    assert "crash seed 0 failed: RuntimeError: no luck today" in html


def test_a_cell_shows_a_bar_that_is_written_anew(notebook: list[str], tmp_path: Path) -> None:
    assert progress.in_notebook()
    models = [f"gmm[components=2,name={EVIL}]", "gmm[components=3]"]
    gengauge.run(models=models, budget="20steps", output=tmp_path, **RUN)
    values = [float(v) for text in notebook for v in re.findall(r'value="([\d.]+)"', text)]
    assert values[0] == 0.0
    assert values == sorted(values)
    assert values[-1] == 1.0
    assert "2 of 2 trials" in notebook[-1]
    assert EVIL not in "".join(notebook)
    shown = len(notebook)
    gengauge.run(models=models, budget="20steps", output=tmp_path, **RUN)
    assert len(notebook) == shown  # nothing was left to do


def test_elsewhere_there_is_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not progress.in_notebook()  # IPython is loaded, and this is no kernel
    monkeypatch.delitem(sys.modules, "IPython")
    assert not progress.in_notebook()


CELLS = [
    "import torch; float((torch.ones(2000, 2000) @ torch.ones(2000, 2000)).sum())",
    "import asyncio; await asyncio.sleep(0.01)",
    "import gengauge\n"
    "results = gengauge.run(models=['gmm[components=2]', 'gmm[components=3]'], limit=400,\n"
    "    datasets='points/moons', suites='likelihood', jobs=2, output='run')",
    "results",
    "len(results.failed), len(gengauge.load_runs('run')), 'torch' in str(results.records)",
    "gengauge.run(models='gmn')",
]


@pytest.mark.slow
def test_a_real_kernel_runs_a_notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manager = pytest.importorskip("jupyter_client.manager", reason="ipykernel is not installed")
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    kernel, client = manager.start_new_kernel(cwd=str(tmp_path), startup_timeout=120)
    outputs: list[list[dict[str, Any]]] = []
    try:
        for code in CELLS:
            heard: list[dict[str, Any]] = []
            client.execute_interactive(code, output_hook=heard.append, timeout=300)
            outputs.append([m for m in heard if m["msg_type"] != "status"])
    finally:
        client.stop_channels()
        kernel.shutdown_kernel(now=True)
    errors = [[m for m in cell if m["msg_type"] == "error"] for cell in outputs]
    assert not any(errors[:-1]), errors
    bars = [
        m["content"]["data"]["text/html"] for m in outputs[2] if "display_data" in m["msg_type"]
    ]
    assert "0 of 2 trials" in bars[0]
    assert "2 of 2 trials" in bars[-1]
    assert len({m["content"]["transient"]["display_id"] for m in outputs[2]
                if "display_data" in m["msg_type"]}) == 1  # fmt: skip
    [shown] = [m["content"]["data"] for m in outputs[3] if m["msg_type"] == "execute_result"]
    assert "<table>" in shown["text/html"]
    assert "gmm[components=3]" in shown["text/plain"]
    [counts] = [m["content"]["data"] for m in outputs[4] if m["msg_type"] == "execute_result"]
    assert counts["text/plain"].startswith("(0, ")
    [error] = errors[-1]
    assert error["content"]["ename"] == "UsageError"
    assert "did you mean 'gmm'" in error["content"]["evalue"]
