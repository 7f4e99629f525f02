"""Floating point operations behind one sample, by torch's own formulas."""

from __future__ import annotations

import time
from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from gengauge.evidence import Evidence
from gengauge.metric import Score, unscored
from gengauge.statistics import exact, mean_interval
from gengauge_suites.speed.timing import draw, generator

_MOST, _SECONDS = 16, 0.3  # single samples counted, and how long it may take beyond the first


def flops_per_sample(evidence: Evidence) -> Score:
    """Return the operations in matrix products, convolutions and attention behind one sample.

    Samples are drawn one by one. Where all cost the same the number is exact; a sampler whose
    effort varies gets the mean.
    """
    stream, start = generator(evidence), time.perf_counter()
    values: list[int] = []
    while not values or (len(values) < _MOST and time.perf_counter() - start < _SECONDS):
        with CountedFlops() as counted:
            draw(evidence.model, 1, stream)
        values.append(counted.flops)
    if not any(values):
        return unscored("sampling calls no matrix product, convolution or attention of torch")
    details = {"last_by_operation": counted.by_operation, "samples": len(values)}
    if len(set(values)) == 1:
        return Score(float(values[0]), exact(values[0]), "exact", details=details)
    return Score(sum(values) / len(values), mean_interval(values), details=details)


class CountedFlops(TorchDispatchMode):
    """Counts what torch's ``FlopCounterMode`` counts, without importing its compiler (3 s, 40 MB).

    Of operations torch has no formula for nothing is counted: element by element, sums, sorts,
    decompositions, and all that is computed outside torch.

    >>> import torch
    >>> with CountedFlops() as counted:
    ...     product = torch.ones(3, 4) @ torch.ones(4, 5)
    >>> counted.flops
    120
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.by_operation: dict[str, int] = {}

    @property
    def flops(self) -> int:
        """All operations counted so far; a multiplication with its addition is two."""
        return sum(self.by_operation.values())

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        formula = flop_registry.get(getattr(func, "_overloadpacket", None))
        if formula is None:
            return self._whole_or_in_parts(func, args, kwargs)
        out = func(*args, **kwargs)
        name = str(func._overloadpacket)
        flops = int(formula(*args, **kwargs, out_val=out))
        self.by_operation[name] = self.by_operation.get(name, 0) + flops
        return out

    def _whole_or_in_parts(self, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        """Run an operation without a formula; in inference mode compound ones arrive whole."""
        if getattr(func, "namespace", "") == "aten":
            with self:
                parts = func.decompose(*args, **kwargs)
            if parts is not NotImplemented:
                return parts
        return func(*args, **kwargs)
