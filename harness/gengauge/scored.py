"""One row of a scored run: samples that were given, or a control's, measured beside a reference."""

from __future__ import annotations

import time
import traceback
from dataclasses import dataclass, replace

import torch

from gengauge import artifacts, provenance, seeds
from gengauge.budget import Budget
from gengauge.data import Dataset
from gengauge.errors import GengaugeError, UnsupportedError
from gengauge.evidence import Conditioned
from gengauge.fitting import new
from gengauge.given import NO_MODEL, Given, GivenEvidence, Side
from gengauge.measuring import measured, save_shown
from gengauge.metric import Score, unscored
from gengauge.model import Model
from gengauge.plan import Choice, Job, MetricChoice
from gengauge.record import blank_record, first_line, score_json, status_of
from gengauge.specs import MODALITIES, DatasetSpec, ModelSpec
from gengauge.store import Record
from gengauge.summary import Summary
from gengauge.training import FitRun
from gengauge.trial import Setting, Trial, asked_with
from gengauge.units import in_units

APART = (
    "it needs real examples apart from those it is compared with: a reference with a validation "
    "part, or --held-out PATH"
)
BUDGET = Budget.parse("1 steps")
GIVEN = ModelSpec(
    id="samples", family="samples", summary="Samples that were given: nothing is known of their "
    "model", target="gengauge.given:Given", modalities=MODALITIES,
)  # fmt: skip


@dataclass(frozen=True)
class Real:
    """What samples are compared with: ``data`` whose test split it is, or statistics of it.

    ``n`` counts all of it, None where that is not known; ``fits`` is what controls learn from.
    """

    spec: DatasetSpec
    data: Dataset
    n: int | None
    side: Side | None = None
    summary: Summary | None = None
    fits: Dataset | None = None

    @property
    def copied(self) -> bool:
        """Whether controls can only learn from what they are then compared with."""
        return self.fits is not None and self.fits.train.x is self.data.test.x

    @property
    def key(self) -> list[str]:
        """What it is known by, wherever it lies: name without its folders, revision, content."""
        return [self.data.id, self.data.revision, self.data.fingerprint]


@dataclass(frozen=True)
class Row:
    """What a trial measures: samples of the user's, or those that a control draws."""

    label: str
    choice: Choice
    metrics: tuple[MetricChoice, ...]
    known: Side | None = None
    asked: dict[str, Conditioned] | None = None
    sha256: str = ""
    count: int = 0
    text: str = ""  # the path, as it was written

    def trial(self, real: Real, seed: int, code: str, device: str) -> Trial:
        """Return the trial: what samples are is their content, not their path."""
        # the hash stands where a code's does: it tells two rows of one name apart
        code = code if self.known is None else f"+{self.sha256[:12]}"
        # a control draws as many samples as there are of the user's
        drawn = f"{self.count} samples" if self.known is None else ""
        drawn += "".join(f", {k} {_hash(c)}" for k, c in (self.asked or {}).items() if drawn)
        return Trial(
            self.choice.spec.id, self.label, tuple(sorted(self.choice.parameters.items())), code,
            real.data.id, real.data.fingerprint, seed, drawn, device,
        )  # fmt: skip


def requests(row: Row, real: Real, setting: Setting) -> dict[str, MetricChoice]:
    """Return what a row is measured on, by the hash of all that is asked for."""
    there = provenance.hardware(str(setting.device))
    return {asked_with(m, real.key, setting, setting.samples, there): m for m in row.metrics}


def score_row(
    row: Row, trial: Trial, real: Real, missing: dict[str, MetricChoice], setting: Setting
) -> Record:
    """Return the record of a row; whatever goes wrong with it becomes a status."""
    job = Job(row.choice, real.spec, trial.seed, trial.budget, tuple(missing.values()))
    record = blank_record(trial, job, real.data, setting)
    record["dataset"]["n_test"] = real.n
    record["given"] = {"most": setting.samples}
    folder = setting.store.trial_folder(trial.key)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with seeds.global_seed(trial.stage_seed("sample")):
            _fill(record, row, trial, real, missing, setting)
        (folder / "error.txt").unlink(missing_ok=True)
    except GengaugeError:
        raise
    except Exception as error:  # a control or a picture may raise anything
        record["status"] = status_of(error)
        record["error"] = {"type": type(error).__name__, "message": first_line(error)}
        (folder / "error.txt").write_text(traceback.format_exc()[-(1 << 16) :])
    record["peak_memory"]["host"] = provenance.peak_host_memory()
    record["artifacts"] = setting.store.artifacts(trial.key)
    return record


def _fill(
    record: Record, row: Row, trial: Trial, real: Real, missing: dict[str, MetricChoice],
    setting: Setting,
) -> None:  # fmt: skip
    folder, clock = setting.store.trial_folder(trial.key), time.perf_counter()
    evidence = _evidence(row, trial, real, setting)
    if row.known is not None:
        record["model"].update(
            summary=f"{row.count:,} samples out of {row.text}",
            distribution="sha256", version=row.sha256[:12],
            conditions=sorted(row.asked or {}), checkpoint_sha256=row.sha256,
        )  # fmt: skip
        record["given"] |= {"path": row.text, "n": row.count, "sha256": row.sha256}
    n = row.count if row.known is not None else len(evidence.samples)
    record["sampling"] = {"n": n, "clamped": 0.0}
    record["timing"]["sample"] = round(time.perf_counter() - clock, 6)
    clock, scores, kept = time.perf_counter(), [], {}
    for i, (request, metric) in enumerate(missing.items()):
        setting.on_progress("score", i / len(missing))
        embedder = setting.embedders[metric.embedder] if metric.embedder else None
        if metric.spec.needs_model and row.known is not None:
            score, failed = unscored(NO_MODEL), False
        else:
            score, failed = measured(metric, evidence, embedder)
        score = _asked(score, metric, evidence)
        kept[f"{metric.spec.id}.{metric.embedder}" if embedder else metric.spec.id] = score
        scores.append(score_json(metric, score, request, embedder, failed))
    artifacts.save_per_example(kept, folder)
    record["scores"] = scores
    record["timing"]["score"] = round(time.perf_counter() - clock, 6)
    save_shown(evidence, list(missing.values()), scores, setting, folder)


def _asked(score: Score, metric: MetricChoice, evidence: GivenEvidence) -> Score:
    """Return ``score`` with what samples were asked for in its protocol: else nothing compares."""
    if not metric.spec.condition or score.value is None:
        return score
    kind = metric.spec.condition
    drawn = evidence.conditional(kind)
    found = {"class": drawn.labels, "caption": drawn.captions}.get(kind, drawn.prefixes)
    return replace(score, protocol={**score.protocol, "asked": _hash_of(found)})


def _hash(asked: Conditioned) -> str:
    return _hash_of(asked.labels if asked.labels is not None else asked.captions)


def _hash_of(found: torch.Tensor | tuple[str, ...] | None) -> str:
    """Return a hash of labels, captions or beginnings."""
    content = found.tolist() if isinstance(found, torch.Tensor) else list(found or ())
    return provenance.content_hash(content)


def _evidence(row: Row, trial: Trial, real: Real, setting: Setting) -> GivenEvidence:
    """Return the samples that were given, or that a control draws here, beside the reference."""
    if row.known is not None:
        model: Model = Given()
        drawn, conditions = row.known.x, tuple(row.asked or {})
    else:
        model, drawn = _drawn(row, trial, real, setting)
        conditions = row.choice.spec.takes(row.choice.parameters)
    return GivenEvidence(
        real.data, model, drawn, trial.seed, setting.device, {"seconds": 0.0}, conditions,
        shared=setting.shared, known=row.known, real=real.side, asked=row.asked or {},
        told_by=real.summary,
    )  # fmt: skip


def _drawn(row: Row, trial: Trial, real: Real, setting: Setting) -> tuple[Model, torch.Tensor]:
    """Return a control that has learned, and what it draws."""
    data = real.fits or real.data
    model = new(Job(row.choice, real.spec, trial.seed, "", ()))
    hidden = data if row.choice.spec.needs_truth else data.for_training()
    model.fit(hidden, FitRun(trial.stage_seed("train"), BUDGET, setting.device))
    drawn = draw(model, row.count, data, trial.stage_seed("sample"), setting.device)
    if real.copied and _copies(drawn, data.test.x) > len(drawn) / 2:
        raise UnsupportedError(APART)
    return model, drawn


def draw(model: Model, n: int, data: Dataset, seed: int, device: torch.device) -> torch.Tensor:
    """Return ``n`` samples of a control, or as many as it has where it has no more."""

    def sampled(count: int) -> torch.Tensor:
        stream = torch.Generator(device).manual_seed(seed)
        with torch.no_grad():
            return in_units(model.sample(count, None, stream).detach().cpu(), count, data)[0]

    try:
        return sampled(n)
    except UnsupportedError:
        if not len(data.validation):
            raise UnsupportedError(APART) from None
        if len(data.validation) >= n:
            raise
        return sampled(len(data.validation))


def _copies(x: torch.Tensor, y: torch.Tensor) -> int:
    """Return how many of ``x`` ``[n, *event]`` are among ``y`` ``[m, *event]``."""
    known = {row.numpy().tobytes() for row in y}
    return sum(row.numpy().tobytes() in known for row in x)
