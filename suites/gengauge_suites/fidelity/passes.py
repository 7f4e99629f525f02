"""The distance passes of one trial: each made once, whatever metric asks first."""

from __future__ import annotations

from collections.abc import Callable

from gengauge.evidence import Evidence, Features
from gengauge.metric import Embedder
from gengauge_suites.fidelity.between import Between, between
from gengauge_suites.fidelity.clouds import embedded
from gengauge_suites.fidelity.tiles import Cloud, centre_of, tile_dtype
from gengauge_suites.fidelity.within import Within, within

ABOUT_REFERENCE, ABOUT_SAMPLES = (3, 5), (3,)  # what the default P/R/D/C need, in one pass


def identity(embedder: Embedder) -> tuple[str, str]:
    """Return what keys of memoised results hold of an embedder."""
    return (embedder.id, embedder.sha256)


def passes(evidence: Evidence, embedder: Embedder, k: int = 0) -> tuple[Within, Within, Between]:
    """Return the passes within samples, within reference and between the two.

    Without ``k``, or with one of the default ones, they are those that all metrics share.
    """
    of_y = ABOUT_REFERENCE if k in (0, *ABOUT_SAMPLES) else (k,)
    of_x = ABOUT_SAMPLES if k in (0, *ABOUT_SAMPLES) else (k,)

    def compute() -> tuple[Within, Within, Between]:
        key = ("within", *identity(embedder), evidence.seed, of_y, of_x)
        return measured(
            embedded(evidence, embedder), of_y, of_x, lambda make: evidence.once(key, make)
        )

    return evidence.memo(("passes", *identity(embedder), of_y, of_x), compute)


def measured(
    features: Features,
    of_y: tuple[int, ...] = ABOUT_REFERENCE,
    of_x: tuple[int, ...] = ABOUT_SAMPLES,
    kept: Callable[[Callable[[], Within]], Within] = lambda make: make(),
) -> tuple[Within, Within, Between]:
    """Return the three passes; ``kept`` may know the one within the reference already."""
    x, y = features.samples, features.reference
    ranks, most = tuple(sorted({*of_y, *of_x})), max(len(x), len(y))
    dtype, centre = tile_dtype(most, most, x.shape[1]), centre_of(y)
    cloud = Cloud.of(y, centre, dtype)
    in_y = kept(lambda: within(cloud, ranks))
    in_x = within(Cloud.of(x, centre_of(x), dtype), ranks)
    moved = Cloud.of(x, centre, dtype)
    return in_x, in_y, between(moved, cloud, dict.fromkeys(of_y, in_y), dict.fromkeys(of_x, in_x))
