"""Naive Bayes: a description only, so that listing stays fast."""

from __future__ import annotations

from gengauge import ModelSpec, Parameter, hookimpl


@hookimpl
def gengauge_models() -> list[ModelSpec]:
    """Return naive Bayes, in the form that the data asks for."""
    return [
        ModelSpec(
            id="naive-bayes",
            family="naive-bayes",
            summary="Values that are independent within a class: categorical levels, Gaussian "
                    "points, a multinomial of tokens; the simplest conditional model",
            assumes="Once the class is known, every value is drawn for itself: no two of them "
                    "depend on each other.",
            reference="Domingos & Pazzani 1997, On the Optimality of the Simple Bayesian "
                      "Classifier under Zero-One Loss, https://doi.org/10.1023/A:1007413511361",
            target="gengauge_plugins.naive_bayes.naive_bayes:NaiveBayes",
            modalities=("image", "points", "text", "table"),
            capabilities=("density", "mass", "class-density", "class-mass", "classifier"),
            conditions=("class",),
            budget="1 steps",
            parameters=(
                Parameter("alpha", 0.0, minimum=0,
                          doc="count added to every level; 0: the best of six on validation"),
            ),
        )
    ]  # fmt: skip
