"""Trials on this machine: each in a process of its own, or one by one in this one."""

from __future__ import annotations

from collections import Counter

from gengauge import provenance
from gengauge.dealing import deal
from gengauge.hooks import PROJECT
from gengauge.isolation.birth import possible
from gengauge.isolation.nursery import Nursery, Work
from gengauge.pool import Pool
from gengauge.registry import Registry
from gengauge.turns import InTurn, Shift, SideBySide, Task, Turns


def start(shift: Shift) -> Turns:
    """Return what runs the tasks here, ``shift.workers`` at a time where processes can be had."""
    if not (shift.isolated and shift.tasks and possible()):
        return InTurn(shift.tasks, shift.setting)
    workers, todo = min(shift.workers, len(shift.tasks)), shift.tasks
    if workers > 1:  # the long ones first
        todo = sorted(todo, key=lambda t: t.job.choice.spec.control)
    names = {m.embedder for t in todo for m in t.missing if m.embedder}
    nursery = Nursery(
        shift.setting, [Work(t.trial, t.job, t.missing) for t in todo], shift.limit,
        tuple(shift.registry.embedder(name) for name in sorted(names)),
        modules_of(shift.registry, todo), {t.dataset.id: t.dataset for t in todo},
    )  # fmt: skip
    if shift.setting.device.type == "cpu":  # asked once, not by every trial
        provenance.environment(str(shift.setting.device))
    dealer = deal(shift.setting.device, shift.setting.store) if workers > 1 else None
    return SideBySide(todo, shift.setting, Pool(nursery, workers, shift.limits, dealer))


def modules_of(registry: Registry, tasks: list[Task], least: int = 2) -> tuple[str, ...]:
    """Return what trials import, of this distribution: another's module might do anything.

    Models count that ``least`` trials have.
    """
    metrics = {m.spec.id: m.spec.target for t in tasks for m in t.missing}
    models = Counter(t.job.choice.spec.id for t in tasks)
    targets = {t.job.choice.spec.id: t.job.choice.spec.target for t in tasks}
    often = {id_: targets[id_] for id_, n in models.items() if n >= least}
    found = [
        target.partition(":")[0]
        for kind, targets in (("metrics", metrics), ("models", often))
        for id_, target in targets.items()
        if registry.provider(kind, id_).distribution == PROJECT
    ]
    return tuple(dict.fromkeys(found))
