"""What the search for a mixture may spend."""

from __future__ import annotations

from typing import Any

from gengauge import FitRun

_LARGE = 50_000  # examples from which a chunk is one sweep
_CHUNK = 5  # sweeps between looks at the budget and points of the learning curve


class Purse:
    """What the search for one class' mixture may spend of a run's budget, counted in sweeps.

    A step of the run is a sweep over all of the ``whole`` examples. As many sweeps over the
    ``part`` of one class as there are steps are allowed, and seconds up to a share ``until``.
    """

    def __init__(self, run: FitRun, whole: int, part: int, until: float = 1.0) -> None:
        self.run, self.whole, self.part, self.until = run, whole, part, until
        self.left = run.budget.steps(whole)

    @property
    def allowed(self) -> bool:
        """Whether there is room for another sweep."""
        return self.left >= 1 and self.run.seconds < self.until * self.run.budget.seconds

    def sweeps(self, examples: int) -> int:
        """Return how many sweeps of a chunk over ``examples`` are allowed, at least one.

        Where those are not all there are, one sweep over all is put by. Sweeps come one by one
        over much data, and where more than half of a time is over.
        """
        kept = 0 if examples == self.part else 1
        late = self.run.seconds > 0.5 * self.until * self.run.budget.seconds
        chunk = 1 if late or examples > _LARGE else _CHUNK
        return int(max(1, min(chunk, (self.left - kept) * self.part / examples)))

    def spend(self, sweeps: int, examples: int) -> None:
        """Count work done."""
        self.left -= sweeps * examples / self.part
        total = self.run.examples + sweeps * examples
        self.run.spend(total // self.whole - self.run.steps, sweeps * examples)
        self.run.on_progress(self.run.fraction)

    def state_dict(self) -> dict[str, Any]:
        """Return what is left; what was spent of the run is told by the run."""
        return {"left": self.left}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back what ``state_dict`` returned."""
        self.left = state["left"]
