"""What trackers hold is what the records say: MLflow, TensorBoard and W&B as they are.

trackio wants an older Pillow than its neighbours here bring, so it is a stand-in with the
signatures of trackio 0.43, which writes down what it is given.
"""

from __future__ import annotations

import inspect
import json
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import gengauge
from gengauge.tracked import tracked
from gengauge.tracker import Tracked


@dataclass
class Sent:
    """A small run of a model that learns and one that fails, and the folder that it told."""

    folder: Path
    results: gengauge.Results
    trials: dict[str, Tracked] = field(default_factory=dict)

    @property
    def uri(self) -> str:
        return f"sqlite:///{self.folder}/mlflow.db"


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("tracked")
    fakes = str(Path(__file__).parents[1] / "fakes")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(fakes)
        patch.chdir(folder)  # MLflow's artifacts go to ./mlruns
        patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        found = Sent(folder, gengauge.run(
            models=["gmm[components=4]", "crash"], datasets=["digits", "points/moons"],
            suites=["likelihood"], budget="20steps", samples=80, limit=80, isolate=False,
            progress=False, plugins="fake_models", output=folder / "run",
            track=["tensorboard=events", f"mlflow=sqlite:///{folder}/mlflow.db"],
        ))  # fmt: skip
        for record in found.results.records:
            told = tracked(record, found.results._store)
            found.trials[told.name] = told
        yield found


@pytest.fixture(scope="module")
def drawn(sent: Sent) -> Tracked:
    return sent.trials["gmm[components=4] on digits, seed 0"]


def test_the_run_is_as_it_should_be(sent: Sent, drawn: Tracked) -> None:
    assert {t.status for t in sent.trials.values()} == {"ok", "failed"}
    assert [p.name for p in drawn.pictures] == ["samples.png"]
    assert drawn.points
    assert any(score.low is not None for score in drawn.scores)


def runs_of(sent: Sent) -> dict[str, Any]:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=sent.uri)
    experiment = client.get_experiment_by_name("gengauge")
    return {r.info.run_name: r for r in client.search_runs([experiment.experiment_id])}


def test_mlflow_has_every_trial(sent: Sent, drawn: Tracked) -> None:
    from mlflow import MlflowClient

    runs = runs_of(sent)
    assert set(runs) == set(sent.trials)
    states = {name: run.info.status for name, run in runs.items()}
    assert states == {n: "FINISHED" if t.ok else "FAILED" for n, t in sent.trials.items()}
    run = runs[drawn.name]
    assert run.data.params == {k: str(v) for k, v in drawn.parameters.items()}
    scores = {k: v for k, v in run.data.metrics.items() if not k.startswith("curve/")}
    assert scores == pytest.approx(drawn.numbers)
    assert run.data.tags["gengauge.trial"] == drawn.key
    assert run.data.tags["likelihood/bits_per_dim.about"] == "upper_bound, bits, lower is better"
    client = MlflowClient(tracking_uri=sent.uri)
    curve = client.get_metric_history(run.info.run_id, "curve/train_loss")
    assert [(m.step, m.value) for m in curve] == [
        (step, values["curve/train_loss"]) for step, values in drawn.points
    ]
    assert [a.path for a in client.list_artifacts(run.info.run_id)] == ["samples.png"]


def test_mlflow_goes_on_in_the_run_of_a_trial(sent: Sent, drawn: Tracked) -> None:
    from gengauge_reports.trackers.to_mlflow import MLflow

    before = len(runs_of(sent))
    [first, *_] = drawn.scores
    added = replace(first, name="fidelity/more", value=7.5)
    tracker = MLflow(sent.folder, sent.uri, "gengauge")
    facts = {**drawn.facts, "python": "4.0"}
    tracker.send(replace(drawn, trained=False, scores=(added,), facts=facts))
    tracker.close()
    runs = runs_of(sent)
    assert len(runs) == before
    data = runs[drawn.name].data
    assert data.metrics["fidelity/more"] == 7.5
    assert data.metrics[first.name] == first.value
    assert data.tags["gengauge.python"] == "4.0"


def events(folder: Path, key: str) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    [place] = [p for p in folder.iterdir() if p.name.endswith(key[:8])]
    found = EventAccumulator(str(place))
    found.Reload()
    return found


def test_tensorboard_has_every_trial(sent: Sent, drawn: Tracked) -> None:
    folder = sent.folder / "events"
    assert len(list(folder.iterdir())) == len(sent.trials)
    found = events(folder, drawn.key)
    scalars = {tag: found.Scalars(tag) for tag in found.Tags()["scalars"]}
    for name, value in drawn.numbers.items():
        assert [e.value for e in scalars[name]] == pytest.approx([value], rel=1e-6)
    curve = [(e.step, e.value) for e in scalars["curve/train_loss"]]
    wanted = [(step, values["curve/train_loss"]) for step, values in drawn.points]
    assert curve == [(step, pytest.approx(value, rel=1e-6)) for step, value in wanted]
    [picture] = found.Images("samples")
    assert picture.encoded_image_string[:4] == b"\x89PNG"
    text = found.Tensors("trial/text_summary")[0].tensor_proto.string_val[0].decode()
    assert "| status | ok |" in text
    assert "| model.components | 4 |" in text
    crash = sent.trials["crash on points/moons, seed 0"]
    text = events(folder, crash.key).Tensors("trial/text_summary")[0].tensor_proto
    assert "| error | RuntimeError: no luck today |" in text.string_val[0].decode()


def test_tensorboard_replaces_what_was_trained_again(tmp_path: Path, drawn: Tracked) -> None:
    from gengauge_reports.trackers.to_tensorboard import TensorBoard

    tracker = TensorBoard(tmp_path, "")
    [first, *_] = drawn.scores
    tracker.send(drawn)
    more = replace(first, name="fidelity/more", value=7.5)
    tracker.send(replace(drawn, trained=False, scores=(more,)))
    found = events(tmp_path / "tensorboard", drawn.key)
    assert found.Scalars(first.name)  # scores are added
    assert len(found.Scalars("curve/train_loss")) == len(drawn.points)
    tracker.send(replace(drawn, scores=(replace(first, value=1.25),)))
    found = events(tmp_path / "tensorboard", drawn.key)
    assert [e.value for e in found.Scalars(first.name)] == [1.25]
    assert len(found.Scalars("curve/train_loss")) == len(drawn.points)


def logged(content: bytes) -> Iterator[bytes]:
    """Yield the records of W&B's local file: LevelDB's log format behind a header of 7 bytes."""
    assert content[:4] == b":W&B"
    place, whole = 7, b""
    while place + 7 <= len(content):
        if 32768 - place % 32768 < 7:  # the end of a block is left empty
            place += 32768 - place % 32768
            continue
        size, kind = struct.unpack_from("<HB", content, place + 4)
        whole += content[place + 7 : place + 7 + size]
        place += 7 + size
        if kind in (1, 4):  # a record in one piece, or its last piece
            yield whole
            whole = b""


def test_wandb_writes_it_offline(
    tmp_path: Path, sent: Sent, drawn: Tracked, monkeypatch: pytest.MonkeyPatch
) -> None:
    import wandb
    from wandb.proto import wandb_internal_pb2

    from gengauge_reports.trackers.to_wandb import WandB

    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
    crash = sent.trials["crash on points/moons, seed 0"]
    tracker = WandB(tmp_path, "mine", "", "offline", str(tmp_path))
    tracker.send(drawn)
    tracker.send(crash)
    tracker.close()
    wandb.teardown()  # its own process writes the files, and may be behind
    written: dict[str, list[Any]] = {}
    for path in tmp_path.rglob("*.wandb"):
        written[path.stem.removeprefix("run-")] = [
            wandb_internal_pb2.Record.FromString(data) for data in logged(path.read_bytes())
        ]
    assert set(written) == {drawn.key, crash.key}
    [run] = [r.run for r in written[drawn.key] if r.HasField("run")]
    assert (run.project, run.display_name, run.run_group) == ("mine", drawn.name, "quick")
    config = {u.key: json.loads(u.value_json) for u in run.config.update}
    assert config["model.components"] == 4
    assert config["gengauge"]["trial"] == drawn.key
    summary = {
        u.key or "/".join(u.nested_key): u.value_json
        for r in written[drawn.key] if r.HasField("summary") for u in r.summary.update
    }  # fmt: skip
    for name, value in drawn.numbers.items():
        assert json.loads(summary[name]) == pytest.approx(value)
    rows = [
        {i.key or "/".join(i.nested_key): json.loads(i.value_json) for i in r.history.item}
        for r in written[drawn.key] if r.HasField("history")
    ]  # fmt: skip
    curve = [(row["_step"], row["curve/train_loss"]) for row in rows if "curve/train_loss" in row]
    assert curve == [(s, pytest.approx(v["curve/train_loss"])) for s, v in drawn.points]
    assert any(key.startswith("samples") for row in rows for key in row)
    assert len(list(tmp_path.rglob("media/images/samples*.png"))) == 1
    ends = {key: [r.exit.exit_code for r in found if r.HasField("exit")]
            for key, found in written.items()}  # fmt: skip
    assert ends == {drawn.key: [0], crash.key: [1]}


class StandIn(ModuleType):
    """trackio's documented functions, which write down what they are given."""

    def __init__(self) -> None:
        super().__init__("trackio")
        self.calls: list[tuple[str, Any]] = []

    def init(
        self, project: str, name: str | None = None, group: str | None = None,
        space_id: str | None = None, config: dict[str, Any] | None = None, resume: str = "never",
    ) -> None:  # fmt: skip
        assert resume in ("must", "allow", "never")
        json.dumps(config)
        self.calls.append(("init", (project, name, space_id, config, resume)))

    def log(self, metrics: dict[str, Any], step: int | None = None) -> None:
        self.calls.append(("log", (metrics, step)))

    def finish(self) -> None:
        self.calls.append(("finish", None))

    class Image:
        def __init__(self, value: str | Path, caption: str | None = None) -> None:
            assert Path(value).is_file()


def test_trackio_is_told_as_its_documentation_says(
    tmp_path: Path, drawn: Tracked, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in = StandIn()
    monkeypatch.setitem(sys.modules, "trackio", stand_in)
    monkeypatch.delitem(sys.modules, "gengauge_reports.trackers.to_trackio", raising=False)
    from gengauge_reports.trackers.to_trackio import Trackio

    Trackio(tmp_path, "mine", "").send(drawn)
    kinds = [kind for kind, _ in stand_in.calls]
    assert kinds == ["init", *["log"] * (len(drawn.points) + 1), "finish"]
    project, name, space, config, resume = stand_in.calls[0][1]
    assert (project, space, resume) == ("mine", None, "allow")
    assert name == f"{drawn.name} {drawn.key[:8]}"
    assert config["model.components"] == 4
    steps = [given[1] for kind, given in stand_in.calls if kind == "log"]
    assert steps == sorted(set(steps))
    last, _ = stand_in.calls[-2][1]
    assert drawn.numbers.items() <= last.items()
    assert isinstance(last["samples"], StandIn.Image)


def test_every_tracker_takes_what_it_says(sent: Sent) -> None:
    """A parameter that is described and not taken would fail only where it is used."""
    for id_, spec in sent.results._registry.trackers.items():
        if spec.lacks:
            continue
        module, _, name = spec.target.partition(":")
        made = getattr(__import__(module, fromlist=[name]), name)
        taken = list(inspect.signature(made).parameters)
        assert taken == ["folder", *(p.name for p in spec.parameters)], id_
