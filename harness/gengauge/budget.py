"""What a trial may spend on training, in steps, examples or seconds."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gengauge.errors import UsageError

_FORM = re.compile(r"\s*([0-9.]+(?:e[+-]?[0-9]+)?)\s*([a-z]+)\s*", re.IGNORECASE)
_UNITS = {
    "step": ("steps", 1.0), "steps": ("steps", 1.0),
    "example": ("examples", 1.0), "examples": ("examples", 1.0),
    "s": ("seconds", 1.0), "sec": ("seconds", 1.0), "second": ("seconds", 1.0),
    "seconds": ("seconds", 1.0), "m": ("seconds", 60.0), "min": ("seconds", 60.0),
    "minutes": ("seconds", 60.0), "h": ("seconds", 3600.0), "hours": ("seconds", 3600.0),
}  # fmt: skip


@dataclass(frozen=True)
class Budget:
    """An amount of one unit; steps are the only one that gives the same model on every machine.

    >>> Budget.parse("2000steps"), Budget.parse("1e5 examples"), Budget.parse("2m")
    (Budget(amount=2000.0, unit='steps'), Budget(amount=100000.0, unit='examples'),
     Budget(amount=120.0, unit='seconds'))
    """

    amount: float
    unit: str

    @classmethod
    def parse(cls, text: str) -> Budget:
        """Read ``30s``, ``2000 steps`` or ``1e5examples``; anything else raises ``UsageError``."""
        match = _FORM.fullmatch(str(text))
        unit = _UNITS.get(match[2].lower()) if match else None
        try:
            amount = float(match[1]) if match else 0.0
        except ValueError:
            amount = 0.0
        if unit is None or amount <= 0:
            raise UsageError(
                f"budget '{text}' is not understood; write steps, examples or time, "
                "such as 2000steps, 1e5examples or 30s"
            )
        return cls(amount * unit[1], unit[0])

    def __str__(self) -> str:
        return f"{self.amount:g} {self.unit}"

    def steps(self, batch_size: int) -> float:
        """Return the number of steps allowed at ``batch_size``; infinite when time is the limit."""
        if self.unit == "steps":
            return float(int(self.amount))
        if self.unit == "examples":
            return float(max(1, int(self.amount // batch_size)))
        return float("inf")

    @property
    def seconds(self) -> float:
        """Seconds allowed; infinite when steps or examples are the limit."""
        return self.amount if self.unit == "seconds" else float("inf")
