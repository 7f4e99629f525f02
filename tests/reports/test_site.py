"""The folder that ``gengauge publish --to site`` writes: whole, silent, always the same bytes."""

from __future__ import annotations

import copy
import csv
import io
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urldefrag

import pytest

from gengauge.store import RunStore
from gengauge_reports.site import vendoring
from gengauge_reports.site.cells import Axis, Figure, aligned, marks
from gengauge_reports.site.folder import Folder
from gengauge_reports.site.publishing import publish

NAME = re.compile(r"[a-z0-9][a-z0-9.-]*|[a-z]+\.LICENSE\.txt|\.gengauge-published")


class Page(HTMLParser):
    """What a page refers to, runs and says."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path, self.text = path, path.read_text("utf-8")
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.scripts: list[dict[str, str | None]] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.feed(self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.attributes += [(tag, k, v) for k, v in attrs]
        self.links += [v for k in ("href", "src") if (v := found.get(k))]
        if (id_ := found.get("id")) is not None:
            assert id_ not in self.ids, f"{self.path.name}: two elements are called {id_}"
            self.ids.add(id_)
        if tag == "script":
            self.scripts.append(found)


@pytest.fixture(scope="module")
def pages(published: Path) -> dict[str, Page]:
    return {p.relative_to(published).as_posix(): Page(p) for p in published.rglob("*.html")}


def refers(page: Page) -> Iterator[tuple[Path, str]]:
    for link in page.links:
        if not link.startswith(("http://", "https://", "data:")):
            address, fragment = urldefrag(link)
            yield (page.path.parent / address if address else page.path).resolve(), fragment


def test_there_is_a_page_for_every_board_data_set_and_model(pages: dict[str, Page]) -> None:
    kinds = {name.partition("/")[0] for name in pages}
    assert kinds == {"index.html", "datasets", "boards", "models"}
    assert {"datasets/digits.html", "datasets/points-moons.html", "models/vae.html",
            "models/real.html"} <= set(pages)  # fmt: skip
    fd = [n for n in pages if n.startswith("boards/digits-fd")]
    assert len(fd) == 2, "two comparability keys are two boards"


def test_every_reference_leads_somewhere(pages: dict[str, Page], published: Path) -> None:
    by_path = {p.path.resolve(): p for p in pages.values()}
    for page in pages.values():
        for path, fragment in refers(page):
            assert path.is_file(), f"{page.path.name} refers to {path}"
            assert path.is_relative_to(published.resolve())
            if fragment and path in by_path:
                assert fragment in by_path[path].ids, f"{page.path.name}: #{fragment}"


def test_no_page_runs_or_loads_anything_but_its_own(pages: dict[str, Page]) -> None:
    for name, page in pages.items():
        policy = next(v for t, k, v in page.attributes if t == "meta" and v and "script-src" in v)
        assert "default-src 'none'" in policy
        assert "unsafe-inline" not in policy.partition("script-src")[2].partition(";")[0]
        for script in page.scripts:
            inline = "src" not in script
            assert not inline or script.get("type") == "application/json", name
        handlers = [a for a in page.attributes if a[1].startswith("on")]
        assert handlers == []
        loaded = [v for t, k, v in page.attributes if k in ("src", "srcset") or t == "link"]
        assert not [v for v in loaded if v and v.startswith(("http", "//"))]


def test_files_have_names_that_are_files_everywhere(published: Path) -> None:
    paths = [p.relative_to(published).as_posix() for p in published.rglob("*") if p.is_file()]
    assert len({p.casefold() for p in paths}) == len(paths)
    assert not [p for p in paths if not all(map(NAME.fullmatch, p.split("/")))]


def test_a_hostile_name_is_text(pages: dict[str, Page], hostile: str) -> None:
    assert not [n for n, p in pages.items() if hostile in p.text]
    board = next(p for n, p in pages.items() if n.startswith("boards/digits-recall"))
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in board.text


def test_the_same_records_give_the_same_bytes(run: RunStore, tmp_path: Path) -> None:
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        publish([RunStore.open(run.folder)], folder)
    first, second = ({p.relative_to(f): p.read_bytes() for p in f.rglob("*") if p.is_file()}
                     for f in folders)  # fmt: skip
    assert first == second


def test_a_board_is_whole_without_scripts(pages: dict[str, Page]) -> None:
    board = next(p for n, p in pages.items() if n.startswith("boards/digits-bits-per-dim"))
    for part in (
        "1.874",
        "flow",
        "exact",
        "upper bound",
        "the model has no likelihood",
        "diverged",
    ):
        assert part in board.text
    for word in ("Protocol", "Ranks", "Quality against cost", "History over versions",
                 "Without a score"):  # fmt: skip
        assert f">{word}</h2>" in board.text


def test_downloads_hold_the_numbers_of_the_board(published: Path) -> None:
    [path] = published.glob("boards/digits-recall*.json")
    rows = json.loads(path.read_bytes())
    values = {row["model"]: row["value"] for row in rows}
    assert values["vae"] == 0.71
    assert values["gan"] is None
    lines = list(csv.DictReader(io.StringIO(path.with_suffix(".csv").read_text("utf-8"))))
    assert [line["model"] for line in lines] == [row["model"] for row in rows]


def test_a_history_says_what_changed_and_by_how_much(pages: dict[str, Page]) -> None:
    board = next(p for n, p in pages.items() if n.startswith("boards/digits-bits-per-dim"))
    history = board.text.partition('id="history"')[2]
    for part in ("0.1.0 abc", "0.2.0", "\N{MINUS SIGN}0.172", "&lt; 0.001", "better"):
        assert part in history


def test_controls_stand_apart_and_unranked(pages: dict[str, Page]) -> None:
    board = next(p for n, p in pages.items() if n.startswith("boards/digits-recall"))
    ranks, _, rest = board.text.partition('id="calibration"')
    assert "copycat" not in ranks.partition('id="ranks"')[2].partition("</table>")[0]
    assert "copycat" in rest


def test_no_figures_no_charts(pages: dict[str, Page]) -> None:
    """What needs no plot loads none of the plotting library."""
    for name, page in pages.items():
        plots = 'class="plot"' in page.text
        loads = any((s.get("src") or "").endswith("charts.js") for s in page.scripts)
        assert plots == loads, name
        assert not any((s.get("src") or "").endswith("plotly.min.js") for s in page.scripts)


NASTY = ("<img src=x onerror=alert(1)>", "../../etc/passwd", "CON", 'a" onfocus="alert(1)', "",
         "\ud800", "javascript:alert(1)", "</script><script>alert(1)</script>",
         "{{7*7}}")  # fmt: skip


def leaves(content: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place of a record that holds a text."""
    inner = content.items() if isinstance(content, dict) else enumerate(content)
    for key, value in inner:
        if isinstance(value, dict | list):
            yield from leaves(value, (*path, key))
        elif isinstance(value, str) and key not in ("trial", "status", "started_at"):
            yield (*path, key)


def test_records_of_strangers_are_text_wherever_they_are_hostile(
    run: RunStore, tmp_path: Path
) -> None:
    """Each record has one text replaced; all are published at once."""
    sound = run.records()[0]
    for i, way in enumerate(leaves(sound)):
        made = copy.deepcopy(sound)
        inside = made
        for key in way[:-1]:
            inside = inside[key]
        inside[way[-1]] = NASTY[i % len(NASTY)]
        line = json.dumps({**made, "trial": f"{i:012x}"})
        with (run.folder / "records.jsonl").open("a") as file:
            file.write(line + "\n")
    folder = publish([RunStore.open(run.folder)], tmp_path / "site").parent
    found = [Page(p) for p in folder.rglob("*.html")]
    assert len(found) > 20
    for page in found:
        handlers = [k for _, k, _ in page.attributes if k.startswith("on")]
        assert handlers == []
        links = [v for v in page.links if v.startswith("javascript")]
        assert links == []
        assert all("src" in s or s.get("type") == "application/json" for s in page.scripts)
    paths = [p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()]
    assert not [p for p in paths if not all(map(NAME.fullmatch, p.split("/")))]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["run", "site"]


@pytest.mark.parametrize(
    "name", ["../x.html", "/etc/passwd", "a/b/c.html", "boards/.hidden", "a\0b", "boards/../x", ""]
)
def test_no_path_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="expected a name of a page"):
        Folder(tmp_path / "site", "x").write(name, b"")
    assert list(tmp_path.iterdir()) == []


def test_two_pages_never_share_a_file(tmp_path: Path) -> None:
    site = Folder(tmp_path, "x")
    site.write("models/a.html", b"1")
    with pytest.raises(ValueError, match="two files"):
        site.write("models/A.html", b"2")


def test_points_align_whatever_the_digits() -> None:
    figures = aligned([Figure("12.5", 12.5), Figure("1,000", 1e3), Figure("3.125", 3.125)])
    assert [f.text + f.pad for f in figures] == ["12.500", "1,000.000", "3.125"]


def test_marks_stay_on_their_axis() -> None:
    from gengauge.aggregate import aggregate

    wide = aggregate([{"value": 5.0, "low": -3.0, "high": 50.0, "kind": "estimate"}])
    found = marks(wide, Axis(0, 10))
    assert found is not None
    assert (found.low, found.value, found.high) == (3.0, 50.0, 97.0)
    outside: Any = aggregate([{"value": 11.0, "low": 10.5, "high": 11.5, "kind": "estimate"}])
    assert marks(outside, Axis(0, 10)) is None


def test_what_we_ship_of_others_is_what_they_published() -> None:
    for package in vendoring.packages():
        assert package["licence"] == "MIT"
        for name, digest in package["sha512"].items():
            assert vendoring.digest((vendoring.VENDOR / name).read_bytes()) == digest
        assert set(package["files"]) == set(package["sha512"])
        assert any("LICENSE" in name for name in package["files"])


def test_a_changed_package_is_refused() -> None:
    [package] = vendoring.packages()
    with pytest.raises(ValueError, match=r"datatables.net 3.1.5: expected sha512-"):
        list(vendoring.unpacked(package, b"something else"))
