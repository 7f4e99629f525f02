"""How much of what captions claim holds in pictures, by the data's own grammar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gengauge.data import Combines, Dataset, Grammar


@dataclass(frozen=True)
class Agreement:
    """The share of each caption's claims that holds ``[n, k]``, float64, by kind of claim.

    NaN where nothing of the kind is claimed; a caption that is not ``understood`` ``[n]`` has 0s.
    """

    names: tuple[str, ...]
    shares: Tensor
    understood: Tensor

    @property
    def right(self) -> Tensor:
        """Return 1 where all that is claimed holds, else 0, ``[n]``, float64."""
        return (self.shares.nan_to_num(1.0) == 1).all(1).double()

    @property
    def by_attribute(self) -> dict[str, float]:
        """Return the mean share of each kind, over the captions that claim any of it."""
        means = self.shares.nanmean(0).tolist()
        return {n: m for n, m in zip(self.names, means, strict=True) if m == m}

    @property
    def told(self) -> dict[str, object]:
        """Return the shares, how many captions claim each kind, and the order of kinds."""
        counts = dict(zip(self.names, (~self.shares.isnan()).sum(0).tolist(), strict=True))
        shares = self.by_attribute
        claimed = {name: counts[name] for name in shares}
        return {"by_attribute": shares, "claimed": claimed, "kinds": list(shares)}

    @property
    def chance(self) -> dict[str, object]:
        """Return these shares as what chance reaches, for details."""
        return {"chance": float(self.right.mean()), "chance_by_attribute": self.by_attribute}


def compared(grammar: Grammar, captions: Sequence[str], found: Tensor) -> Agreement:
    """Return how far ``captions`` and the attributes ``found`` ``[n, a]`` agree, one by one."""
    rows, understood = [], []
    for caption, row in zip(captions, found.tolist(), strict=True):
        shares = grammar.agreement(caption, row)
        understood.append(any(share is not None for share in shares))
        nothing = float("nan") if understood[-1] else 0.0
        rows.append([nothing if share is None else share for share in shares])
    return Agreement(
        grammar.names, torch.tensor(rows, dtype=torch.float64), torch.tensor(understood)
    )


def by_chance(grammar: Grammar, captions: Sequence[str], found: Tensor) -> Agreement:
    """Return how far each caption agrees with another picture: that of half the list away."""
    return compared(grammar, captions, found.roll(len(found) // 2, 0))


def unseen(data: Dataset) -> Tensor | None:
    """Return which test pictures ``[n]`` have a combination that no training picture has.

    None where the data does not say what its combinations are.
    """
    train, test, grammar = data.train.attributes, data.test.attributes, data.grammar
    if train is None or test is None or not len(train) or not isinstance(grammar, Combines):
        return None
    met = {pair for row in train.tolist() for pair in grammar.combinations(row)}
    strange = [not met.issuperset(grammar.combinations(row)) for row in test.tolist()]
    return torch.tensor(strange)
