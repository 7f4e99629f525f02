"""What publishes runs: described without importing it, and chosen by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gengauge.parameters import Parameter, Value, resolve
from gengauge.specs import Spec, lacking


@dataclass(frozen=True, kw_only=True)
class PublisherSpec(Spec):
    """A form of publication; its target is ``publish(stores, folder, **parameters) -> Path``.

    The target writes into ``folder``, which is empty and private to it until it returns the file
    to begin with; what it raises leaves everything as it was. ``title``, ``repo`` and ``dry_run``
    are parameters with options of their own, others are given with ``--set``. ``requires`` are
    modules of the optional dependencies ``extras`` that it cannot do without.
    """

    parameters: tuple[Parameter, ...] = ()
    extras: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()

    def resolve(self, given: Mapping[str, Value]) -> dict[str, Value]:
        """Return all parameters, the given ones parsed; raise ``UsageError`` for unknown ones."""
        return resolve(f"parameter of publisher {self.id}", self.parameters, given)

    @property
    def lacks(self) -> str:
        """Which packages are missing here that it needs, and what to do; empty if none."""
        return lacking(self.requires, self.extras)
