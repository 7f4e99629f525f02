"""Which conditions a model can be asked for, by its description or by what it knows of itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from gengauge.parameters import Value
from gengauge.specs import ModelSpec


@runtime_checkable
class KnowsConditions(Protocol):
    """Knows by itself, where its description cannot, what it can be asked for."""

    @property
    def taken_conditions(self) -> Sequence[str]:
        """Conditions that ``sample`` takes, of ``gengauge.specs.CONDITIONS``."""
        ...


def conditions_of(
    model: object, spec: ModelSpec, parameters: Mapping[str, Value]
) -> tuple[str, ...]:
    """Return the conditions that ``model`` can be asked for.

    What its description says counts; where that says nothing, what the model knows of itself.
    """
    if not spec.conditions and isinstance(model, KnowsConditions):
        return tuple(model.taken_conditions)
    return spec.takes(parameters)
