"""What a fit is given besides the data, and what it says it has spent."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch

from gengauge import seeds
from gengauge.budget import NOT_COUNTED, Budget
from gengauge.errors import UnsupportedError
from gengauge.resumption import Loop, Part, Resumption

Value = TypeVar("Value")


@dataclass
class FitRun:
    """What a model's ``fit`` is given besides the data: seed, budget, device, and a place to log.

    ``steps``, ``examples`` and ``seconds`` are what was spent; a plugin with a loop of its own
    updates them through ``spend``. ``flops`` are counted where the budget is in them. ``precision``
    and ``accumulation`` are for :func:`gengauge.train`; a loop that heeds neither says so by
    ``only_plain``.
    """

    seed: int
    budget: Budget
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    on_progress: Callable[[float], None] = lambda fraction: None
    steps: int = 0
    examples: int = 0
    curve: list[dict[str, float]] = field(default_factory=list)
    laps: list[tuple[int, float]] = field(default_factory=list)  # examples and seconds so far
    paused: float = 0.0  # seconds of validation, which are not training
    started: float = field(default_factory=time.perf_counter)
    precision: str = "fp32"
    accumulation: int = 1  # batches whose mean gradient is one step
    flops: float | None = None  # of forward and backward passes, on all ranks
    ranks: int = 1  # processes that shared the work
    looped: bool = False  # whether gengauge.train had any part in it
    earlier: float = 0.0  # seconds that processes before this one have trained
    place: Resumption = field(default_factory=Resumption)

    def generator(self, name: str, device: str | torch.device = "cpu") -> torch.Generator:
        """Return a fresh random stream of this run, by name."""
        return seeds.generator(self.seed, name, device=device)

    @property
    def seconds(self) -> float:
        """Seconds of training so far, validation not counted."""
        return time.perf_counter() - self.started - self.paused + self.earlier

    def spend(self, steps: int, examples: int) -> bool:
        """Count work done; return whether the budget allows more.

        ``UnsupportedError`` as from ``only_plain``.
        """
        self.only_plain()
        self.steps += steps
        self.examples += examples
        self.lap()
        return self.fraction < 1

    def lap(self) -> None:
        """Read the clock: from several readings the training speed gets an interval."""
        self.laps.append((self.examples, self.seconds))

    @property
    def fraction(self) -> float:
        """Share of the budget spent, from 0 to 1."""
        spent = {"steps": self.steps, "examples": self.examples, "seconds": self.seconds,
                 "flops": self.flops or 0.0}  # fmt: skip
        return min(1.0, spent[self.budget.unit] / self.budget.amount)

    def only_plain(self) -> None:
        """Say that training is a loop of the model's own, in float32, one batch a step.

        ``UnsupportedError`` where something else was asked for, or a budget in FLOPs.
        """
        if self.precision != "fp32" or self.accumulation != 1:
            asked = self.precision if self.precision != "fp32" else "gradient accumulation"
            raise UnsupportedError(
                f"this model trains in a loop of its own, which knows no {asked}; "
                "leave --precision and --gradient-accumulation away"
            )
        if self.budget.unit == "flops":
            raise UnsupportedError(NOT_COUNTED)

    def log(self, **values: float) -> None:
        """Add a point to the learning curve."""
        base = {"step": self.steps, "examples": self.examples, "seconds": self.seconds}
        self.curve.append({**base, **{k: float(v) for k, v in values.items()}})

    def loop(self, lasting: dict[str, Part], passing: dict[str, Part] | None = None) -> Loop:
        """Begin a loop, or go on with it where an earlier process was killed in it.

        ``lasting`` names all that the loop changes and that matters after it, ``passing`` what it
        needs for itself: modules, optimisers, generators, whatever has ``state_dict`` and
        ``load_state_dict``, or a pair of functions that return a state and take it back. Both have
        their states of before when this returns, and so have the global random streams and what
        was spent. Loops of a fit must come in the same order each time.

        >>> def fit(run: FitRun) -> float:
        ...     mean, noise = torch.nn.Parameter(torch.zeros(3)), run.generator("noise")
        ...     network = torch.nn.ParameterList([mean])
        ...     optimiser = torch.optim.Adam(network.parameters())
        ...     loop = run.loop({"network": network}, {"optimiser": optimiser, "noise": noise})
        ...     while not loop.finished and run.spend(1, 1):
        ...         mean.grad = mean.detach() - torch.randn(3, generator=noise)
        ...         optimiser.step()
        ...         loop.stepped()
        ...     loop.finish()
        ...     return float(mean.sum())
        >>> import tempfile, pathlib
        >>> folder = tempfile.TemporaryDirectory()
        >>> def place():
        ...     return Resumption(pathlib.Path(folder.name), every=Budget(6, "steps"))
        >>> killed = FitRun(0, Budget(9, "steps"), place=place())  # it dies; 6 steps are kept
        >>> _, again = fit(killed), FitRun(0, Budget(9, "steps"), place=place())
        >>> fit(again) == fit(FitRun(0, Budget(9, "steps"))), again.place.resumed
        (True, 1)
        """
        return Loop(self, lasting, passing or {})

    def once(self, name: str, compute: Callable[[], Value]) -> Value:
        """Return ``compute()``, or what it returned to an earlier process that was killed later.

        For long work that is no loop. It must depend on data and seed alone, and return tensors,
        numbers and strings, in dicts, lists and tuples; what it adds to ``steps`` and the curve
        does not come back. Names must differ within a fit.

        >>> FitRun(0, Budget(1, "steps")).once("sum", lambda: {"sum": torch.ones(3).sum()})
        {'sum': tensor(3.)}
        """
        started, known = self.seconds, self.place.piece(f"{self.seed} {name}")
        if known is None:
            value = compute()
            taken = {"value": value, "seconds": self.seconds - started}
            self.place.add(f"{self.seed} {name}", taken)
            return value
        self.earlier += known["seconds"]
        found: Value = known["value"]
        return found

    def spent(self) -> dict[str, Any]:
        """Return what was spent and logged so far, for a checkpoint."""
        laps = torch.tensor(self.laps, dtype=torch.float64).reshape(-1, 2)
        return {"steps": self.steps, "examples": self.examples, "seconds": self.seconds,
                "curve": self.curve, "laps": laps, "flops": self.flops}  # fmt: skip

    def take(self, spent: dict[str, Any]) -> None:
        """Go on from what ``spent`` returned: the clock too, whatever this process took so far."""
        self.steps, self.examples = spent["steps"], spent["examples"]
        self.curve[:], self.flops = spent["curve"], spent["flops"]
        self.laps[:] = [(int(n), seconds) for n, seconds in spent["laps"].tolist()]
        self.earlier += spent["seconds"] - self.seconds
