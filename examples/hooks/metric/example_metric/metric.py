"""How far the correlations of the samples are from those of the test examples."""

import torch

from gengauge import Score, unscored
from gengauge.statistics import block_jackknife, block_of


def correlation_gap(evidence, blocks):
    """Return the mean absolute gap of all pairs of values, with a jackknife over ``blocks``."""
    samples, real = (x.double().flatten(1) for x in (evidence.samples, evidence.reference))
    n = min(len(samples), len(real))
    if n < 3 * blocks:
        return unscored(f"needs at least {3 * blocks} samples, three a block; came {n}")
    samples, real = samples[:n], real[:n]
    if not bool(torch.isfinite(samples).all()):
        return unscored("the samples hold values that are not finite")
    if min(float(x.std(0).min()) for x in (samples, real)) == 0:
        return unscored("a value that never varies has no correlation")
    block = torch.as_tensor(block_of(n, blocks))
    pairs = torch.triu_indices(samples.shape[1], samples.shape[1], offset=1)

    def gap(left_out):
        kept = torch.ones(n, dtype=torch.bool) if left_out is None else block != left_out
        far = torch.corrcoef(samples[kept].T) - torch.corrcoef(real[kept].T)
        return float(far[pairs[0], pairs[1]].abs().mean())

    value, interval, _ = block_jackknife(gap, blocks)
    return Score(value, interval, n_samples=n, n_reference=n, protocol={"blocks": blocks})
