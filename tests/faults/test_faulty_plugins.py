"""Whatever a plugin does, its trial is a record with the right status, and the run goes on."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest
from fault_survey import left_behind, survived
from tests_support import FAKES, command_line, environment

sys.path.append(str(FAKES))  # only for the names; the plugin itself runs in processes of its own
from fault_models import FAULTS

RUN = ("run", "-d", "points/moons", "--plugin", "fault_models", "--limit", "600", "--samples",
       "50", "-s", "faulty", "-o", "out")  # fmt: skip
FINE = {
    "leaves-daemons", "leaves-threads", "prints-gigabytes", "closes-its-output",
    "writes-junk-into-pipes", "forges-records", "changes-folder", "changes-signals",
}  # fmt: skip
ENDED = {  # status, and what the record says
    "segfault": ("failed", "SIGSEGV ended its process"),
    "abort": ("failed", "SIGABRT ended its process"),
    "exits-at-once": ("failed", "exit code 3 before there was a record"),
    "exits-on-import": ("failed", "exit code 4 before there was a record"),
    "raises-system-exit": ("failed", "I have had enough"),
    "raises-keyboard-interrupt": ("failed", "no message"),
    "raises-what-cannot-be-printed": ("failed", "its message cannot be shown"),
    "raises-a-book": ("failed", "xxx..."),
    "recurses-for-ever": ("failed", "maximum recursion depth"),
    "thread-bomb": ("failed", "more than 2000 threads"),
    "many-children": ("failed", "more than 250 processes"),
    "loops-for-ever": ("timeout", "more than 8 seconds"),
    "holds-the-lock": ("timeout", "more than 8 seconds"),
    "stops-itself": ("timeout", "more than 8 seconds"),
    "eats-memory": ("out_of_memory", "allowed 1.00"),
    "draws-nan": ("diverged", ""),
    "draws-wrong-shape": ("failed", "expected (50, 2)"),
    "draws-too-few": ("failed", "expected (50, 2)"),
    "draws-no-tensor": ("failed", ""),
    "counts-strangely": ("failed", ""),
    "closes-everything": ("failed", ""),
    "kills-itself": ("failed", "SIGKILL ended its process"),
    "removes-its-folder": ("failed", ""),
    "opens-too-many-files": ("failed", "Too many open files"),
    "asks-the-user": ("failed", "EOF"),
}
ALL = (*FAULTS, "exits-on-import", "healthy")


class Ran:
    """One run of all faults, by the real command line."""

    def __init__(self, folder: Path) -> None:
        self.folder, mark = folder / "out", uuid.uuid4().hex
        chosen = [a for m in ALL for a in ("-m", m)]
        limits = ("--timeout", "8s", "--memory", "1G", "-j", "4")
        self.done = subprocess.run(
            command_line(*RUN, *chosen, *limits), cwd=folder, env=environment(FAULT_MARK=mark),
            capture_output=True, text=True, timeout=500,
        )  # fmt: skip
        self.left = left_behind(mark)
        lines = (self.folder / "records.jsonl").read_text().splitlines()
        self.records: list[dict[str, Any]] = [json.loads(line) for line in lines]
        self.by_model = {r["model"]["id"]: r for r in self.records}

    def printed(self, model: str) -> str:
        path = self.folder / "trials" / self.by_model[model]["trial"] / "log.txt"
        return path.read_text(errors="replace")


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    return Ran(tmp_path_factory.mktemp("faults"))


def test_every_fault_is_expected_to_end_somehow() -> None:
    assert FINE | set(ENDED) == set(ALL) - {"healthy"}


def test_every_trial_has_one_record_and_the_run_ends_with_3(
    ran: Ran, record_property: pytest.RecordProperty
) -> None:
    assert ran.done.returncode == 3, ran.done.stderr
    assert "Traceback" not in ran.done.stderr
    assert sorted(r["model"]["id"] for r in ran.records) == sorted(ALL)
    survived(record_property, len(ALL) - 1, lost=len(ALL) - len(ran.records))


def test_nothing_is_left_behind(ran: Ran) -> None:
    assert ran.left == []


@pytest.mark.parametrize("model", sorted(ENDED))
def test_the_status_is_right(ran: Ran, model: str) -> None:
    status, said = ENDED[model]
    record = ran.by_model[model]
    assert record["status"] == status, record["error"]
    assert said in record["error"]["message"]
    assert len(record["error"]["message"]) < 2000
    if record["error"]["type"] == "TrialDied":
        assert f"see trials/{record['trial']}/log.txt" in record["error"]["message"]
        assert "log.txt" in record["artifacts"]


@pytest.mark.parametrize("model", [*sorted(FINE), "healthy"])
def test_what_does_no_harm_is_scored(ran: Ran, model: str) -> None:
    record = ran.by_model[model]
    assert record["status"] == "ok", record["error"]
    scores = {s["metric"]: s for s in record["scores"]}
    assert scores["fine"]["value"] == 1
    for name in ("tells_what_is_no_json", "tells_not_a_number"):  # spoils no other metric
        assert scores[name]["failed"]
        assert "JSON" in scores[name]["unscored_reason"]


def test_logs_are_bounded_and_say_what_happened(ran: Ran) -> None:
    printed = ran.printed("prints-gigabytes")
    assert len(printed) < 1.2 * 2**20
    assert printed.startswith("the beginning\n")
    assert "bytes are left out here" in printed
    assert printed.endswith("the end\n")
    assert "these are my last words" in ran.printed("exits-at-once")
    assert "fault_targets.py" in ran.printed("segfault")  # where it was, as faulthandler tells
    for model in ("loops-for-ever", "holds-the-lock"):  # a hanging trial is asked where it is
        assert "fault_targets.py" in ran.printed(model)
    assert "where_it_hangs" in ran.printed("loops-for-ever")


def test_failures_are_named_on_the_terminal_and_run_again_on_request(ran: Ran) -> None:
    assert "timeout: loops-for-ever on points/moons: TrialDied: it ran for more" in ran.done.stderr
    chosen = ("-m", "exits-at-once", "-m", "healthy")
    again = subprocess.run(
        command_line(*RUN, *chosen, "--retry-failed"), cwd=ran.folder.parent, env=environment(),
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert again.returncode == 3, again.stderr
    assert "exits-at-once on points/moons, seed 0: failed" in again.stderr


def test_a_trial_that_kills_what_started_it(
    tmp_path: Path, record_property: pytest.RecordProperty
) -> None:
    mark = uuid.uuid4().hex
    done = subprocess.run(
        command_line(*RUN, "-m", "kills-its-parent", "-m", "healthy", "-j", "1"), cwd=tmp_path,
        env=environment(FAULT_MARK=mark), capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 3, done.stderr
    lines = (tmp_path / "out/records.jsonl").read_text().splitlines()
    statuses = {r["model"]["id"]: r["status"] for r in map(json.loads, lines)}
    assert statuses == {"kills-its-parent": "failed", "healthy": "ok"}
    assert left_behind(mark) == []
    survived(record_property, 1, lost=2 - len(lines))


@pytest.mark.slow
def test_a_storm_of_forks(tmp_path: Path, record_property: pytest.RecordProperty) -> None:
    mark = uuid.uuid4().hex
    done = subprocess.run(
        command_line(*RUN, "-m", "fork-bomb", "-m", "healthy", "--memory", "1G"), cwd=tmp_path,
        env=environment(FAULT_MARK=mark), capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 3, done.stderr
    lines = (tmp_path / "out/records.jsonl").read_text().splitlines()
    statuses = {r["model"]["id"]: r["status"] for r in map(json.loads, lines)}
    assert statuses.pop("healthy") == "ok"
    assert statuses["fork-bomb"] in ("failed", "out_of_memory")
    assert left_behind(mark) == []
    survived(record_property, 1, lost=2 - len(lines))


def test_without_isolation_trials_run_in_this_very_process(tmp_path: Path) -> None:
    """As a debugger needs it: what ends the trial's process ends the run."""
    done = subprocess.run(
        command_line(*RUN, "-m", "healthy", "-m", "exits-at-once", "--no-isolate"), cwd=tmp_path,
        env=environment(), capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 3  # the plugin's own os._exit(3): nothing after it is printed
    assert "these are my last words" in done.stdout
    assert "report:" not in done.stderr
    lines = (tmp_path / "out/records.jsonl").read_text().splitlines()
    assert [json.loads(line)["status"] for line in lines] == ["ok"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--timeout", "soon"), "--timeout 'soon' is not understood; write a time, such as 90s"),
        (("--timeout", "5steps"), "--timeout '5steps' is not understood"),
        (("--memory", "8"), "--memory '8' is not understood; write a size, such as 512M or 8G"),
        (("--memory", "lots"), "--memory 'lots' is not understood"),
        (("--no-isolate", "-j", "2"), "--no-isolate takes no --timeout, --memory or --jobs"),
    ],
)
def test_a_wrong_limit_is_one_line(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    done = subprocess.run(
        command_line(*RUN, "-m", "healthy", *arguments), cwd=tmp_path, env=environment(),
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {said}")
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()
