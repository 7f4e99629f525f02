"""The atlas: made of a real run in stages, every figure of it out of the records."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from tests_support import command_line, environment

from gengauge.registry import Registry
from gengauge.rendering import render
from gengauge.store import RunStore

BENCHMARK = """
[benchmark]
name = "small"
datasets = ["points/eight-gaussians"]
models = ["real", "naive-bayes", "gmm[components=8,name=gmm]", "gan"]
suites = ["likelihood", "fidelity"]
samples = 200
limit = 500
stages = [0.1, 1]

[models.gmm]
budget = "10 steps"

[models.gan]
budget = "20 steps"

[settings]
"ais.examples" = "2"
"ais.temperatures" = "2"
"ais.chains" = "1"
"ais.leapfrog" = "1"
"""


class Page(HTMLParser):
    """The text of the page, and its elements with their attributes."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self.text, self._hidden = "", False
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(content.decode())
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self._hidden = tag == "style"

    def handle_endtag(self, tag):
        self._hidden = False

    def handle_data(self, data):
        self.text += "" if self._hidden else data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def staged(tmp_path_factory) -> Path:
    """A run in two stages by the real command line."""
    folder = tmp_path_factory.mktemp("atlas")
    (folder / "small.toml").write_text(BENCHMARK)
    done = subprocess.run(
        command_line("run", "small.toml", "-o", "run", "--no-isolate"),
        cwd=folder, env=environment(), capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder / "run"


@pytest.fixture
def copy(staged: Path, tmp_path: Path) -> Path:
    """A run of which records can be changed."""
    return Path(shutil.copytree(staged, tmp_path / "run"))


def atlas(folder: Path) -> bytes:
    return render(Registry(), "atlas", [RunStore.open(str(folder))])


def change(folder: Path, edit: Any) -> None:
    """Rewrite every record through ``edit``."""
    path = folder / "records.jsonl"
    records = [json.loads(line) for line in path.read_text().splitlines()]
    for record in records:
        edit(record)
    path.write_text("".join(json.dumps(r) + "\n" for r in records))


def section(content: bytes, label: str) -> str:
    """The markup of one model's section."""
    found = re.findall(r'<section class="chapter".*?</section>', content.decode(), re.DOTALL)
    return next(part for part in found if f"<h2>{label}</h2>" in part)


def test_stages_are_trials_of_one_seed(staged: Path) -> None:
    records = RunStore.open(str(staged)).records()
    budgets = {m: sorted(r["budget"] for r in records if r["model"]["id"] == m)
               for m in ("naive-bayes", "gmm", "gan", "real")}  # fmt: skip
    assert budgets == {
        "naive-bayes": ["1 steps"], "gmm": ["1 steps", "10 steps"],
        "gan": ["2 steps", "20 steps"], "real": ["1 steps"],
    }  # fmt: skip
    assert {r["seeds"]["seed"] for r in records} == {0}
    assert {r["dataset"]["n_train"] for r in records} == {500}


def test_the_command_writes_one_page_that_needs_nothing_else(staged: Path, tmp_path: Path) -> None:
    out = tmp_path / "atlas.html"
    done = subprocess.run(
        command_line("report", staged, "--format", "atlas", "-o", out),
        env=environment(), capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    page = Page(out.read_bytes())
    assert out.read_bytes() == atlas(staged)  # the same records, the same bytes
    assert page.all("script") == []
    policy = next(m["content"] for m in page.all("meta") if m.get("http-equiv"))
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    sources = [a[k] or "" for _, a in page.elements for k in ("src", "href") if a.get(k)]
    assert all(s.startswith(("data:", "#", "https://")) for s in sources)  # the last: references
    ids = [a["id"] for _, a in page.elements if a.get("id")]
    assert len(ids) == len(set(ids))


def test_every_model_is_shown_at_every_stage_beside_the_data(staged: Path) -> None:
    content = atlas(staged)
    for label, stages in (("gmm", 2), ("gan", 2), ("naive-bayes", 1)):
        part = section(content, label)
        assert part.count('class="plane"') == 1 + stages
        assert Registry().models[label].assumes in Page(part.encode()).text
    assert section(content, "gmm").count('class="density"') == 3  # the truth's and two of its own
    assert section(content, "gan").count('class="density"') == 1  # it states none
    assert "in one go" in section(content, "naive-bayes")
    assert "10 %" in section(content, "gan")
    assert "likelihood: exact" in Page(section(content, "gmm").encode()).text
    assert "likelihood: none" in Page(section(content, "gan").encode()).text


def test_a_figure_on_the_page_is_one_of_the_records(copy: Path) -> None:
    before = atlas(copy)

    def last(record: dict[str, Any]) -> None:
        if record["model"]["id"] == "gmm" and record["budget"] == "10 steps":
            for score in record["scores"]:
                if score["metric"] == "c2st":
                    score.update(value=0.98765, low=0.98755, high=0.98775, standard_error=5.1e-5)

    change(copy, last)
    after = atlas(copy)
    assert "0.98765" in Page(section(after, "gmm").encode()).text
    assert "0.98765" not in before.decode()
    # where the others are changes too, for each of them
    assert section(after, "gan") != section(before, "gan")


def test_an_early_stage_is_drawn_from_its_own_record(copy: Path) -> None:
    def first(record: dict[str, Any]) -> None:
        if record["model"]["id"] == "gan" and record["budget"] == "2 steps":
            for score in record["scores"]:
                if score["metric"] in ("w2", "c2st"):
                    score.update(value=0.87654, low=0.87644, high=0.87664, standard_error=5.1e-5)

    change(copy, first)
    part = section(atlas(copy), "gan")
    assert "2 steps: 0.87654" in part  # what the curve of quality says of its first mark
    assert "0.87654" not in part[part.index("<table") :]  # ranked is only the whole training


def test_what_a_family_assumes_is_the_record_s_to_say(copy: Path) -> None:
    def other(record: dict[str, Any]) -> None:
        record["model"]["assumes"] = f"All is {record['model']['id']} <b>."
        record["model"]["capabilities"] = ["clusterer", 7]

    change(copy, other)
    part = section(atlas(copy), "gmm")
    assert "All is gmm &lt;b&gt;." in part
    assert "clusters" in part
    change(copy, lambda r: [r["model"].pop(k) for k in ("assumes", "capabilities", "conditions")])
    part = section(atlas(copy), "gmm")
    assert "Assumes" not in part
    assert "clusters" not in part


def test_a_stage_that_failed_says_why(copy: Path) -> None:
    def fail(record: dict[str, Any]) -> None:
        if record["model"]["id"] == "gan" and record["budget"] == "2 steps":
            record.update(status="diverged", scores=[])
            record["error"] = {"type": "DivergedError", "message": "the loss was <nan>"}

    change(copy, fail)
    part = section(atlas(copy), "gan")
    assert "diverged: DivergedError: the loss was &lt;nan&gt;" in part
    assert part.count('class="plane"') == 2


def test_a_run_in_one_stage_has_no_curve_of_effort(run: RunStore) -> None:
    content = render(Registry(), "atlas", [run])
    assert b'class="progress"' not in content
    assert "vae" in Page(content).text


def test_a_hostile_name_is_text(run: RunStore, hostile: str) -> None:
    content = render(Registry(), "atlas", [run])
    assert hostile.encode() not in content
    assert hostile in Page(content).text
    assert Page(content).all("script") == []


def test_an_empty_run_says_so(tmp_path: Path) -> None:
    store = RunStore(tmp_path / "run")
    store.add_metrics({})
    assert b"no finished trial" in render(Registry(), "atlas", [store])
