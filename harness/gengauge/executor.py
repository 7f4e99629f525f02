"""What runs trials: described without importing it, and chosen by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gengauge.parameters import Parameter, Value, resolve
from gengauge.specs import Spec, lacking


@dataclass(frozen=True, kw_only=True)
class ExecutorSpec(Spec):
    """A way to run trials; its target is ``start(shift, **parameters) -> Turns``.

    ``elsewhere``: trials may run on other machines, so that what this one has (graphics cards,
    a processor's name) says nothing about theirs. ``requires`` are modules of the optional
    dependencies ``extras`` that it cannot do without.
    """

    parameters: tuple[Parameter, ...] = ()
    elsewhere: bool = False
    extras: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()

    def resolve(self, given: Mapping[str, Value]) -> dict[str, Value]:
        """Return all parameters, the given ones parsed; raise ``UsageError`` for unknown ones."""
        return resolve(f"parameter of executor {self.id}", self.parameters, given)

    @property
    def lacks(self) -> str:
        """Which packages are missing here that it needs, and what to do; empty if none."""
        return lacking(self.requires, self.extras)


@dataclass(frozen=True)
class ExecutorChoice:
    """An executor with all its parameters."""

    spec: ExecutorSpec
    parameters: Mapping[str, Value] = field(default_factory=dict)
