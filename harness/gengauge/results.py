"""What a run gave, for Python: records, a table for pandas, reports, and how it looks."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Literal, overload

from gengauge.errors import UsageError
from gengauge.registry import Registry
from gengauge.rendering import format_of, render
from gengauge.store import Record, RunStore

if TYPE_CHECKING:
    import pandas as pd

FAILED = ("failed", "timeout", "out_of_memory", "diverged")
_Text = Literal["terminal", "html", "atlas", "md", "csv", "json", "latex", "notebook"]


class Results:
    """The trials that a call asked for, those that were done already among them.

    Shown by ``print`` as the ranked table of a terminal, and by a notebook as one of its own. The
    run's folder may hold more trials, and keeps checkpoints, samples and ``report.html``.

    Arguments:
        store: The run that the trials lie in.
        registry: Where the formats of reports are looked up.
        trials: The keys of the trials.
    """

    def __init__(self, store: RunStore, registry: Registry, trials: Iterable[str]) -> None:
        self._store, self._registry = store, registry
        self._asked = _Asked(store, frozenset(trials))

    @property
    def address(self) -> str:
        """The run's folder or its URL."""
        return self._store.address

    @property
    def folder(self) -> Path:
        """The run's folder on this machine; of a URL, the copy that is kept here."""
        return self._store.folder

    @cached_property
    def records(self) -> list[Record]:
        """One record a trial, in the order they were planned, as ``records.jsonl`` has them."""
        return self._asked.records()

    @property
    def failed(self) -> list[Record]:
        """The records of trials that failed, timed out, ran out of memory or diverged."""
        return [r for r in self.records if r["status"] in FAILED]

    def frame(self) -> pd.DataFrame:
        """Return the tidy table: one row for each trial and metric, as ``RunStore.frame`` does."""
        return self._asked.frame()

    @overload
    def report(self, format: _Text = "md") -> str: ...
    @overload
    def report(self, format: Literal["parquet"]) -> bytes: ...
    @overload
    def report(self, format: str) -> str | bytes: ...
    def report(self, format: str = "md") -> str | bytes:
        """Return the trials in a format of ``gengauge list reports``, as text where it is text.

        ``UsageError`` for an unknown format, with the nearest one.
        """
        content = render(self._registry, format, [self._asked])
        try:
            return content.decode()
        except UnicodeDecodeError:
            return content

    def save_report(self, path: str | PathLike[str], format: str | None = None) -> Path:
        """Write the trials into a file, in the format that its name asks for; return its path.

        ``UsageError`` where it cannot be written.
        """
        target = Path(path).expanduser()
        chosen = format or format_of(target, self._registry)
        content = render(self._registry, chosen, [self._asked])
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        except OSError as error:
            raise UsageError(f"cannot write '{target}': {error.strerror}") from None
        return target

    def __len__(self) -> int:
        return len(self.records)

    def __repr__(self) -> str:
        if "terminal" not in self._registry.reports:
            return f"<{len(self)} trials in {self.address}>"
        return render(self._registry, "terminal", [self._asked], color=False).decode().rstrip()

    def _repr_html_(self) -> str | None:
        if "notebook" not in self._registry.reports:
            return None
        return render(self._registry, "notebook", [self._asked]).decode()


class _Asked(RunStore):
    """A run of which only some trials are seen."""

    def __init__(self, store: RunStore, trials: frozenset[str]) -> None:
        super().__init__(*store.__reduce__()[1])
        self._only = trials

    def records(self) -> list[Record]:
        return [r for r in super().records() if r["trial"] in self._only]

    def frame(self) -> pd.DataFrame:
        found = super().frame()
        return found[found["trial"].isin(self._only)].reset_index(drop=True)
