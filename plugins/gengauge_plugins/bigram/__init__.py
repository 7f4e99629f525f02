"""Counts of neighbouring tokens: a description only, so that listing stays fast."""

from __future__ import annotations

from gengauge import ModelSpec, Parameter, hookimpl


@hookimpl
def gengauge_models() -> list[ModelSpec]:
    """Return the n-gram model, called by its default order."""
    return [
        ModelSpec(
            id="bigram",
            family="n-gram",
            summary="Counts of a few tokens in a row, smoothed: exact, instant, and without memory "
                    "beyond its order",
            assumes="The next token depends on the few just before it alone (a Markov chain), "
                    "in the same way wherever it stands.",
            reference="Chen & Goodman 1999, An Empirical Study of Smoothing Techniques for "
                      "Language Modeling, https://doi.org/10.1006/csla.1999.0128",
            target="gengauge_plugins.bigram.ngram:NGram",
            modalities=("text",),
            levelled=True,
            capabilities=("mass",),
            conditions=("prefix",),
            budget="1 steps",
            parameters=(
                Parameter("order", 2, "tokens in a row that are counted", minimum=1),
                Parameter("smoothing", "kneser-ney", choices=("kneser-ney", "add-k"),
                          doc="how mass is kept for what was never seen"),
                Parameter("k", 0.1, "count added to every token, for add-k", minimum=1e-9),
                Parameter("temperature", 1.0, "of sampling alone; below 1 the likely is likelier",
                          minimum=1e-3),
            ),
        )
    ]  # fmt: skip
