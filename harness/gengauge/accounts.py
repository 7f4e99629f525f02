"""Sees to it that each task ends with one record, whatever an executor does."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NoReturn

from gengauge.errors import GengaugeError
from gengauge.registry import load_target
from gengauge.store import Record
from gengauge.turns import Listener, Shift, Task, Turns

_KEPT = "what was finished is kept: the same command goes on from there"
_KEYS = {"trial": str, "status": str, "scores": list, "model": dict}


@dataclass
class Accounts:
    """Another's ``Turns``, of which nothing is believed that is not so.

    A second record of a task is dropped with a warning. Everything else that must not be is a
    ``GengaugeError``, raised once all good records before it have been given on.
    """

    executor: str
    shift: Shift
    turns: Turns
    open: dict[str, Task] = field(default_factory=dict)

    @classmethod
    def start(cls, executor: str, target: str, shift: Shift, parameters: Any) -> Accounts:
        """Start an executor by its ``target``."""
        made = cls(executor, shift, None)  # type: ignore[arg-type]
        try:
            made.turns = load_target(target)(shift, **parameters)
        except Exception as error:
            made._failed(error)
        for name in ("run", "close"):
            if not callable(getattr(made.turns, name, None)):
                made._wrong(f"has no method {name}()")
        return made

    @property
    def workers(self) -> int:
        """How many trials run side by side, as far as the executor says it."""
        return int(getattr(self.turns, "workers", 1))

    @property
    def stores(self) -> bool:
        """Whether its workers store records by themselves."""
        return bool(getattr(self.turns, "stores", False))

    def run(self, listener: Listener) -> Iterator[tuple[Task, Record, float]]:
        """Yield each task once, with its record and seconds."""
        self.open = {task.trial.key: task for task in self.shift.tasks}
        given = iter(())  # type: Iterator[Any]
        try:
            given = iter(self.turns.run(listener))
            while (one := next(given, None)) is not None:
                if (checked := self._checked(one)) is not None:
                    yield checked
        except Exception as error:
            self._failed(error)
        if self.open:
            names = ", ".join(t.trial.label for t in list(self.open.values())[:3])
            self._wrong(
                f"ended without a record of {len(self.open)} of {len(self.shift.tasks)} trials "
                f"({names}{', ...' if len(self.open) > 3 else ''})"
            )

    def close(self) -> None:
        """End what still runs."""
        try:
            self.turns.close()
        except Exception as error:
            self._failed(error)

    def _checked(self, one: Any) -> tuple[Task, Record, float] | None:
        if not (isinstance(one, tuple) and len(one) == 3):
            self._wrong(f"gave {type(one).__name__} in place of (task, record, seconds)")
        task, record, seconds = one
        if not isinstance(task, Task) or not isinstance(seconds, int | float):
            self._wrong("gave no task or no seconds with a record")
        self._sound(task, record)
        if task.trial.key not in {t.trial.key for t in self.shift.tasks}:
            self._wrong(f"gave a record of a trial it was not given: {task.trial.key}")
        if self.open.pop(task.trial.key, None) is None:
            print(
                f"warning: executor '{self.executor}' gave a second record of "
                f"{task.trial.label}; it was dropped", file=sys.stderr,
            )  # fmt: skip
            return None
        return task, record, float(seconds)

    def _sound(self, task: Task, record: Any) -> None:
        """Refuse what is no record of this task."""
        if not isinstance(record, dict):
            self._wrong(f"gave {type(record).__name__} in place of {task.trial.label}'s record")
        for key, type_ in _KEYS.items():
            if not isinstance(record.get(key), type_):
                self._wrong(f"gave a record of {task.trial.label} without {key}")
        if record["trial"] != task.trial.key:
            self._wrong(f"gave the record of {record['trial']} for {task.trial.key}")
        try:
            json.dumps(record, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            self._wrong(f"gave a record of {task.trial.label} that is no JSON: {error}")

    def _wrong(self, what: str) -> NoReturn:
        raise GengaugeError(f"executor '{self.executor}' {what}; {_KEPT}")

    def _failed(self, error: Exception) -> NoReturn:
        if isinstance(error, GengaugeError | OSError):  # it says what to do, or is the store's
            raise error
        reason = " ".join(str(error).split()) or "no message"
        what = f"failed: {type(error).__name__}: {reason}"
        raise GengaugeError(f"executor '{self.executor}' {what}; {_KEPT}") from error
