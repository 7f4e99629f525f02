"""The gate: whether a candidate is significantly worse than its baseline, beyond a tolerance.

Every gated cell (model, dataset, metric, embedder, split) is one hypothesis, *the loss is at
most the tolerance*; a table of them is tested at ``alpha`` in all, Holm-corrected.
"""
