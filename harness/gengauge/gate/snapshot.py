"""A baseline as a small JSON file that lives in a repository next to the code it guards."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from gengauge.errors import BaselineError
from gengauge.gate.cells import Cell, Failure, Key, Side
from gengauge.gate.tolerance import Gates

FORMAT = "gengauge_baseline"
VERSION = 1
_DIGITS = 9  # of a number; what is lost is far below any standard error


def snapshot(side: Side, gates: Gates, every: bool = False) -> str:
    """Return the file: one line a cell, in an order of its own, so that a diff shows what moved.

    It holds what is gated, and without gates the headline metrics, or ``every`` metric.
    """
    cells = [c for c in side.cells.values() if c.values and (every or _kept(c, gates))]
    if not cells:
        raise BaselineError(f"'{side.name}' has no score to keep as a baseline")
    lines = [_line(_of_cell(c)) for c in sorted(cells, key=lambda c: c.key)]
    failures = [_line(vars(f)) for f in sorted(side.failures, key=_place)]
    body = [
        f' "{FORMAT}": {VERSION}', f' "gates": {json.dumps(side.gates, sort_keys=True)}',
        ' "cells": [\n' + ",\n".join(lines) + "\n ]",
        ' "failures": [' + "".join(["\n", ",\n".join(failures), "\n "] if failures else "") + "]",
    ]  # fmt: skip
    return "{\n" + ",\n".join(body) + "\n}\n"


def _place(failure: Failure) -> tuple[str, str, int]:
    return (failure.model, failure.dataset, failure.seed or 0)


def _kept(cell: Cell, gates: Gates) -> bool:
    gated = gates.of(cell.key.metric, cell.key.embedder, cell.hardware) is not None
    return gated and (bool(gates.given) or cell.headline)


def _line(content: Mapping[str, Any]) -> str:
    return "  " + json.dumps(content, sort_keys=True, allow_nan=False, ensure_ascii=False)


def _of_cell(cell: Cell) -> dict[str, Any]:
    blocks = cell.blocked()
    return {
        **cell.key._asdict(), "suite": cell.suite, "direction": cell.direction, "unit": cell.unit,
        "comparability_key": cell.comparability_key, "protocol": dict(cell.protocol),
        "seeds": list(cell.seeds), "values": [_short(v) for v in cell.values],
        "standard_errors": [None if e is None else _short(e) for e in cell.errors],
        "blocks": None if blocks is None else [[_short(x) for x in row] for row in blocks],
        "hidden_variance": _short(cell.hidden), "hardware_bound": cell.hardware,
        "headline": cell.headline, "unscored_reasons": list(cell.reasons),
    }  # fmt: skip


def _short(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")


def is_snapshot(path: Path) -> bool:
    """Return whether ``path`` is a baseline file, by its name."""
    return path.suffix == ".json" and path.is_file()


def read_snapshot(path: Path, name: str) -> Side:
    """Return the side in a baseline file; ``BaselineError`` says what is wrong with ``name``."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict) or content.get(FORMAT) is None:
            raise BaselineError(f"'{name}' is no baseline; write one with `gengauge baseline RUN`")
        if content[FORMAT] != VERSION:
            raise BaselineError(
                f"'{name}' is a baseline of version {content[FORMAT]}, and this gengauge reads "
                f"{VERSION}; write it again with `gengauge baseline RUN`"
            )
        cells = [_cell(line) for line in content["cells"]]
        failures = [Failure(**line) for line in content["failures"]]
        gates = {str(k): str(v) for k, v in content["gates"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        what = f"{type(error).__name__}: {error}"
        raise BaselineError(f"the baseline '{name}' cannot be read: {what}") from None
    return Side(name, {c.key: c for c in cells}, failures, gates)


def _cell(line: dict[str, Any]) -> Cell:
    key = Key(*(str(line[name]) for name in Key._fields))
    values = tuple(float(v) for v in line["values"])
    if not all(map(math.isfinite, values)) or line["direction"] not in ("lower", "higher"):
        raise ValueError(f"the cell {key} holds what is no score")
    blocks = None if line["blocks"] is None else np.array(line["blocks"], dtype=np.float64)
    if blocks is not None and (blocks.ndim != 2 or len(blocks) != len(values)):
        raise ValueError(f"the cell {key} has blocks of another number of seeds")
    cell = Cell(
        key, str(line["suite"]), line["direction"], str(line["unit"]),
        str(line["comparability_key"]), dict(line["protocol"]), tuple(line["seeds"]), values,
        tuple(None if e is None else float(e) for e in line["standard_errors"]),
        hidden=float(line["hidden_variance"]), hardware=bool(line["hardware_bound"]),
        headline=bool(line["headline"]), reasons=tuple(map(str, line["unscored_reasons"])),
    )  # fmt: skip
    return replace(cell, examples=blocks, in_blocks=blocks is not None)
