"""Scores samples of the user's: the door for the command line and for Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from gengauge.bringing import Brought, bring
from gengauge.errors import UsageError
from gengauge.real import find_source
from gengauge.registry import Registry
from gengauge.runner import choose_device
from gengauge.scorer import Scoring
from gengauge.store import RunStore
from gengauge.turns import Listener


def row_names(samples: Sequence[Brought], names: Sequence[str]) -> list[str]:
    """Return what each row is called: the ``names`` given in order, then the files' own.

    ``UsageError`` for two of one name, and for more names than there are samples.
    """
    if len(names) > len(samples):
        raise UsageError(f"{len(names)} names were given for {len(samples)} samples")
    found = [*names, *(b.stem for b in samples[len(names) :])]
    for name in found:
        if found.count(name) > 1:
            raise UsageError(f"two rows are called '{name}'; give each its --name, in their order")
    return found


def score_samples(
    samples: Sequence[str],
    reference: str,
    output: str | RunStore = "runs/score",
    *,
    registry: Registry | None = None,
    names: Sequence[str] = (),
    held_out: str | None = None,
    device: str = "auto",
    listener: Listener | None = None,
    **options: Any,
) -> RunStore:
    """Score files or folders of ``samples`` beside ``reference`` and return the run they are in.

    ``options`` are those of ``Scoring``: suites, embedders, settings, controls, most, seed, limit,
    fresh. ``UsageError`` for what cannot be read, by the name of the file.
    """
    scoring = open_scoring(
        samples, reference, output, registry=registry, names=names, held_out=held_out,
        device=device, **options,
    )  # fmt: skip
    scoring.execute(listener)
    return scoring.store


def open_scoring(
    samples: Sequence[str],
    reference: str,
    output: str | RunStore,
    *,
    registry: Registry | None = None,
    names: Sequence[str] = (),
    held_out: str | None = None,
    device: str = "auto",
    called: Mapping[str, str] | None = None,
    **options: Any,
) -> Scoring:
    """Return the invocation: everything looked up and opened, nothing read or written yet.

    What is not of the user's writing is ``called`` something else than its path.
    """
    registry = registry or Registry()
    if not samples:
        raise UsageError("no samples were given; give a file or a folder")
    limit = options.get("limit")
    known = called or {}
    brought = [
        replace(bring(text, registry, "samples"), text=known.get(text, text)) for text in samples
    ]
    return Scoring(
        registry, output if isinstance(output, RunStore) else RunStore(output),
        choose_device(device), brought, row_names(brought, names),
        find_source(reference, registry, limit),
        bring(held_out, registry, "held-out examples") if held_out else None, **options,
    )  # fmt: skip
