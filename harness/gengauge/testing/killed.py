"""The law of going on: killed at its checkpoints, a fit still gives the same model."""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from gengauge.budget import Budget
from gengauge.model import Model
from gengauge.resumption import Resumption
from gengauge.testing.case import Case, NotApplicable, require

_EVERY, _MOST = Budget(3, "steps"), 80


class _Killed(BaseException):
    """What no plugin catches."""


@dataclass
class _Deadly(Resumption):
    """Ends the fit at each of its checkpoints."""

    def write(self, index: int, state: dict[str, Any] | None = None) -> None:
        super().write(index, state)
        raise _Killed


def training_goes_on(case: Case) -> None:
    """Killed after each checkpoint and begun again, a fit gives the same model bit by bit."""
    deaths = 0
    with tempfile.TemporaryDirectory() as folder:
        while True:
            place = _Deadly(Path(folder), every=_EVERY, tell=lambda line: None)
            try:
                model, run = case.fit(place=place)
                break
            except _Killed:
                deaths += 1
            require(deaths < _MOST, "an end", f"{_MOST} checkpoints", "count steps in run.loop")
    if not deaths:
        raise NotApplicable("the model writes no checkpoints: killed, it trains anew")
    require(run.place.resumed == deaths, f"{deaths} times gone on with", str(run.place.resumed),
            "begin the loops of a fit in the same order each time")  # fmt: skip
    whole, spent = case.fitted
    require((run.steps, run.examples) == (spent.steps, spent.examples),
            f"{spent.steps} steps", str(run.steps), "leave counting to the run")  # fmt: skip
    require(_weights(model) == _weights(whole), "the files of a fit that was not killed",
            "others", "keep all that changes from step to step in run.loop, or in "
            "train(..., keep=...)")  # fmt: skip
    require(torch.equal(case.sample(model), case.sample(whole)),
            "the samples of a fit that was not killed", "others", "as above")  # fmt: skip


def _weights(model: Model) -> str:
    """Return a hash of what a model saves but for JSON, which may hold times."""
    digest = hashlib.sha256()
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder))
        for path in sorted(p for p in Path(folder).rglob("*") if p.is_file()):
            if path.suffix != ".json":
                digest.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
