"""What may be lost: ``fd:5%`` of the baseline's value, ``bits_per_dim:0.02`` in its unit."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from gengauge.errors import UsageError, unknown

_AMOUNT = re.compile(r"\s*([0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?)\s*(%?)\s*")


@dataclass(frozen=True)
class Tolerance:
    """How much worse a candidate may be: ``amount`` in the metric's unit, or as a share.

    >>> Tolerance.parse("5%"), Tolerance.parse("0.02")
    (Tolerance(amount=0.05, relative=True), Tolerance(amount=0.02, relative=False))
    """

    amount: float = 0.0
    relative: bool = False

    @classmethod
    def parse(cls, text: str) -> Tolerance:
        """Read ``5%`` or ``0.02``; anything else raises ``UsageError``."""
        match = _AMOUNT.fullmatch(text)
        amount = float(match[1]) if match else math.nan
        if match is None or not math.isfinite(amount):
            raise UsageError(
                f"tolerance '{text}' is not understood; write 5% of the baseline's value, or an "
                "amount in the metric's own unit, such as 0.02"
            )
        return cls(amount / 100 if match[2] else amount, bool(match[2]))

    def __str__(self) -> str:
        return f"{100 * self.amount:g}%" if self.relative else f"{self.amount:g}"


@dataclass(frozen=True)
class Gates:
    """Which metrics are gated and by how much; none given: every one that is not hardware's."""

    given: tuple[tuple[str, Tolerance], ...] = ()

    @classmethod
    def parse(cls, flags: Iterable[str], file: Mapping[str, str]) -> Gates:
        """Read ``METRIC:TOLERANCE`` flags, which win over a benchmark file's ``[metrics]``."""
        found = {name: Tolerance.parse(text) for name, text in file.items()}
        for flag in flags:
            name, colon, text = flag.rpartition(":")
            if not colon or not name.strip():
                raise UsageError(
                    f"gate '{flag}' is not understood; write METRIC:TOLERANCE, such as fd:5% "
                    "or bits_per_dim:0.02"
                )
            found[name.strip()] = Tolerance.parse(text)
        return cls(tuple(found.items()))

    def of(self, metric: str, embedder: str, bound_to_hardware: bool) -> Tolerance | None:
        """Return what ``metric`` may lose, None where it is not gated; the last that fits wins.

        A gate names a metric, ``metric-embedder`` or a pattern of either, such as ``fd*``.
        """
        if not self.given:
            return None if bound_to_hardware else Tolerance()
        names = (metric, f"{metric}-{embedder}")
        fitting = [t for name, t in self.given if any(fnmatchcase(n, name) for n in names)]
        return fitting[-1] if fitting else None

    def check(self, measured: Iterable[tuple[str, str]]) -> None:
        """Raise ``UsageError`` for a gate that fits none of the (metric, embedder) ``measured``."""
        known = {n for metric, embedder in measured for n in (metric, f"{metric}-{embedder}")}
        for name, _ in self.given:
            if not any(fnmatchcase(k, name) for k in known):
                raise unknown("metric to gate", name, {k for k in known if not k.endswith("-")})
