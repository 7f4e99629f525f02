"""Weights the user brings: where they are looked for, verified and fetched."""

from __future__ import annotations

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests_support import Cli

from gengauge import weights
from gengauge.errors import NotReadyError
from gengauge.specs import WeightsFile

CONTENT = b"weights" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with empty folders, so that no file of the user's is found."""
    for name, folder in (
        ("GENGAUGE_WEIGHTS", "own"), ("GENGAUGE_CACHE_DIR", "cache"), ("TORCH_HOME", "torch"),
        ("HF_HUB_CACHE", "hub"), ("HOME", "home"),
    ):  # fmt: skip
        monkeypatch.setenv(name, str(tmp_path / folder))
    monkeypatch.delenv("GENGAUGE_OFFLINE", raising=False)
    return tmp_path


class Server:
    """Serves ``answers`` by path on this machine and remembers what was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answers: dict[str, tuple[int, int, bytes]] = {}
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.asked.append(self.path)
                status, length, body = server.answers.get(self.path, (404, 0, b""))
                self.send_response(status)
                self.send_header("Content-Length", str(length))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *words: object) -> None: ...

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()


@pytest.fixture
def server():
    made = Server()
    made.answers["/net.pth"] = (200, len(CONTENT), CONTENT)
    yield made
    made.http.shutdown()
    made.http.server_close()


def file(url: str = "http://nowhere.invalid/net.pth", **changed) -> WeightsFile:
    known = {"name": "net.pth", "size": len(CONTENT), "sha256": SHA256, "url": url}
    return WeightsFile(**{**known, **changed})


def put(path: Path, content: bytes = CONTENT) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_a_missing_file_is_one_error_with_all_that_is_needed(machine: Path) -> None:
    with pytest.raises(NotReadyError) as caught:
        weights.require(file(), "net")
    said = str(caught.value)
    for part in ("'net'", "net.pth", "7,000 bytes", SHA256, "http://nowhere.invalid/net.pth",
                 "gengauge weights fetch net", str(machine / "own" / "net.pth")):  # fmt: skip
        assert part in said
    assert "\n" not in said


@pytest.mark.parametrize("content", [b"other" * 1400, CONTENT[:-1]])
def test_a_wrong_file_is_named_with_both_hashes(machine: Path, content: bytes) -> None:
    put(machine / "own" / "net.pth", content)
    with pytest.raises(NotReadyError) as caught:
        weights.require(file(), "net")
    assert SHA256 in str(caught.value)
    assert hashlib.sha256(content).hexdigest() in str(caught.value)
    assert str(machine / "own" / "net.pth") in str(caught.value)


def test_own_folders_come_before_those_of_other_tools(machine: Path) -> None:
    places = [
        machine / "home/.cache/clip/net.pth",
        machine / "torch/hub/checkpoints/alias.pth",
        machine / "cache/weights/net.pth",
        machine / "own/net.pth",
    ]
    for place in places:  # each is looked at before those that were there already
        put(place)
        assert weights.require(file(also=("alias.pth",)), "net") == place


def test_the_hub_is_searched_by_hash_whatever_the_repository(machine: Path) -> None:
    blob = put(machine / "hub" / "models--someone--copy" / "blobs" / SHA256)
    assert weights.require(file(), "net") == blob
    assert weights.find(file(sha256=SHA256[:8])) is None  # a beginning names no blob


def test_the_published_beginning_of_a_hash_is_enough(machine: Path) -> None:
    put(machine / "own" / "net.pth")
    assert weights.require(file(sha256=SHA256[:8], size=0), "net")
    with pytest.raises(NotReadyError):
        weights.require(file(sha256="0" * 8, size=0), "net")


def test_a_file_that_changes_is_hashed_again(machine: Path) -> None:
    path = put(machine / "own" / "net.pth")
    assert not weights.find(file()).problem
    put(path, b"x" * 6999)
    assert weights.find(file()).problem


def test_fetch_verifies_and_then_leaves_the_network_alone(machine: Path, server: Server) -> None:
    wanted, steps = file(f"{server.address}/net.pth"), []
    path = weights.fetch(wanted, lambda done, total: steps.append((done, total)))
    assert path == machine / "own" / "net.pth"
    assert path.read_bytes() == CONTENT
    assert [p.name for p in path.parent.iterdir()] == ["net.pth"]
    assert steps[-1] == (7000, 7000)
    assert weights.fetch(wanted) == path
    assert server.asked == ["/net.pth"]


def test_fetch_replaces_a_wrong_file(machine: Path, server: Server) -> None:
    put(machine / "own" / "net.pth", b"half")
    assert weights.fetch(file(f"{server.address}/net.pth")).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((200, 5, b"other"), hashlib.sha256(b"other").hexdigest()),
        ((200, 7000, CONTENT[:3000]), "net.pth"),  # the connection ends early
        ((404, 0, b""), "404"),
        ((500, 0, b""), "500"),
    ],
)
def test_nothing_is_kept_of_a_fetch_that_failed(machine, server, answer, said) -> None:
    server.answers["/net.pth"] = answer
    with pytest.raises(weights.FetchError, match=said):
        weights.fetch(file(f"{server.address}/net.pth"))
    assert not list((machine / "own").iterdir())


def test_a_server_that_is_not_there_is_an_error_of_one_line() -> None:
    with pytest.raises(weights.FetchError, match="could not be fetched"):
        weights.fetch(file("http://127.0.0.1:9/net.pth"))


def test_offline_never_asks(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENGAUGE_OFFLINE", "1")
    with pytest.raises(weights.FetchError, match="GENGAUGE_OFFLINE") as caught:
        weights.fetch(file(f"{server.address}/net.pth"))
    assert SHA256 in str(caught.value)
    assert server.asked == []


PLUGIN = """
from gengauge import hookimpl
from gengauge.specs import EmbedderSpec, WeightsFile

@hookimpl
def gengauge_embedders():
    yield EmbedderSpec(
        id="net", summary="A network.", target="nowhere:Net", modalities=("image",),
        weights=(WeightsFile("net.pth", {size}, "{sha256}", "{url}", "MIT"),),
    )
"""


@pytest.fixture
def gengauge(cli: Cli, machine: Path, server: Server):
    text = PLUGIN.format(size=len(CONTENT), sha256=SHA256, url=f"{server.address}/net.pth")
    (machine / "one_net.py").write_text(text)
    folders = {"GENGAUGE_WEIGHTS": str(machine / "own"), "HOME": str(machine / "home")}
    return lambda *words: cli("weights", *words, "--plugin", "one_net", env=folders)


def status(gengauge) -> dict:
    [row] = json.loads(gengauge("status", "net", "--format", "json").stdout)
    return row


def test_status_before_and_after_a_fetch(gengauge, machine: Path) -> None:
    before = status(gengauge)
    assert (before["status"], before["found"]) == ("missing", None)
    done = gengauge("fetch", "net")
    assert (done.returncode, done.stdout.strip()) == (0, str(machine / "own" / "net.pth"))
    after = status(gengauge)
    assert after["status"] == "ready"
    assert after["found"] == after["sha256"] == SHA256
    assert (after["size"], after["licence"]) == (7000, "MIT")
    (machine / "own" / "net.pth").write_bytes(b"spoilt")
    assert status(gengauge)["status"] == "wrong"


def test_exit_codes_of_fetch(gengauge, server: Server) -> None:
    offline = gengauge("fetch", "net", "--offline")
    assert (offline.returncode, server.asked) == (3, [])
    server.answers.clear()
    assert gengauge("fetch", "net").returncode == 3
    unknown = gengauge("fetch", "nett")
    assert unknown.returncode == 2
    assert "did you mean 'net'?" in unknown.stderr


def test_path_lists_every_place_in_order(gengauge, machine: Path) -> None:
    rows = json.loads(gengauge("path", "net", "--format", "json").stdout)
    assert rows[0] == {"id": "net", "path": str(machine / "own/net.pth"), "exists": False}
    assert str(machine / "home/.cache/clip/net.pth") in [row["path"] for row in rows]


def test_the_wrong_verb_is_named(cli: Cli) -> None:
    done = cli("weights", "fech")
    assert done.returncode == 2
    assert "did you mean 'weights fetch'?" in done.stderr
