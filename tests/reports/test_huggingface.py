"""Model cards: valid to the Hub's library, honest in words, and sent only where that was asked."""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import yaml
from huggingface_hub import ModelCard, parse_eval_result_entries
from huggingface_hub.repocard_data import eval_results_to_model_index
from markdown_it import MarkdownIt

from gengauge.errors import GengaugeError, UsageError
from gengauge.publishing import publish
from gengauge.registry import Registry
from gengauge.store import RunStore


@pytest.fixture(autouse=True)
def no_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whatever token this machine has, no test may find it, nor the real Hub."""
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
    at(monkeypatch, "http://127.0.0.1:9")


def at(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """Have the library take ``address`` for the Hub, as HF_ENDPOINT does before its import."""
    url = f"{address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", address)
    monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", url)


def written(run: RunStore, folder: Path, **given: Any) -> Path:
    return publish(Registry(), "huggingface", [run], folder, given)


def files(folder: Path) -> dict[str, bytes]:
    found = (p for p in sorted(folder.rglob("*")) if p.is_file())
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in found}


def results(card: ModelCard, metric: str) -> list[Any]:
    return [r for r in card.data.eval_results if r.metric_type == metric]


def test_every_card_is_valid_and_controls_have_none(run: RunStore, tmp_path: Path) -> None:
    first = written(run, tmp_path / "out")
    assert first == tmp_path / "out/README.md"
    names = {p.parent.name for p in (tmp_path / "out").glob("*/README.md")}
    assert names == {"flow", "gan", "script-alert-1-script", "vae"}
    for name in names:
        card = ModelCard.load(tmp_path / "out" / name / "README.md")
        assert card.data.library_name == "gengauge"
        if name == "gan":  # it has diverged, and its card says so
            assert "diverged: DivergedError" in card.text
            assert not card.data.eval_results
        else:
            index = card.data.to_dict()["model-index"]
            assert index == eval_results_to_model_index(index[0]["name"], card.data.eval_results)
    assert "[vae](vae/README.md) | family | 123,456 |" in first.read_text()


def test_values_are_those_of_the_records(run: RunStore, tmp_path: Path) -> None:
    written(run, tmp_path / "out", model="vae")
    card = ModelCard.load(tmp_path / "out/README.md")
    [bits] = results(card, "bits_per_dim")
    assert bits.metric_value == pytest.approx((2.105 + 2.141) / 2, abs=1e-5)
    assert bits.metric_args["kind"] == "upper_bound"
    assert bits.metric_args["low"] < bits.metric_value < bits.metric_args["high"]
    assert bits.metric_args["seeds"] == [0, 1]
    assert bits.metric_args["comparability_key"] == "key-bits_per_dim"
    assert (bits.task_type, bits.dataset_type) == ("unconditional-image-generation", "digits")
    assert bits.metric_name == "bits/dim (upper bound)"
    assert {r.dataset_type for r in card.data.eval_results} == {"digits", "points/moons"}


def test_a_bound_is_called_a_bound(run: RunStore, tmp_path: Path) -> None:
    written(run, tmp_path / "out")
    vae, flow = ((tmp_path / "out" / m / "README.md").read_text() for m in ("vae", "flow"))
    assert re.search(r"\| bits/dim ↓ \| ≤2\.1\d* ± 0\.\d+ \| upper bound \|", vae)
    assert "Upper bound: the true value is at most this" in vae
    assert re.search(r"\| bits/dim ↓ \| 1\.874 ± 0\.022 \| exact \|", flow)
    assert "Upper bound" not in flow
    for part in ("## Limits", "## Reproduce", "`key-bits_per_dim`", "gengauge run quick -m 'vae'"):
        assert part in vae


def test_eval_results_are_read_by_the_library(run: RunStore, tmp_path: Path) -> None:
    written(run, tmp_path / "out", model="vae", benchmark="acme/shapes", source="https://a.example")
    path = tmp_path / "out/.eval_results/gengauge-digits.yaml"
    card = ModelCard.load(tmp_path / "out/README.md")
    entries = parse_eval_result_entries(yaml.safe_load(path.read_text()))
    told = [r.metric_value for r in card.data.eval_results if r.dataset_type == "digits"]
    assert [e.value for e in entries] == told
    assert {e.dataset_id for e in entries} == {"acme/shapes"}
    assert len({e.task_id for e in entries}) == len(entries)
    assert {e.source_url for e in entries} == {"https://a.example"}
    assert all(re.match(r"2026-11-22T10:0\d:00\+00:00", e.date) for e in entries)
    [bits] = [e for e in entries if "bits" in e.task_id]
    assert "upper bound; lower is better; 95 % interval [" in bits.notes
    assert "comparability key key-bits_per_dim" in bits.notes


def test_what_a_record_says_is_text(run: RunStore, hostile: str, tmp_path: Path) -> None:
    evil = f"{hostile}\n---\nlicense: evil\n```\n![x](https://evil.example)\x1b[2J @all"
    for record in run.records():
        record["model"] |= {"summary": evil, "reference": evil, "code": evil, "family": evil}
        record["command"] = record["budget"] = evil
        run.append(record)
    written(run, tmp_path / "out")
    markdown = MarkdownIt("commonmark", {"html": True}).enable("table")
    for path in (tmp_path / "out").rglob("README.md"):
        if path.parent.name == "out":
            continue
        card = ModelCard.load(path)
        assert set(card.data.to_dict()) <= {
            "library_name", "tags", "metrics", "model-index", "pipeline_tag"
        }  # fmt: skip
        page = markdown.render(card.text)
        assert "alert(1)" in page
        assert "<script" not in page
        assert 'src="https://evil' not in page
        assert 'href="https://evil' not in page
        assert "\x1b" not in card.text
    index = (tmp_path / "out/README.md").read_text()
    assert "<script" not in index


def test_what_has_a_caveat_is_not_told_to_the_hub(run: RunStore, tmp_path: Path) -> None:
    for record in run.records():
        for score in record["scores"]:
            if score["metric"] == "recall":
                score["caveat"] = "the judge has steered it"
        run.append(record)
    written(run, tmp_path / "out", model="flow")
    card = ModelCard.load(tmp_path / "out/README.md")
    assert not results(card, "recall")
    assert "recall on digits: `the judge has steered it`" in card.text


def test_the_same_records_give_the_same_bytes(run: RunStore, tmp_path: Path) -> None:
    for name in ("a", "b"):
        written(RunStore.open(run.folder), tmp_path / name)
    assert files(tmp_path / "a") == files(tmp_path / "b")


@pytest.mark.parametrize("repo", ["x", "a/b/c", "a/b c", "../x", "a/--b", "a/" + "b" * 99])
def test_what_names_no_repository(run: RunStore, tmp_path: Path, repo: str) -> None:
    with pytest.raises(UsageError, match="names no repository"):
        written(run, tmp_path / "out", repo=repo)
    assert not (tmp_path / "out").exists()


def test_other_wrong_inputs(run: RunStore, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown model 'vea'; did you mean 'vae'"):
        written(run, tmp_path / "out", model="vea")
    alone = RunStore(tmp_path / "controls")
    for record in run.records():
        if record["model"]["control"]:
            alone.append(record)
    with pytest.raises(GengaugeError, match="controls alone") as error:
        written(alone, tmp_path / "out")
    assert error.value.exit_code == 5


@pytest.mark.parametrize("given", [{"dry_run": True}, {"repo": "acme/gg"}])
def test_without_a_token_or_dry_nothing_is_sent(
    run: RunStore, tmp_path: Path, capsys: pytest.CaptureFixture[str], given: dict[str, Any]
) -> None:
    written(run, tmp_path / "out", model="vae", **given)
    said = capsys.readouterr().err
    name = "acme/gg" if "repo" in given else "USER/NAME"
    size = (tmp_path / "out/README.md").stat().st_size
    assert f"to http://127.0.0.1:9/{name}:" in said
    assert f"  README.md ({size:,} bytes)" in said
    assert "  .eval_results/gengauge-digits.yaml (" in said
    assert ("there is no token; set HF_TOKEN" in said) == ("repo" in given)


SITE = "https://huggingface.co"


class Hub(BaseHTTPRequestHandler):
    """Stands for the Hub: says yes, and keeps what it was sent."""

    seen: list[tuple[str, str, Any, str]]
    taken: bool
    refuses: str

    def _answer(self, content: Any = None, status: int = 200) -> None:
        body = json.dumps(content or {}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_HEAD(self) -> None:
        self.seen.append(("HEAD", self.path, None, ""))
        if not self.taken:
            self.send_response(404)
            self.send_header("X-Error-Code", "EntryNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        for name, value in (("ETag", '"e"'), ("X-Repo-Commit", "0" * 40), ("Content-Length", "1")):
            self.send_header(name, value)
        self.end_headers()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        token = self.headers.get("Authorization", "")
        lines = [json.loads(line) for line in body.splitlines() if line]
        self.seen.append(("POST", self.path, lines, token))
        if self.refuses and self.refuses in self.path:
            self._answer({"error": "no right to write here"}, 403)
        elif "/preupload/" in self.path:
            files = [
                {"path": f["path"], "uploadMode": "regular", "shouldIgnore": False}
                for f in lines[0]["files"]
            ]
            self._answer({"files": files})
        elif "/commit/" in self.path:
            pull = f"{SITE}/acme/gg/discussions/1" if "create_pr" in self.path else None
            commit = {"commitOid": "1" * 40, "commitUrl": f"{SITE}/acme/gg/commit/{'1' * 40}"}
            self._answer({**commit, "pullRequestUrl": pull})
        else:
            self._answer({"url": f"{SITE}/acme/{lines[0].get('name', '')}", "warnings": []})

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Hub]]:
    """A Hub of our own on this machine, with a token for it."""
    handler = type("OurHub", (Hub,), {"seen": [], "taken": False, "refuses": ""})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    at(monkeypatch, f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("HF_TOKEN", "hf_secretsecretsecret")
    yield handler
    server.shutdown()
    server.server_close()


def commits(hub: type[Hub]) -> dict[str, dict[str, bytes]]:
    """The files that the Hub was sent, by the path of each commit."""
    return {
        path: {
            line["value"]["path"]: base64.b64decode(line["value"]["content"])
            for line in lines if line["key"] == "file"
        }
        for method, path, lines, _ in hub.seen if "/commit/" in path
    }  # fmt: skip


def test_a_card_is_sent_whole(
    run: RunStore, tmp_path: Path, hub: type[Hub], capsys: pytest.CaptureFixture[str]
) -> None:
    written(run, tmp_path / "out", model="vae", repo="acme/gg-vae")
    [(path, sent)] = commits(hub).items()
    assert path == "/api/models/acme/gg-vae/commit/main"
    there = files(tmp_path / "out")
    assert there.pop(".gengauge-published") == b"huggingface\n"
    assert sent == there
    created = next(lines for _, p, lines, _ in hub.seen if p == "/api/repos/create")
    assert created[0]["name"] == "gg-vae"
    assert {t for m, _, _, t in hub.seen if m == "POST"} == {"Bearer hf_secretsecretsecret"}
    said = capsys.readouterr().err
    assert f"sent to {SITE}/acme/gg/commit/1" in said
    assert "hf_secret" not in said + "".join(map(str, sent.values()))


def test_somebodys_card_is_not_overwritten(
    run: RunStore, tmp_path: Path, hub: type[Hub], capsys: pytest.CaptureFixture[str]
) -> None:
    hub.taken = True
    written(run, tmp_path / "out", model="vae", repo="acme/gg")
    assert list(commits(hub)) == ["/api/models/acme/gg/commit/main?create_pr=1"]
    assert "/acme/gg/discussions/1" in capsys.readouterr().err


def test_several_models_have_repositories_of_their_own(
    run: RunStore, tmp_path: Path, hub: type[Hub]
) -> None:
    written(run, tmp_path / "out", repo="acme/gg")
    slugs = sorted(p.parent.name for p in (tmp_path / "out").glob("*/README.md"))
    assert sorted(commits(hub)) == [f"/api/models/acme/gg-{s}/commit/main" for s in slugs]


def test_a_dry_run_sends_nothing_with_a_token(
    run: RunStore, tmp_path: Path, hub: type[Hub]
) -> None:
    written(run, tmp_path / "out", repo="acme/gg", dry_run=True)
    assert hub.seen == []


def test_a_hub_that_refuses_leaves_everything_as_it_was(
    run: RunStore, tmp_path: Path, hub: type[Hub]
) -> None:
    written(run, tmp_path / "out", model="vae")
    before = files(tmp_path / "out")
    hub.refuses = "/api/repos/create"
    with pytest.raises(UsageError, match=r"'acme/gg' was not sent: .*403") as error:
        written(run, tmp_path / "out", model="vae", repo="acme/gg")
    assert "hf_secret" not in str(error.value)
    assert files(tmp_path / "out") == before
