"""`gengauge publish`: whole or not at all, and never over what somebody else has put there."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
from gate_runs import record, run
from tests_support import FAKES

from gengauge.cli import _run
from gengauge.publishing import MARKER


@pytest.fixture
def publish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    """Publish a run of two trials with the arguments given; return exit code and stderr."""
    monkeypatch.syspath_prepend(FAKES)
    folder = run(tmp_path / "run", record(seed=0), record(seed=1))

    def call(*arguments: object, to: str = "plain", out: Path = tmp_path / "out") -> tuple:
        words = ["publish", folder, "--to", to, "-o", out, "--plugin", "fake_publishers"]
        code = _run([str(w) for w in (*words, *arguments)])
        return code, capsys.readouterr().err

    return call


def files(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}


def test_a_folder_is_written_and_the_file_to_begin_with_is_named(publish, tmp_path):
    code, said = publish("--title", "Ours", "--set", "pages=2")
    out = tmp_path / "out"
    assert (code, said) == (0, f"wrote {out / 'index.json'}\n")
    assert files(out) == {"index.json", "pages/0.txt", "pages/1.txt", MARKER}
    told = json.loads((out / "index.json").read_text())
    assert told["title"] == "Ours"
    assert len(told["trials"]) == 2


def test_publishing_again_replaces_the_whole(publish, tmp_path):
    publish("--set", "pages=3")
    (tmp_path / "out" / "note.txt").write_text("typed into a published folder")
    assert publish()[0] == 0
    assert files(tmp_path / "out") == {"index.json", "pages/0.txt", MARKER}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "run"]


def test_a_folder_is_as_open_as_the_umask_allows(publish, tmp_path):
    before = os.umask(0o022)
    try:
        publish()
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o755


def test_an_empty_folder_and_one_in_new_folders_will_do(publish, tmp_path):
    (tmp_path / "empty").mkdir()
    assert publish(out=tmp_path / "empty")[0] == 0
    assert publish(out=tmp_path / "a" / "b" / "c")[0] == 0


def test_what_fails_leaves_the_old_pages_alone(publish, tmp_path):
    publish()
    (tmp_path / "out" / MARKER).write_text("breaks\n")
    before = files(tmp_path / "out")
    assert publish(to="breaks")[0] == 130
    assert files(tmp_path / "out") == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "run"]


def test_what_fails_at_first_leaves_nothing(publish, tmp_path):
    assert publish(to="breaks")[0] == 130
    assert [p.name for p in tmp_path.iterdir()] == ["run"]


def test_a_rename_that_fails_brings_the_old_pages_back(publish, tmp_path, monkeypatch):
    publish()
    rename = Path.rename

    def refuse(self: Path, target: Path) -> Path:
        if self.name == "new":
            raise OSError(18, "Invalid cross-device link")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse)
    code, said = publish("--set", "pages=3")
    assert code == 2
    assert "Invalid cross-device link" in said
    assert files(tmp_path / "out") == {"index.json", "pages/0.txt", MARKER}


def test_foreign_files_are_left_alone(publish, tmp_path):
    thesis = tmp_path / "out" / "thesis.tex"
    thesis.parent.mkdir()
    thesis.write_text("years of work")
    code, said = publish()
    assert code == 2
    assert "files that no `publish` wrote" in said
    assert thesis.read_text() == "years of work"


def test_a_run_is_never_published_over(publish, tmp_path):
    before = files(tmp_path / "run")
    assert publish(out=tmp_path / "run")[0] == 2
    assert files(tmp_path / "run") == before


def test_what_another_publisher_wrote_is_left_alone(publish):
    publish(to="other")
    code, said = publish(to="plain")
    assert code == 2
    assert "what `publish --to other` wrote" in said


def test_a_file_is_no_folder(publish, tmp_path):
    (tmp_path / "out").write_text("text")
    code, said = publish()
    assert (code, "expected a folder" in said) == (2, True)


def test_a_link_to_a_folder_stays_a_link(publish, tmp_path):
    (tmp_path / "www").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "www")
    assert publish()[0] == 0
    assert (tmp_path / "out").is_symlink()
    assert (tmp_path / "www" / "index.json").exists()


@pytest.mark.parametrize(
    ("arguments", "to", "expected"),
    [
        ((), "plian", "unknown publisher 'plian'; did you mean 'plain'?"),
        (("no/such/run",), "plain", "'no/such/run' is not a run"),
        ((__file__,), "plain", "test_publish.py' is"),
        (("--repo", "me/mine"), "plain", "unknown parameter of publisher plain 'repo'"),
        (("--dry-run",), "plain", "unknown parameter of publisher plain 'dry_run'"),
        (("--set", "pages=0"), "plain", "'pages' must be at least 1, not 0"),
        (("--set", "pages"), "plain", "--set 'pages' is not understood; write KEY=VALUE"),
        ((), "lacking", "needs not_there_at_all: pip install 'gengauge[moon]'"),
    ],
)
def test_wrong_input_is_exit_2_with_one_line_and_nothing_written(
    publish, tmp_path, arguments, to, expected
):
    code, said = publish(*arguments, to=to)
    assert code == 2
    assert expected in said
    assert said.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("missing", ["--to", "-o", "RUN..."])
def test_what_is_missing_is_named(missing, capsys):
    words = {"RUN...": ["run"], "--to": ["--to", "site"], "-o": ["-o", "out"]}
    given = [w for name, part in words.items() if name != missing for w in part]
    assert _run(["publish", *given]) == 2
    assert missing in capsys.readouterr().err


def test_publishers_are_listed_among_the_reports_and_shown(capsys):
    assert _run(["list", "reports", "--format", "json"]) == 0
    rows = {row["verb"]: row for row in json.loads(capsys.readouterr().out)}
    assert {"publish --to site", "report --format html"} <= rows.keys()
    assert _run(["show", "site", "--format", "json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["is"] == "publisher"
    assert [p["name"] for p in shown["parameters"]] == ["title"]
