"""What a fine-tuned model has over its base: won on new classes, lost on old ones, at what cost.

Hu et al. 2021, LoRA: Low-Rank Adaptation of Large Language Models, https://arxiv.org/abs/2106.09685,
compare so; distances are the Frechet distance of features and the sliced Wasserstein distance.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from gengauge.evidence import Evidence
from gengauge.metric import Embedder, Score, unscored
from gengauge.model import Adapted
from gengauge.statistics import block_jackknife, block_of, exact
from gengauge.units import comparable
from gengauge_suites.fidelity.clouds import MINIMUM, interleaved, is_stratified
from gengauge_suites.fidelity.frechet import is_few
from gengauge_suites.fidelity.moments import distance, distance_of_few, moments

_NOT = "was not adapted from a base"
_FEWEST, _MOST = 500, 2000  # samples of either model for a Frechet distance
_BLOCKS, _COARSE, _WIDE = 20, 5, 512  # fewer blocks where a distance takes seconds
_PROJECTIONS = 128

Distance = Callable[[Tensor, Tensor], float]


def fd_new_delta(evidence: Evidence, embedder: Embedder) -> Score:
    """Return the Frechet distance on the new classes, of the adapted model less of its base."""
    return _frechet_delta(evidence, embedder, new=True)


def fd_old_delta(evidence: Evidence, embedder: Embedder) -> Score:
    """Return the Frechet distance on the old classes, of the adapted model less of its base."""
    return _frechet_delta(evidence, embedder, new=False)


def sliced_w2_new_delta(evidence: Evidence) -> Score:
    """Return the sliced W2 on the new classes, of the adapted model less of its base."""
    return _sliced_delta(evidence, new=True)


def sliced_w2_old_delta(evidence: Evidence) -> Score:
    """Return the sliced W2 on the old classes, of the adapted model less of its base."""
    return _sliced_delta(evidence, new=False)


def adapter_parameters(evidence: Evidence) -> Score:
    """Return how many fitted numbers are stored beside the base."""
    model = evidence.model
    return _counted(model.adapter_parameters) if isinstance(model, Adapted) else unscored(_NOT)


def adapter_share(evidence: Evidence) -> Score:
    """Return the adapter's numbers over those of the base."""
    model = evidence.model
    if not isinstance(model, Adapted):
        return unscored(_NOT)
    if model.base_parameters < 1:
        return unscored("the base has no fitted numbers")
    return _counted(model.adapter_parameters / model.base_parameters)


def adaptation_seconds(evidence: Evidence) -> Score:
    """Return the seconds that adapting took."""
    model = evidence.model
    return Score(model.adaptation_seconds) if isinstance(model, Adapted) else unscored(_NOT)


def _counted(value: float) -> Score:
    return Score(float(value), exact(float(value)), "exact")


@dataclass(frozen=True)
class Clouds:
    """Samples of the adapted model and of its base, and real examples, each ``[n, ...]``."""

    adapted: Tensor
    base: Tensor
    real: Tensor


def _frechet_delta(evidence: Evidence, embedder: Embedder, new: bool) -> Score:
    found = _drawn(evidence, new, _FEWEST)
    if isinstance(found, str):
        return unscored(found)

    def features(x: Tensor) -> Tensor:
        return torch.cat([embedder.features(part).cpu() for part in torch.split(x, 500)]).double()

    with torch.no_grad():
        clouds = Clouds(features(found.adapted), features(found.base), features(found.real))
    return delta(clouds, frechet)


def _sliced_delta(evidence: Evidence, new: bool) -> Score:
    found = _drawn(evidence, new, 0)
    if isinstance(found, str):
        return unscored(found)
    data = evidence.dataset
    clouds = Clouds(*(comparable(x, data) for x in (found.adapted, found.base, found.real)))
    d = clouds.real.shape[1]
    generator = evidence.generator("adaptation directions")
    directions = torch.randn(d, _PROJECTIONS, generator=generator, dtype=torch.float64)
    directions /= (directions**2).sum(0).sqrt()

    def sliced(x: Tensor, y: Tensor) -> float:
        ends = ((z @ directions).sort(0).values for z in (x, y))
        return float((next(ends) - next(ends)).square().mean().sqrt())

    return delta(clouds, sliced)


def _drawn(evidence: Evidence, new: bool, fewest: int) -> Clouds | str:
    """Return samples for labels as the real examples have them, or why there are none."""
    model, test = evidence.model, evidence.dataset.test
    if not isinstance(model, Adapted):
        return _NOT
    if test.labels is None or "class" not in evidence.conditions:
        return "needs class labels, and a model that can be asked for them"
    wanted = torch.isin(test.labels, torch.tensor(list(model.new_classes))) == new
    which = wanted.nonzero().flatten()
    order = torch.randperm(len(which), generator=evidence.generator("adaptation"))
    labels = test.labels[which]
    if is_stratified(evidence.dataset):
        order = interleaved(labels, order)
    which, labels = which[order][:_MOST], labels[order][:_MOST]
    if len(which) < MINIMUM:
        kind = "new" if new else "old"
        return f"needs at least {MINIMUM} test examples of {kind} classes, got {len(which)}"

    def draw() -> tuple[Tensor, Tensor]:
        asked = labels.repeat(max(1, -(-fewest // len(labels))))  # every block has all classes
        name = f"adaptation {new}"  # one stream, so one noise, for both
        base = evidence.draw(len(asked), asked, name, model.sample_base)
        return evidence.draw(len(asked), asked, name), base

    return Clouds(*evidence.memo(("adaptation", new, fewest), draw), test.x[which])


def delta(clouds: Clouds, measure: Distance) -> Score:
    """Return the distance from the real examples, of the adapted samples less of the base's.

    Both share their noise and their reference, and blocks are left out of all three at once: what
    they have in common cancels in the interval, which is for the expectation of the difference at
    these numbers of examples. Rows must be in random order.
    """
    sides = (clouds.adapted, clouds.base, clouds.real)
    for side, name in zip(sides, ("adapted samples", "samples of the base", "test examples"),
                          strict=True):  # fmt: skip
        if not bool(torch.isfinite(side).all()):
            return unscored(f"features of {name} are not finite")
    blocks = _COARSE if clouds.real.shape[1] > _WIDE else _BLOCKS
    block = [torch.from_numpy(block_of(len(side), blocks)) for side in sides]

    def statistic(left_out: int | None) -> float:
        if left_out is None:
            a, b, y = sides
        else:
            a, b, y = (s[own != left_out] for s, own in zip(sides, block, strict=True))
        return measure(a, y) - measure(b, y)

    value, interval, _ = block_jackknife(statistic, blocks)
    own = {"adapted": measure(sides[0], sides[2]), "base": measure(sides[1], sides[2])}
    n, m = len(clouds.adapted), len(clouds.real)
    return Score(value, interval, n_samples=n, n_reference=m, details=own)


def frechet(x: Tensor, y: Tensor) -> float:
    """Return the Frechet distance of clouds ``[n, d]`` and ``[m, d]``, float64."""
    return distance_of_few(x, y) if is_few(x, y) else distance(*moments(x), *moments(y))
