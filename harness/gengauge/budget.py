"""What a trial may spend on training, in steps, examples, seconds or FLOPs."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gengauge.errors import UnsupportedError, UsageError

_FORM = re.compile(r"\s*([0-9.]+(?:e[+-]?[0-9]+)?)\s*([a-z]+)\s*", re.IGNORECASE)
_UNITS = {
    "step": ("steps", 1.0), "steps": ("steps", 1.0),
    "example": ("examples", 1.0), "examples": ("examples", 1.0),
    "s": ("seconds", 1.0), "sec": ("seconds", 1.0), "second": ("seconds", 1.0),
    "seconds": ("seconds", 1.0), "m": ("seconds", 60.0), "min": ("seconds", 60.0),
    "minutes": ("seconds", 60.0), "h": ("seconds", 3600.0), "hours": ("seconds", 3600.0),
    "flop": ("flops", 1.0), "flops": ("flops", 1.0), "gflop": ("flops", 1e9),
    "gflops": ("flops", 1e9), "tflop": ("flops", 1e12), "tflops": ("flops", 1e12),
    "pflop": ("flops", 1e15), "pflops": ("flops", 1e15),
}  # fmt: skip
NOT_COUNTED = (
    "this model trains in a loop of its own, whose FLOPs are not counted; "
    "give it a budget in steps, examples or time"
)


@dataclass(frozen=True)
class Budget:
    """An amount of one unit; all but seconds give the same model on every machine.

    A FLOP is one multiplication or addition, not one of each a second. Those of a training step,
    forward and backward, are counted at the first step and taken for those of every step.

    >>> Budget.parse("2000steps"), Budget.parse("1e5 examples"), Budget.parse("2m")
    (Budget(amount=2000.0, unit='steps'), Budget(amount=100000.0, unit='examples'),
     Budget(amount=120.0, unit='seconds'))
    >>> Budget.parse("1.5 TFLOPs")
    Budget(amount=1500000000000.0, unit='flops')
    """

    amount: float
    unit: str

    @classmethod
    def parse(cls, text: str) -> Budget:
        """Read ``30s``, ``2000 steps``, ``1e5examples`` or ``1e12flops``.

        Anything else raises ``UsageError``.
        """
        match = _FORM.fullmatch(str(text))
        unit = _UNITS.get(match[2].lower()) if match else None
        try:
            amount = float(match[1]) if match else 0.0
        except ValueError:
            amount = 0.0
        if unit is None or amount <= 0:
            raise UsageError(
                f"budget '{text}' is not understood; write steps, examples or time, "
                "such as 2000steps, 1e5examples or 30s, or FLOPs, such as 1e12flops"
            )
        return cls(amount * unit[1], unit[0])

    def __str__(self) -> str:
        return f"{self.amount:g} {self.unit}"

    def steps(self, batch_size: int) -> float:
        """Return the number of steps allowed at ``batch_size``; infinite when time is the limit.

        ``UnsupportedError`` for FLOPs, of which a step's must be counted first: ``at_cost``.
        """
        if self.unit == "steps":
            return float(int(self.amount))
        if self.unit == "examples":
            return float(max(1, int(self.amount // batch_size)))
        if self.unit == "flops":
            raise UnsupportedError(NOT_COUNTED)
        return float("inf")

    def share(self, part: float) -> Budget:
        """Return a part of it; of steps and examples a whole number, at least one.

        >>> str(Budget.parse("1000 steps").share(0.1)), str(Budget.parse("1 steps").share(0.1))
        ('100 steps', '1 steps')
        """
        amount = self.amount * part
        whole = self.unit in ("steps", "examples")
        return Budget(float(max(1, round(amount))) if whole else amount, self.unit)

    def at_cost(self, flops: float) -> float:
        """Return the number of steps allowed where one takes so many FLOPs, at least one.

        >>> Budget.parse("1e9 flops").at_cost(3e8)
        3.0
        """
        return float(max(1, int(self.amount // flops)))

    @property
    def seconds(self) -> float:
        """Seconds allowed; infinite when steps or examples are the limit."""
        return self.amount if self.unit == "seconds" else float("inf")
