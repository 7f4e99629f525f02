"""Training in stages, one network after another, out of one budget."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from gengauge import FitRun, seeds
from gengauge.budget import Budget


@contextmanager
def stage(run: FitRun, name: str, share: float = 1.0) -> Iterator[FitRun]:
    """Yield a run that may spend ``share`` of what is left of ``run``, and count it there.

    Its randomness is a stream of its own, so that a longer stage changes no other. Every stage has
    a step at least; the last one takes all the rest.

    >>> whole = FitRun(0, Budget(10, "steps"))
    >>> for share in (0.3, 1.0):
    ...     with stage(whole, f"part {share}", share) as part:
    ...         print(part.budget.amount, part.spend(int(part.budget.amount), 0))
    3 False
    7 False
    >>> whole.steps
    10
    """
    before, started, examples = run.fraction, run.seconds, run.examples
    part = FitRun(
        seeds.named_seed(run.seed, name), _rest(run, share), run.device,
        on_progress=lambda f: run.on_progress(before + (1 - before) * share * f),
        place=run.place, precision=run.precision, accumulation=run.accumulation,
    )  # fmt: skip
    yield part
    if part.flops is not None:
        run.flops = (run.flops or 0.0) + part.flops
    run.looped, run.ranks = run.looped or part.looped, max(run.ranks, part.ranks)
    offset = run.steps
    run.steps, run.examples = run.steps + part.steps, examples + part.examples
    run.paused, run.earlier = run.paused + part.paused, run.earlier + part.earlier
    run.laps += [(examples + n, started + seconds) for n, seconds in part.laps]
    for point in part.curve:
        moved = {"step": offset, "examples": examples, "seconds": started}
        run.curve.append({k: v + moved.get(k, 0) for k, v in point.items()})


def _rest(run: FitRun, share: float) -> Budget:
    spent = {"steps": run.steps, "examples": run.examples, "seconds": run.seconds,
             "flops": run.flops or 0.0}  # fmt: skip
    amount = share * (run.budget.amount - spent[run.budget.unit])
    least = 1e-3 if run.budget.unit == "seconds" else 1
    return Budget(max(least, amount if run.budget.unit == "seconds" else round(amount)),
                  run.budget.unit)  # fmt: skip
