"""Evidence of samples that were given, not drawn: read in blocks, with what they are of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from gengauge import seeds
from gengauge.data import Dataset
from gengauge.errors import UnsupportedError
from gengauge.evidence import Conditioned, Evidence
from gengauge.intake import PLAIN, Intake, embed
from gengauge.metric import Embedder
from gengauge.model import Condition
from gengauge.rows import Held, Rows
from gengauge.summary import Summary
from gengauge.training import FitRun

NO_MODEL = "needs the model itself: it was given samples"


@dataclass(frozen=True)
class Reference(Dataset):
    """A data set whose test split is a part of a user's file, known by the content of all of it.

    ``kind`` stands for its name wherever a name would tell two places of one file apart.
    """

    content: str = ""
    kind: str = ""

    @cached_property
    def fingerprint(self) -> str:
        """Hash of the whole file's content."""
        return self.content[:16]


class Given:
    """Stands in for the model behind samples that were given: it can do nothing."""

    def fit(self, data: Dataset, run: FitRun) -> None:
        """Raise ``UnsupportedError``, as all its verbs do."""
        raise UnsupportedError(NO_MODEL)

    def sample(self, n: int, condition: Condition | None, generator: torch.Generator) -> Tensor:
        """Raise ``UnsupportedError``."""
        raise UnsupportedError(NO_MODEL)

    def save(self, folder: Path) -> None:
        """Raise ``UnsupportedError``."""
        raise UnsupportedError(NO_MODEL)

    def load(self, folder: Path, device: torch.device) -> None:
        """Raise ``UnsupportedError``."""
        raise UnsupportedError(NO_MODEL)


@dataclass(frozen=True)
class Side:
    """One of the two clouds: ``intake`` has all of it, ``index`` ``[k]`` are the examples kept.

    ``x`` ``[k, *event]`` are those. Without an intake they are all there are.
    """

    x: Tensor
    index: Tensor | None = None
    intake: Intake | None = None

    @property
    def whole(self) -> bool:
        """Whether what is kept is all."""
        return self.intake is None or len(self.x) == self.intake.collection.count

    def features(self, embedder: Embedder) -> Tensor:
        """Return the features of what is kept, ``[k, d]``."""
        rows = self.intake.rows(embedder) if self.intake and embedder.id != PLAIN else None
        if rows is None or self.index is None:
            return embed(embedder, self.x)
        return rows.pick(self.index)

    def rows(self, embedder: Embedder) -> Rows:
        """Return the features of all of it; ``UnsupportedError`` where they were not made."""
        rows = self.intake.rows(embedder) if self.intake else None
        if rows is None and self.whole:
            rows = Held(embed(embedder, self.x))
        if rows is None:
            raise UnsupportedError(f"features of all examples in {embedder.id} were not made")
        return rows


@dataclass
class GivenEvidence(Evidence):
    """Evidence of samples in a file, of a reference in one, or of both.

    ``known`` are the examples behind ``samples``, ``real`` those behind the reference: None where
    they are the model's and the data set's own. ``asked`` are samples with their conditions, by
    kind; a control is asked for the same. ``told_by`` stands for a reference of which only
    statistics are known.
    """

    known: Side | None = None
    real: Side | None = None
    asked: Mapping[str, Conditioned] = field(default_factory=dict)
    told_by: Summary | None = None

    def generator(self, name: str) -> torch.Generator:
        """Return a fresh CPU stream for a metric: the same wherever the reference's file lies."""
        data = self.dataset
        if isinstance(data, Reference):
            return seeds.generator("metric", self.seed, data.kind, data.content, name)
        return super().generator(name)

    @property
    def reference(self) -> Tensor:
        """The real examples ``[m, *event]``; ``UnsupportedError`` where only statistics are known.

        Features that are the points themselves stand for them.
        """
        if self.told_by is None:
            return super().reference
        found = self.told_by
        if found.features is None or found.embedder != PLAIN or self.dataset.modality != "points":
            raise UnsupportedError("needs examples of the reference, and its file holds statistics")
        return found.features

    @property
    def n_reference(self) -> int:
        """How many real examples or features of them there are."""
        if self.told_by is None:
            return super().n_reference
        if self.told_by.features is None:
            raise UnsupportedError(
                "needs features of the reference, and its file holds a mean and a covariance alone"
            )
        return len(self.told_by.features)

    def sample_features(self, embedder: Embedder) -> Tensor:
        """Return features ``[n, d]`` of the samples that are kept, float64."""
        if self.known is None:
            return super().sample_features(embedder)
        key, side = ("features", embedder.id, embedder.sha256), self.known
        return self.memo(key, lambda: side.features(embedder).to(torch.float64))

    def features_of(self, embedder: Embedder, split: str) -> Tensor:
        """Return features ``[m, d]`` of a real split, float64."""
        if split == "test" and self.told_by is not None:
            return self._told(self.told_by, embedder)
        if split == "test" and self.real is not None and self.real.intake is not None:
            side = self.real
            key = ("features", split, embedder.id, embedder.sha256, len(side.x))
            return self.once(key, lambda: side.features(embedder).to(torch.float64))
        return super().features_of(embedder, split)

    def _told(self, summary: Summary, embedder: Embedder) -> Tensor:
        if summary.features is None or embedder.sha256 != summary.sha256:
            raise UnsupportedError(
                "needs features of the reference, and its file holds "
                + ("none in this embedder" if summary.features is not None
                   else "a mean and a covariance alone")
            )  # fmt: skip
        return summary.features.to(torch.float64)

    def clouds(self, embedder: Embedder) -> tuple[Rows, Rows] | None:
        """Return the features of all samples and of the whole reference, where they are many."""
        sides = (self.known, self.real)
        if self.told_by is not None:
            return None
        if all(side is None or side.whole for side in sides):
            return None
        samples = (self.known or Side(self.samples)).rows(embedder)
        if self.real is not None and self.real.intake is not None:
            return samples, self.real.rows(embedder)
        return samples, Held(self.features_of(embedder, "test"))

    def summary(self, embedder: Embedder) -> Summary | None:
        """Return the statistics that stand for the reference, if there are only those.

        ``UnsupportedError`` where they are of another embedder; ADM's have those of sFID too.
        """
        told = self.told_by
        if told is None or embedder.id == told.embedder:
            return told
        if not told.field:
            raise UnsupportedError(f"the reference's file holds statistics in {told.embedder}")
        if not embedder.id.endswith("/spatial"):
            return told
        if told.spatial is None:
            raise UnsupportedError("the reference's file holds no mu_s and sigma_s")
        return replace(told, mean=told.spatial[0], covariance=told.spatial[1], spatial=None)

    def all_samples(self, embedder: Embedder) -> Rows:
        """Return the features of all samples."""
        return (self.known or Side(self.samples)).rows(embedder)

    def conditional(self, kind: str, n: int | None = None) -> Conditioned:
        """Return the samples that were given for conditions of ``kind``, ``n`` of them at most."""
        if self.known is None:
            return self._drawn_for(kind, n)
        if kind not in self.asked:
            raise UnsupportedError(f"has no {kind} beside its samples")
        found = self.asked[kind]
        if n is None or n >= len(found.samples):
            return found
        return Conditioned(
            found.samples[:n], None if found.labels is None else found.labels[:n],
            None if found.captions is None else found.captions[:n],
            None if found.prefixes is None else found.prefixes[:n],
        )  # fmt: skip

    def _drawn_for(self, kind: str, n: int | None) -> Conditioned:
        """Return what a control draws when it is asked for what the samples were asked for."""
        found = self.asked.get(kind)
        if found is None or kind not in self.conditions:
            return super().conditional(kind, n)
        labels = None if found.labels is None else found.labels[:n]
        captions = None if found.captions is None else found.captions[:n]
        condition = labels if labels is not None else captions
        assert condition is not None
        key = ("conditional", kind, len(condition))
        x = self.memo(key, lambda: self.draw(len(condition), condition, kind))
        return Conditioned(x, labels, captions)
