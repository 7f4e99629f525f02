"""The likelihood suite: how probable a model finds held-out data."""

from __future__ import annotations

from collections.abc import Iterable

from gengauge.hooks import hookimpl
from gengauge.specs import MetricSpec, Parameter

_HOME = "gengauge_suites.likelihood.metrics"
_IWAE = "Burda et al. 2016, Importance Weighted Autoencoders, https://arxiv.org/abs/1509.00519"
_THEIS = (
    "Theis et al. 2016, A note on the evaluation of generative models, "
    "https://arxiv.org/abs/1511.01844"
)
_K = Parameter("k", 64, "importance samples a data point, for latent-variable models", minimum=1)


@hookimpl
def gengauge_metrics() -> Iterable[MetricSpec]:
    """Return the likelihood metrics."""
    yield MetricSpec(
        id="bits_per_dim",
        suite="likelihood",
        label="Bits/dim",
        unit="bits",
        direction="lower",
        modalities=("image", "table"),
        levelled=True,
        uses_samples=False,
        headline=True,
        parameters=(
            _K,
            Parameter("draws", 8, "dequantisation noise draws an example", minimum=1),
        ),
        target=f"{_HOME}:bits_per_dim",
        summary="Bits needed to store one value of a held-out example with this model. Exact "
        "for models of discrete data, an upper bound for densities and latent-variable models. "
        "Blind to how samples look.",
        reference=_THEIS,
    )
    yield from _continuous()
    yield from _bounds()


def _continuous() -> Iterable[MetricSpec]:
    yield MetricSpec(
        id="nll",
        suite="likelihood",
        label="NLL",
        unit="nats",
        direction="lower",
        levelled=False,
        modalities=("points", "table", "image"),
        uses_samples=False,
        headline=True,
        parameters=(_K,),
        target=f"{_HOME}:nll",
        summary="Negative log-likelihood of held-out examples: how surprised the model is by "
        "them. Exact for densities, an upper bound for latent-variable models. Blind to how "
        "samples look; depends on the data's units.",
        reference=_THEIS,
    )
    yield MetricSpec(
        id="excess_nll",
        suite="likelihood",
        label="Excess NLL",
        unit="nats",
        direction="lower",
        levelled=False,
        needs_truth=True,
        modalities=("points", "table"),
        uses_samples=False,
        headline=True,
        parameters=(_K,),
        target=f"{_HOME}:excess_nll",
        summary="Negative log-likelihood above the true entropy, which no model can beat: 0 is "
        "perfect, and chance may put a near-perfect model slightly below. Only where the true "
        "density is known.",
        reference="Cover & Thomas 2006, Elements of Information Theory, section 8.5 "
        "(the Kullback-Leibler divergence), https://doi.org/10.1002/047174882X",
    )


def _bounds() -> Iterable[MetricSpec]:
    yield MetricSpec(
        id="elbo",
        suite="likelihood",
        label="ELBO",
        unit="nats",
        direction="higher",
        modalities=("image", "points", "table"),
        uses_samples=False,
        parameters=(_K,),
        target=f"{_HOME}:elbo",
        summary="Evidence lower bound on the log-likelihood of a latent-variable model. Blind to "
        "whether a low value is the model's fault or its inference network's.",
        reference="Kingma & Welling 2014, Auto-Encoding Variational Bayes, "
        "https://arxiv.org/abs/1312.6114",
    )
    yield MetricSpec(
        id="iwae",
        suite="likelihood",
        label="IWAE bound",
        unit="nats",
        direction="higher",
        modalities=("image", "points", "table"),
        uses_samples=False,
        parameters=(_K,),
        target=f"{_HOME}:iwae",
        summary="Importance-weighted lower bound on the log-likelihood: tighter than the ELBO "
        "with every sample, yet loose without a sign where the inference network is poor: see "
        "the effective sample size in the details.",
        reference=_IWAE,
    )
