"""How far the mean of the samples lies from that of the test points."""

from gengauge import Score, unscored
from gengauge.statistics import block_jackknife, block_of


def centre_distance(evidence, blocks):
    """Return the distance of the two means, with a jackknife over ``blocks``."""
    samples, real = evidence.samples.double(), evidence.reference.double()
    n = min(len(samples), len(real))
    if n < blocks:
        return unscored(f"needs at least {blocks} samples, one a block; came {n}")
    samples, real = samples[:n], real[:n]
    block = block_of(n, blocks)

    def distance(left_out):
        kept = block != left_out
        return float((samples[kept].mean(0) - real[kept].mean(0)).norm())

    value, interval, _ = block_jackknife(distance, blocks)
    protocol = {"blocks": blocks}
    return Score(value, interval, n_samples=n, n_reference=n, protocol=protocol)
