"""Laws of embedders: one row an example, the same in any batch, and a name for the weights."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from gengauge.data import Dataset
from gengauge.loading import load_embedder
from gengauge.metric import (
    Classifies,
    Embedder,
    EmbedsSpace,
    EmbedsText,
    JudgesAttributes,
    KnowsLevels,
    Unready,
)
from gengauge.specs import EmbedderSpec
from gengauge.testing.case import NotApplicable, require
from gengauge.testing.worlds import TINY

_CAN = {
    "classes": Classifies, "attributes": JudgesAttributes, "text": EmbedsText,
    "spatial": EmbedsSpace,
}  # fmt: skip


@dataclass
class EmbedderCase:
    """One embedder and data that it embeds."""

    spec: EmbedderSpec
    dataset: Dataset
    n: int = 40

    def build(self) -> Embedder:
        """Return it, newly built, for the levels of the data."""
        built = load_embedder(self.spec, torch.device("cpu"))
        if isinstance(built, Unready):
            raise NotApplicable(built.reason)
        return built.for_levels(self.dataset.levels) if isinstance(built, KnowsLevels) else built

    @cached_property
    def embedder(self) -> Embedder:
        """What laws share."""
        return self.build()

    @property
    def x(self) -> Tensor:
        """A few examples ``[n, *event]``."""
        return self.dataset.test.x[: self.n].clone()


def features_are_rows(case: EmbedderCase) -> None:
    """Features are finite floats ``[n, d]``, one row an example, and the examples stay."""
    x = case.x
    try:
        with torch.no_grad():
            found = case.embedder.features(x)
    except ValueError as error:
        if not case.dataset.id.startswith(TINY):
            raise
        raise NotApplicable(f"it refuses {case.dataset.id}: {error}; name data that it takes with "
                            "--dataset") from None  # fmt: skip
    require(found.ndim == 2 and len(found) == len(x), f"features [{len(x)}, d]",
            str(list(found.shape)), "return one row an example")  # fmt: skip
    require(found.dtype in (torch.float32, torch.float64), "float32 or float64",
            str(found.dtype), "end with .float()")  # fmt: skip
    require(bool(torch.isfinite(found).all()), "finite features", "nan or inf",
            "clamp what overflows")  # fmt: skip
    require(torch.equal(x, case.x), "the examples as they were", "others", "work on a copy")


def features_ignore_the_batch(case: EmbedderCase) -> None:
    """An example's features do not depend on which others are embedded with it."""
    with torch.no_grad():
        whole = case.embedder.features(case.x)
        parts = torch.cat([case.embedder.features(part) for part in torch.split(case.x, 7)])
    require(torch.allclose(whole, parts, rtol=1e-3, atol=1e-4), "the same features in any batch",
            "others", "put networks in eval mode, and use nothing of the batch")  # fmt: skip


def embedder_is_one(case: EmbedderCase) -> None:
    """Built again it has the same id, hash and features: distances in it stay comparable."""
    again = case.build()
    require(again.id == case.spec.id, f"the id {case.spec.id} of its EmbedderSpec", again.id,
            "scores carry the embedder's own id")  # fmt: skip
    require(len(again.sha256) >= 8 and again.sha256 == case.embedder.sha256,
            "one hash of weights and preprocessing", f"{case.embedder.sha256!r} and "
            f"{again.sha256!r}", "hash what decides the features")  # fmt: skip
    with torch.no_grad():
        same = torch.allclose(again.features(case.x), case.embedder.features(case.x))
    require(same, "the features of the first one", "others", "draw weights from a fixed seed")


def it_gives_what_it_says(case: EmbedderCase) -> None:
    """Beside features it has the methods of all that its description says it gives."""
    for what in case.spec.gives:
        if what in _CAN:
            require(isinstance(case.embedder, _CAN[what]), f"what gives={case.spec.gives} says",
                    f"no {_CAN[what].__name__}", "see gengauge.metric for its methods")  # fmt: skip


EMBEDDER_LAWS = (
    features_are_rows, features_ignore_the_batch, embedder_is_one, it_gives_what_it_says,
)  # fmt: skip
