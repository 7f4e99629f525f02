"""Deals graphics cards out to trials: the least loaded first, shared only where memory allows."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from gengauge.store import RunStore

_CONTEXT = 1 << 30  # bytes that CUDA and its libraries take beside what a trial allocates
_SPARE = 1.2  # a trial may need more than an earlier one did: other seeds, other batches


@dataclass(frozen=True)
class Card:
    """A graphics card; ``name`` is its word for CUDA_VISIBLE_DEVICES, empty to leave that alone."""

    index: int
    name: str = ""


class Table(Protocol):
    """What is known of cards."""

    def free(self, card: Card) -> int:
        """Return the bytes that nobody holds."""
        ...


class Dealer:
    """Gives each trial a card and takes it back; ``need`` tells bytes by model, None if unknown.

    A card with none of our trials is given whatever others hold there. A second trial comes onto
    a card only where the needs of all are known and fit into what was free before the first.
    """

    def __init__(self, cards: list[Card], table: Table, need: Callable[[str], int | None]) -> None:
        self._cards, self._table, self._need = cards, table, need
        self._held: dict[Card, list[int | None]] = {card: [] for card in cards}
        self._before: dict[Card, int] = {}  # free bytes before the first of ours came

    def take(self, model: str) -> tuple[Card, int | None] | None:
        """Return a card with the bytes reserved there, or None while there is none to give."""
        need = self._need(model)
        free = {card: self._table.free(card) for card in self._cards}
        fits = [card for card in self._cards if self._fits(card, need, free[card])]
        if not fits:
            return None
        roomy = [card for card in fits if need is None or free[card] >= need]
        best = min(roomy or fits, key=lambda card: (len(self._held[card]), -free[card]))
        if not self._held[best]:
            self._before[best] = free[best]
        self._held[best].append(need)
        return best, need

    def give_back(self, dealt: tuple[Card, int | None]) -> None:
        """Take back what ``take`` returned."""
        card, need = dealt
        self._held[card].remove(need)

    def _fits(self, card: Card, need: int | None, free: int) -> bool:
        """Return whether a trial may come: what ours have asked for counts, held yet or not."""
        held = self._held[card]
        if not held:
            return True
        known = [n for n in held if n is not None]
        if need is None or len(known) < len(held):
            return False
        return free >= need and self._before[card] >= need + sum(known)


def needs(store: RunStore) -> Callable[[str], int | None]:
    """Return how many bytes a trial of a model takes, by the peaks in a run's records."""
    peaks: Counter[str] = Counter()
    for record in store.records():
        with suppress(KeyError, TypeError):
            base, peak = record["model"]["base"], record["peak_memory"]["device"] or 0
            peaks[base] = max(peaks[base], int(peak))
    return lambda model: int(_SPARE * peaks[model]) + _CONTEXT if peaks[model] else None


def deal(device: torch.device, store: RunStore) -> Dealer | None:
    """Return the dealer of this machine's cards, None on the CPU; ``cuda:1`` deals that one."""
    if device.type != "cuda":
        return None
    return Dealer(cards(device), Memory(), needs(store))


def cards(device: torch.device) -> list[Card]:
    """Return the cards that trials on ``device`` may use, all of one make: speeds must compare."""
    count = torch.cuda.device_count()
    if device.index is not None or count < 2:
        return [Card(device.index or 0)]
    made = [torch.cuda.get_device_name(i) for i in range(count)]
    words = [w.strip() for w in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if w.strip()]
    names = words if len(words) == count else [_uuid(i) for i in range(count)]
    return [Card(i, names[i]) for i in range(count) if made[i] == made[0]]


def _uuid(index: int) -> str:
    """Return what names a card whatever order it is counted in."""
    found: Any = torch.cuda.get_device_properties(index)
    return f"GPU-{found.uuid}"


class Memory:
    """Asks NVML, which takes nothing of a card for itself, else CUDA."""

    def free(self, card: Card) -> int:
        """Return the bytes that nobody holds."""
        try:
            import pynvml

            pynvml.nvmlInit()
            handle = pynvml.nvmlDeviceGetHandleByUUID(_uuid(card.index))
            return int(pynvml.nvmlDeviceGetMemoryInfo(handle).free)
        except Exception:  # not installed, or a slice of a card that NVML counts otherwise
            return int(torch.cuda.mem_get_info(card.index)[0])
