from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import pytest

from gengauge_reports import html
from gengauge_reports.figures import data_uri, thinned


class Page(HTMLParser):
    """Collects elements with their attributes, and the text outside scripts and styles."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.text = ""
        self._inside = ""
        self.feed(page.decode())

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self._inside = tag
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag):
        self._inside = ""

    def handle_data(self, data):
        if self._inside == "script":
            self.scripts[-1] += data
        elif self._inside != "style":
            self.text += data

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture
def page(run) -> Page:
    return Page(html.render([run]))


def test_a_hostile_name_is_text(page, hostile):
    # the data, plotly and our two files; a script of the record's would be a fifth
    assert len(page.scripts) == 4
    assert hostile in page.text
    assert "the loss was nan at step 131 | </script>" in page.text


def test_hostile_text_everywhere_stays_text(factory, make_score):
    evil = "</script><img src=x onerror=alert(1)>\"'&"
    score = make_score("nll", 1.0, 0.1, unit=evil, interval_method=evil, suite=evil, split=evil)
    made = factory.add(evil, [score], command=evil, budget=evil)
    made["model"].update(summary=evil, reference=f"javascript:alert(1) https://x.y/{evil}")
    factory.store.append(made)
    factory.store.add_metrics({"nll": {"label": evil, "summary": evil, "reference": evil}})
    factory.store.add_environment("e1", {"cpu": evil, "packages": {evil: evil}})
    found = Page(html.render([factory.store], title=evil))
    assert len(found.scripts) == 4
    assert not [a for a in found.all("img") if a.get("src") == "x"]
    handlers = [k for _, attributes in found.elements for k in attributes if k.startswith("on")]
    assert handlers == []
    assert all((a["href"] or "").startswith(("#", "https://", "data:,"))
               for tag in ("a", "link") for a in found.all(tag))  # fmt: skip


def test_every_reference_of_the_page_is_inside_it(page):
    sources = [a["src"] for _, a in page.elements if "src" in a]
    assert sources
    assert all(s.startswith("data:image/png;base64,") for s in sources)
    assert [a["href"] for a in page.all("link")] == ["data:,"]


def test_the_policy_names_the_hash_of_each_script(page):
    (content,) = [
        a["content"] for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy"
    ]
    assert "default-src 'none'" in content
    script_rule = next(r for r in content.split(";") if "script-src" in r)
    assert "unsafe" not in script_rule
    for script in page.scripts[1:]:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in script_rule


def test_every_trial_shows_its_command(page, run):
    for record in run.records():
        assert record["command"] in page.text


def test_explanations_hold_what_a_reader_needs(page):
    data = json.loads(page.scripts[0])
    column = next(c for c in data["tips"]["columns"] if c["title"] == "bits/dim")
    facts = dict(column["facts"])
    assert facts["Direction"] == "lower is better"
    assert facts["Source"].startswith("Theis")
    cell = next(c for c in data["tips"]["cells"] if c["row"] == "vae")
    facts = dict(cell["facts"])
    assert facts["Kind"].startswith("an upper bound")
    assert facts["Rank"] == "1\N{EN DASH}2 of 2, shared"
    assert "placed behind bounds of its kind alone" in facts["As a bound"]
    assert facts["Seeds"] == "2.105 · 2.141"
    assert facts["Method"].startswith("between 2 seeds")


def test_pictures_are_those_of_the_run(page, run):
    real = data_uri(run.dataset_folder("digits") / "real.png")
    images = [a["src"] for a in page.all("img")]
    assert images[0] == real
    assert len(set(images)) == 4


def test_only_pictures_become_pictures(tmp_path):
    path = tmp_path / "samples.png"
    assert data_uri(path) == ""
    path.write_text("<svg onload=alert(1)>")
    assert data_uri(path) == ""


def test_damage_in_the_store_is_told(run):
    with (run.folder / "records.jsonl").open("a") as handle:
        handle.write('{"cut')
    assert "cut off" in Page(html.render([run])).text


def test_json_cannot_end_its_script():
    text = str(html.json_text({"a": "</script><!-- & \u2028"}))
    assert not re.search("[<>&\u2028]", text)
    assert json.loads(text) == {"a": "</script><!-- & \u2028"}


def test_addresses_become_links_and_nothing_else():
    out = str(html.linked('<b> https://x.y/z?a="1" javascript:alert(1).'))
    assert out == (
        '&lt;b&gt; <a href="https://x.y/z?a=" rel="noreferrer">https://x.y/z?a=</a>'
        "&#34;1&#34; javascript:alert(1)."
    )


def test_long_curves_are_thinned_between_their_ends():
    points = [{"step": i} for i in range(5000)]
    kept = thinned(points)
    assert (len(kept), kept[0], kept[-1]) == (300, points[0], points[-1])
    assert thinned(points[:10]) == points[:10]
