"""How often a model goes on from the beginning of a real text as that text does.

Only the first token is judged: it is the one that the beginning tells most about, and the only
one that what the model itself has said before cannot lead astray. Its expectation is the mean
probability that the model gives to the true next token.
"""

from __future__ import annotations

import torch

from gengauge.evidence import Evidence
from gengauge.metric import Score, unscored
from gengauge.statistics import wilson


def completion_accuracy(evidence: Evidence) -> Score:
    """Return the share of completions whose first token is that of the test text.

    Draws are independent given the beginnings, so the interval is Wilson's. The details hold the
    share that guessing the commonest token of the training texts reaches.
    """
    drawn = evidence.conditional("prefix")
    assert drawn.prefixes is not None
    n, given = drawn.prefixes.shape
    samples, data = drawn.samples.to(torch.int64), evidence.dataset
    astray = int((samples[:, :given] != drawn.prefixes).any(1).sum())
    if astray:
        return unscored(f"{astray} of {n} completions do not begin with what was asked for")
    true = data.test.x[:n, given].to(torch.int64)
    hits = (samples[:, given] == true).double()
    details: dict[str, float] = {"given": given}
    if len(data.train):
        commonest = data.train.x.to(torch.int64).flatten().bincount().argmax()
        details["always_the_commonest"] = float((true == commonest).double().mean())
    return Score(
        float(hits.mean()), wilson(float(hits.sum()), n), n_samples=n, n_reference=n,
        details=details, protocol={"given": given}, per_example=hits,
    )  # fmt: skip
