"""How training goes on where a process was killed: what a loop writes down, and when.

A fit is a row of loops. Each has a file of its own in the folder of a :class:`Resumption`, with
all that the next step depends on; a loop that has ended keeps its end there, so that a later one
can be gone on with.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from gengauge import packing, seeds
from gengauge.budget import Budget

EVERY = Budget(30, "seconds")
_SHARE = 0.01  # of the time between checkpoints that writing one may take
_FORM = 1  # of the files
_PIECES = -1  # in place of a loop's number


class Stateful(Protocol):
    """What has a state, as modules, optimisers and averages have."""

    def state_dict(self) -> dict[str, Any]:
        """Return tensors, numbers and strings, in dicts and lists."""
        ...

    def load_state_dict(self, state_dict: dict[str, Any], /) -> Any:
        """Take a state back."""
        ...


Pair = tuple[Callable[[], Any], Callable[[Any], None]]  # how to ask for a state, and to give it
Part = Stateful | torch.Generator | Pair


def _to_the_log(line: str) -> None:
    print(f"[gengauge] {line}", file=sys.stderr)


@dataclass
class Resumption:
    """The checkpoints of one fit; without a ``folder`` nothing is kept and nothing costs anything.

    A file of another ``identity``, or a damaged one, is as good as none, and the log says so.
    ``resumed`` is how often the fit was gone on with.
    """

    folder: Path | None = None
    identity: Mapping[str, str] = field(default_factory=dict)
    every: Budget = EVERY
    tell: Callable[[str], None] = _to_the_log
    resumed: int = 0
    loops: int = 0
    _ended: dict[int, tuple[dict[str, Tensor], Any]] = field(default_factory=dict)
    _pieces: dict[str, Any] | None = None
    _last: float = field(default_factory=time.perf_counter)
    _cost: float = 0.0
    _steps: int = 0  # since the last checkpoint
    _failed: bool = False

    def due(self) -> bool:
        """Count a step; return whether a checkpoint is to be written after it."""
        if self.folder is None:
            return False
        self._steps += 1
        if self.every.unit == "seconds":
            pause = max(self.every.amount, self._cost / _SHARE)
            return time.perf_counter() - self._last >= pause
        return self._steps >= self.every.amount

    def write(self, index: int, state: dict[str, Any] | None = None) -> None:
        """Write the state of loop ``index``, if any, what ended since the last time, and pieces.

        A checkpoint is a convenience: where the disk is full, training goes on without.
        """
        assert self.folder is not None
        started = time.perf_counter()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if self._pieces:
                packing.write(self._path(_PIECES), *self._packed(self._pieces))
            now = {} if state is None else {index: self._packed(state)}
            for number, packed in {**self._ended, **now}.items():
                packing.write(self._path(number), *packed)
            self._ended.clear()
            self._failed = False
        except OSError as error:
            if not self._failed:
                self.tell(f"warning: no checkpoint of the training could be written: {error}")
            self._failed = True
        self._last, self._steps = time.perf_counter(), 0
        self._cost = self._last - started

    def hold(self, index: int, state: dict[str, Any]) -> None:
        """Keep the end of loop ``index`` until the next checkpoint is written."""
        self._ended[index] = self._packed(state)

    def piece(self, name: str) -> dict[str, Any] | None:
        """Return a piece of work that an earlier process has done, None if none has."""
        if self._pieces is None:
            self._pieces = self.find(_PIECES) or {}
        known: dict[str, Any] | None = self._pieces.get(name)
        if known is not None:
            self.resumed = max(self.resumed, self._pieces["resumed"] + 1)
        return known

    def add(self, name: str, piece: dict[str, Any]) -> None:
        """Keep a piece of work that is done, and write a checkpoint if it is time for one."""
        if self.folder is not None and self._pieces is not None:
            self._pieces[name] = piece
            if self.due():
                self.write(_PIECES)

    def find(self, index: int) -> dict[str, Any] | None:
        """Return the state that loop ``index`` has reached, None if there is none."""
        path = self._path(index)
        if self.folder is None or not path.exists():
            return None
        try:
            tensors, content = packing.read(path)
            if content["identity"] != self._identity:
                self.tell(f"{path.name} is of other code or versions: this loop trains anew")
                return None
            state: dict[str, Any] = packing.unpack(tensors, content["state"])
            return state
        except (packing.DamagedError, OSError, KeyError, TypeError) as error:
            self.tell(f"{path.name} is damaged ({error}): this loop trains anew")
            return None

    def _packed(self, state: dict[str, Any]) -> tuple[dict[str, Tensor], Any]:
        tensors, content = packing.pack({**state, "resumed": self.resumed})
        return tensors, {"identity": self._identity, "state": content}

    @property
    def _identity(self) -> dict[str, Any]:
        return {"form": _FORM, "torch": torch.__version__, **self.identity}

    def _path(self, index: int) -> Path:
        name = "pieces" if index == _PIECES else f"loop-{index}"
        return (self.folder or Path()) / f"{name}.safetensors"


class Loop:
    """One loop of a fit; ``step`` counts its steps, and ``finished`` says whether it has ended.

    ``lasting`` are the parts that matter after the loop, ``passing`` those that do not.
    """

    def __init__(self, run: Any, lasting: Mapping[str, Part], passing: Mapping[str, Part]) -> None:
        self.run, self.lasting, self.passing = run, lasting, passing
        self.place: Resumption = run.place
        self.step, self.finished = 0, False
        self.index, self.place.loops = self.place.loops, self.place.loops + 1
        if (found := self.place.find(self.index)) is not None:
            self._go_on(found)

    def stepped(self) -> None:
        """Count a step that is done with; write a checkpoint if it is time for one."""
        self.step += 1
        if self.place.due():
            self._save()

    def finish(self) -> None:
        """Say that the loop has ended: going on with a later one begins with what it left."""
        self.finished = True
        if self.place.folder is not None:
            self.place.hold(self.index, self.state())
            if self.place.due():
                self._save()

    def _save(self) -> None:
        started = time.perf_counter()
        self.place.write(self.index, self.state())
        self.run.paused += time.perf_counter() - started

    def state(self) -> dict[str, Any]:
        """Return all that the next step depends on."""
        parts = self.lasting if self.finished else {**self.lasting, **self.passing}
        return {
            "seed": self.run.seed, "step": self.step, "finished": self.finished,
            "spent": self.run.spent(), "global": seeds.global_state(self.run.device),
            "parts": {name: _state_of(part) for name, part in parts.items()},
        }  # fmt: skip

    def _go_on(self, found: dict[str, Any]) -> None:
        """Take over a state; one that does not fit leaves everything as it was."""
        if found.get("seed") != self.run.seed:
            return  # of another stage
        before = packing.unpack(*packing.pack(self.state()))
        try:
            self.restore(found)
        except Exception as error:  # whatever a part says to a state of another shape
            self.restore(before)
            self.place.tell(f"a checkpoint does not fit ({error}): this loop trains anew")
            return
        self.place.resumed = max(self.place.resumed, found["resumed"] + 1)
        self.place.tell(f"training goes on after step {self.step} of loop {self.index}")

    def restore(self, state: dict[str, Any]) -> None:
        """Go to a state; one of other parts raises whatever they say to it."""
        parts = self.lasting if state["finished"] else {**self.lasting, **self.passing}
        if set(parts) != set(state["parts"]):
            raise ValueError(f"it has the parts {', '.join(state['parts'])}")
        for name, part in parts.items():
            _give(part, state["parts"][name])
        self.step, self.finished = state["step"], state["finished"]
        seeds.set_global_state(state["global"], self.run.device)
        self.run.take(state["spent"])


def _state_of(part: Part) -> Any:
    if isinstance(part, torch.Generator):
        return part.get_state()
    if isinstance(part, tuple):
        return part[0]()
    state = part.state_dict()
    return [dict(state), _unsaved(part)] if isinstance(part, nn.Module) else state


def _give(part: Part, state: Any) -> None:
    if isinstance(part, torch.Generator):
        part.set_state(state)
    elif isinstance(part, tuple):
        part[1](state)
    elif isinstance(part, nn.Module):
        part.load_state_dict(state[0])
        buffers = _unsaved(part)
        for name, value in state[1].items():
            buffers[name].copy_(value)
    else:
        part.load_state_dict(state)


def _unsaved(module: nn.Module) -> dict[str, Tensor]:
    """Return the buffers that a module does not save with its weights: they count steps, say."""
    saved = module.state_dict()
    return {name: value for name, value in module.named_buffers() if name not in saved}
