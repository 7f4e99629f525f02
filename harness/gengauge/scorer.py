"""Scores samples of the user's beside a reference: reads them, measures what is missing."""

from __future__ import annotations

import shutil
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch

from gengauge import artifacts, captioned, provenance
from gengauge.asking import asked_of_each
from gengauge.benchmark import Benchmark
from gengauge.bringing import Brought, check_alike, labels_as, limited, suited_to
from gengauge.code import code_fingerprint
from gengauge.data import Dataset, Split
from gengauge.errors import UsageError
from gengauge.evidence import Conditioned
from gengauge.intake import Intake, take_in
from gengauge.loading import load_embedder
from gengauge.metric import Embedder, KnowsLevels, Unready
from gengauge.plan import Choice, Job, MetricChoice, parse_choices
from gengauge.real import Source, kept_of, opened_real, side_of, summary_real
from gengauge.registry import Registry
from gengauge.runner import description, tell
from gengauge.scored import GIVEN, Real, Row, requests, score_row
from gengauge.store import Record, RunStore
from gengauge.trial import Setting, Trial
from gengauge.turns import Listener, Silent, Task

CONTROLS = ("real", "noise")
SAMPLES = 10_000  # that are kept for metrics of pairs, and beside as many of the reference
VERSION = 1
NOTHING = Split(torch.empty(0))
FOLDER = "collections"  # of a run: features of what was read


@dataclass
class Scoring:
    """One invocation of ``score``: which samples, beside which reference, measured how.

    ``most`` examples a side are kept for what compares pairs of them; Frechet distances take all.
    """

    registry: Registry
    store: RunStore
    device: torch.device
    samples: Sequence[Brought]
    names: Sequence[str]
    source: Source
    held_out: Brought | None = None
    suites: Sequence[str] = ()
    embedders: Sequence[str] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    controls: Sequence[str] = CONTROLS
    most: int = SAMPLES
    seed: int = 0
    limit: int | None = None
    fresh: bool = False
    command: str = ""
    notes: list[str] = field(default_factory=list)
    rows: list[str] = field(default_factory=list)  # keys of what was scored, now or before

    def __post_init__(self) -> None:
        like = self.source.data or self.source.part or self.samples[0].only()
        self._collections = [limited(suited_to(b, like), self.limit) for b in self.samples]
        self._held_out = suited_to(self.held_out, like) if self.held_out else None
        self._asked: dict[str, Conditioned] = {}
        self._check()
        self._plan()

    def _check(self) -> None:
        """Raise ``UsageError`` where samples have not the reference's form."""
        first, data = self._collections[0], self.source.data
        like = data or self.source.part or first
        form = (like.modality, tuple(like.event_shape), like.levels)
        of = self.source.text if self.source.summary is None else self.samples[0].text
        for brought, found in zip(self.samples, self._collections, strict=True):
            check_alike(found, brought.text, brought.spec, form, of)
        if self.held_out is not None and self._held_out is not None:
            check_alike(self._held_out, self.held_out.text, self.held_out.spec, form, of)

    def _plan(self) -> None:
        """Choose embedders and metrics; ``NothingSelectedError`` where there are none."""
        levels = self._collections[0].levels
        self._metrics = asked_of_each(
            self._collections, self.source, self.registry, self.suites, self.embedders,
            self.settings,
        )  # fmt: skip
        names = dict.fromkeys(m.embedder for ms in self._metrics for m in ms if m.embedder)
        self.setting = Setting(
            self.store, {"name": "score", "version": VERSION}, self.most, self.device,
            uuid.uuid4().hex[:12], {n: self._embedder(n, levels) for n in names}, {},
        )  # fmt: skip

    def _embedder(self, id_: str, levels: int | None) -> Embedder:
        found = load_embedder(self.registry.embedder(id_), self.device)
        return found.for_levels(levels) if isinstance(found, KnowsLevels) else found

    def planned(self) -> list[dict[str, Any]]:
        """Return what will be done, a row each."""
        return [
            {
                "row": t.trial.label, "reference": self.source.spec.id,
                "samples": self._collections[i].count if i < len(self.samples)
                else self._drawn, "scores": len(t.missing),
            }
            for i, t in enumerate(self._tasks())
        ]  # fmt: skip

    @property
    def unready(self) -> list[str]:
        """What keeps embedders from being built; scores in them will say so, one by one."""
        return [e.reason for e in self.setting.embedders.values() if isinstance(e, Unready)]

    @property
    def _drawn(self) -> int:
        """How many samples a control draws: as many as there are of the user's, if it can."""
        return min(self.most, max(c.count for c in self._collections))

    def execute(self, listener: Listener | None = None) -> list[Record]:
        """Read what is to be read, measure what is missing, and store each record as it is made."""
        listener = listener or Silent()
        tasks = list(self._tasks())
        with self.store.writing():
            root = self.store.folder / FOLDER
            if self.fresh:
                shutil.rmtree(root, ignore_errors=True)
            listener.started(tasks)
            real = self._real(partial(listener.stage, tasks[0], "reference"))
            self._collections = [
                labels_as(c, b.text, real.data, b.unclassed)
                for c, b in zip(self._collections, self.samples, strict=True)
            ]
            self._describe(real)
            done = {} if self.fresh else {r["trial"]: r for r in self.store.records()}
            hook = self.registry.manager.hook
            folder = str(self.store.folder)
            tell(hook.gengauge_run_started, folder=folder, trials=[])
            try:
                found = [self._one(i, task, real, done, listener) for i, task in enumerate(tasks)]
            finally:
                tell(hook.gengauge_run_finished, folder=folder)
        return [record for record in found if record is not None]

    def _real(self, on_progress: Callable[[float], None]) -> Real:
        first = self._collections[0]
        if self.source.summary is not None:
            return summary_real(self.source, first, self.setting.embedders)
        return opened_real(
            self.source, self._held_out, self.store.folder / FOLDER, self._ready,
            lambda n: kept_of(n, self.most, self.seed), on_progress,
        )  # fmt: skip

    @property
    def _ready(self) -> dict[str, Embedder]:
        every = self.setting.embedders.items()
        return {name: e for name, e in every if not isinstance(e, Unready)}

    def _tasks(self) -> Iterator[Task]:
        """Yield what progress is shown of: the user's samples, then the controls that fit."""
        for name, metrics in zip(self.names, self._metrics, strict=True):
            yield self._task(Choice(GIVEN, {}, name), metrics)
        every = {(m.spec.id, m.embedder): m for metrics in self._metrics for m in metrics}
        for text in () if self.source.summary is not None else self.controls:
            for choice in parse_choices(text, self.registry):
                if not choice.spec.control:
                    raise UsageError(f"--controls: '{choice.label}' is no control but a model")
                spec = replace(self.source.spec, modality=self._collections[0].modality)
                if reason := choice.spec.fits(spec, choice.parameters):
                    self.notes.append(f"no row {choice.label}: it {reason}")
                else:
                    yield self._task(choice, tuple(every.values()))

    def _task(self, choice: Choice, metrics: tuple[MetricChoice, ...]) -> Task:
        trial = Trial(choice.spec.id, choice.label, (), "", self.source.spec.id, "", self.seed,
                      "", self.device.type)  # fmt: skip
        job = Job(choice, self.source.spec, self.seed, "", metrics)
        like = self.source.data or Dataset("", "", NOTHING, NOTHING, NOTHING)
        return Task(job, trial, like, metrics, "score")

    def _one(
        self, i: int, task: Task, real: Real, done: Mapping[str, Record], listener: Listener
    ) -> Record | None:
        """Return a row's new record; None where nothing was missing, or a control cannot be."""
        clock, choice = time.perf_counter(), task.job.choice
        self.setting.on_progress = lambda stage, share: listener.stage(task, stage, share)
        if i < len(self.samples):
            row = self._row(i, task, real)
        else:
            row = Row(choice.label, choice, task.missing, asked=self._asked, count=self._drawn)
        code = code_fingerprint(choice.spec.target.partition(":")[0]) if choice.spec.control else ""
        trial = row.trial(real, self.seed, code, self.device.type)
        asked = requests(row, real, self.setting)
        old = done.get(trial.key, {"scores": [], "status": ""})
        have = {s["request"] for s in old["scores"] if not s["failed"]}
        missing = {r: m for r, m in asked.items() if r not in have}
        if old["status"] == "ok" and not missing:
            self.notes.append(f"{row.label} is scored already")
            self.rows.append(trial.key)
            return None
        record = score_row(row, trial, real, missing, self.setting)
        if choice.spec.control and record["status"] == "unsupported":
            self.notes.append(f"no row {choice.label}: {record['error']['message']}")
            return None
        record.update(command=self.command, command_line=provenance.command_line(), position=i)
        self.store.append(record)
        self.rows.append(trial.key)
        folder = str(self.store.trial_folder(trial.key))
        tell(self.registry.manager.hook.gengauge_trial_finished, record=record, folder=folder)
        listener.finished(replace(task, trial=trial), record, time.perf_counter() - clock)
        return record

    def _row(self, i: int, task: Task, real: Real) -> Row:
        """Return samples of the user's, read."""
        brought = self.samples[i]
        collection = self._collections[i]
        report = partial(self.setting.on_progress, "read")
        root = self.store.folder / FOLDER
        intake = take_in(collection, root, self._ready, brought.text, report)
        self._check_widths(intake, real)
        side, split = side_of(intake, kept_of(collection.count, self.most, self.seed))
        asked = {}
        if split.labels is not None:
            asked["class"] = Conditioned(side.x, labels=split.labels)
        if split.captions is not None:
            asked["caption"] = Conditioned(side.x, captions=split.captions)
        self._asked = {**asked, **self._asked}  # controls are asked for what the first samples were
        return Row(
            task.trial.label, task.job.choice, task.missing, side, asked, intake.sha256,
            collection.count, brought.text,
        )  # fmt: skip

    def _check_widths(self, intake: Intake, real: Real) -> None:
        """Raise ``UsageError`` where the reference's moments are of another number of features."""
        for embedder in self._ready.values() if real.summary else ():
            rows, d = intake.rows(embedder), len(real.summary.mean) if real.summary else 0
            if rows is not None and rows.width != d:
                raise UsageError(
                    f"the mean in '{self.source.text}' has {d} values, and {embedder.id} gives "
                    f"{rows.width} features; name the embedder that it was made with"
                )

    def _describe(self, real: Real) -> None:
        """Write what a reader needs: configuration, meanings of metrics, real examples."""
        self.store.folder.mkdir(parents=True, exist_ok=True)
        benchmark = Benchmark(
            "score", (real.spec.id,), VERSION, suites=tuple(self.suites), seeds=(self.seed,),
            samples=self.most, embedders=tuple(self.embedders), settings=self.settings,
            limit=self.limit or 0,
        )  # fmt: skip
        (self.store.folder / "benchmark.toml").write_text(benchmark.to_toml())
        order = {id_: i for i, id_ in enumerate(self.registry.metrics)}
        specs = {m.spec.id: m.spec for metrics in self._metrics for m in metrics}
        self.store.add_metrics({id_: description(s, order[id_]) for id_, s in specs.items()})
        if real.summary is None:
            folder = self.store.dataset_folder(real.data.id)
            artifacts.save_reference(real.data, folder)
            captioned.save_real(real.data, folder)
        self.store.push_shared()
