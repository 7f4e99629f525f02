"""Laws of data sets: what is described is what comes, each time, and no answers are given away."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from gengauge.data import Dataset, Modal
from gengauge.loading import load_dataset
from gengauge.specs import DatasetSpec
from gengauge.testing.behaviour import global_state
from gengauge.testing.case import NotApplicable, require
from gengauge.testing.probability import integral

_COPIES = 0.01  # of the test split that may be found in training
_ROOM = 10  # possible examples for each there is, from which on copies are no chance
_DRAWS = 4096


@dataclass
class DatasetCase:
    """One data set, loaded once and asked by every law."""

    spec: DatasetSpec
    limit: int | None = None

    def load(self) -> Dataset:
        """Return it, freshly loaded: no split is empty, all values are sound."""
        return load_dataset(self.spec, self.limit)

    @cached_property
    def dataset(self) -> Dataset:
        """What laws share."""
        return self.load()


def data_is_as_described(case: DatasetCase) -> None:
    """Modality, levels, labels, captions and truth are those that the description names."""
    data, spec = case.dataset, case.spec
    for what, says, has in (
        ("id", spec.id, data.id), ("modality", spec.modality, data.modality),
        ("levels", spec.levels, data.levels), ("revision", spec.revision, data.revision),
        ("labelled", spec.labelled, data.test.labels is not None),
        ("captioned", spec.captioned, data.test.captions is not None),
        ("has_truth", spec.has_truth, data.truth is not None),
        ("has_modes", spec.has_modes, isinstance(data.truth, Modal)),
    ):  # fmt: skip
        require(says == has, f"{what} {says!r} as the DatasetSpec says", repr(has),
                "change one of them: plans are made from the description alone")  # fmt: skip
    floats = data.train.x.is_floating_point()
    require(floats == (data.levels is None), "floats on continuous data, integers on levelled",
            str(data.train.x.dtype), "see gengauge.Dataset for the types")  # fmt: skip


def loading_is_repeatable(case: DatasetCase) -> None:
    """Loaded again it has the same fingerprint, and no global random stream was moved."""
    before = global_state()
    again, first = case.load().fingerprint, case.dataset.fingerprint
    require(before == global_state(), "global random streams left alone", "one that moved",
            "draw from gengauge.seeds.generator(spec.id, name)")  # fmt: skip
    require(first == again, f"the fingerprint {first} of the first time", again,
            "draw from streams with a name and sort what is listed: no score of other data can "
            "be compared")  # fmt: skip


def test_examples_are_not_trained_on(case: DatasetCase) -> None:
    """At most one in a hundred test examples is found in the training or validation split."""
    data = case.dataset
    possible = data.dimensions * math.log(data.levels or math.inf)
    if possible < math.log(_ROOM * len(data.train)):
        raise NotApplicable("there are so few possible examples that some must come twice")
    known = _rows(data.train.x) | _rows(data.validation.x)
    copies = sum(row in known for row in _listed(data.test.x)) / len(data.test)
    require(copies <= _COPIES, f"at most {_COPIES:.0%} of the test split in training",
            f"{copies:.1%}", "leave out duplicates before splitting")  # fmt: skip


def truth_is_the_density(case: DatasetCase) -> None:
    """The truth's samples look like the data, its entropy is theirs, and in the plane it is one."""
    data = case.dataset
    if data.truth is None:
        raise NotApplicable("the density is not known")
    x = data.truth.sample(_DRAWS, torch.Generator().manual_seed(0))
    require(tuple(x.shape) == (_DRAWS, *data.event_shape), f"[{_DRAWS}, *event]",
            str(tuple(x.shape)), "truth.sample must return [n, *event]")  # fmt: skip
    surprise = -data.truth.log_prob(x).double()
    error = float(surprise.std() / _DRAWS**0.5)
    gap = abs(float(surprise.mean()) - data.truth.entropy)
    require(gap <= 6 * error + 1e-6, f"an entropy of {float(surprise.mean()):.4f}, the mean of "
            "-log_prob over the truth's own samples", f"{data.truth.entropy:.4f}",
            "entropy is that of the density, in nats")  # fmt: skip
    held_out = -data.truth.log_prob(data.test.x).double()
    far = abs(float(held_out.mean() - surprise.mean()))
    slack = 6 * float(held_out.std() / len(held_out) ** 0.5 + error) + 1e-6
    require(far <= slack, "test examples as probable as samples of the truth",
            f"{float(held_out.mean()):.4f} and {float(surprise.mean()):.4f} nats",
            "draw the splits from the truth")  # fmt: skip
    if data.dimensions == 2:
        total = integral(data.truth.log_prob, data)
        require(abs(total - 1) < 0.05, "a density that integrates to 1 within 5 %",
                f"{total:.4f}", "normalise log_prob")  # fmt: skip


def _listed(x: Tensor) -> list[bytes]:
    return [row.numpy().tobytes() for row in x.contiguous().flatten(1)]


def _rows(x: Tensor) -> set[bytes]:
    return set(_listed(x))


DATASET_LAWS = (
    data_is_as_described, loading_is_repeatable, test_examples_are_not_trained_on,
    truth_is_the_density,
)  # fmt: skip
test_examples_are_not_trained_on.__test__ = False  # type: ignore[attr-defined]  # pytest's own
