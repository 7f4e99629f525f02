"""The likelihood suite: how probable a model finds held-out data."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gengauge.hooks import hookimpl
from gengauge.parameters import Parameter
from gengauge.specs import MetricSpec

_THEIS = (
    "Theis et al. 2016, A note on the evaluation of generative models, "
    "https://arxiv.org/abs/1511.01844"
)
_K = Parameter("k", 64, "importance samples a data point, for latent-variable models", minimum=1)
_TERMS = Parameter("terms", 64, minimum=2,
                   doc="steps of a diffusion's bound drawn an example; shorter chains are "
                   "summed whole")  # fmt: skip


_DRAWS = Parameter("draws", 8, "dequantisation noise draws an example", minimum=1)
_WAY = Parameter("dequantise", "importance", choices=("importance", "uniform"),
                 doc="average the densities of the draws, or their logarithms")  # fmt: skip


@hookimpl
def gengauge_metrics() -> Iterable[MetricSpec]:
    """Return the likelihood metrics."""
    yield from _levelled()
    yield from _continuous()
    yield from _within_classes()
    yield from _bounds()
    yield _annealed()
    yield from _flows()
    yield from _text()


def _levelled() -> Iterable[MetricSpec]:
    yield _metric(
        "bits_per_dim", "Bits/dim", "bits", ("image", "table"), levelled=True, headline=True,
        version=2,
        parameters=(_K, _DRAWS, _WAY, _TERMS),
        summary="Bits needed to store one value of a held-out example with this model. Exact "
        "for models of discrete data, an upper bound for densities, latent-variable models and "
        "diffusions. Blind to how samples look.",
        reference=f"{_THEIS}; Hoogeboom et al. 2020, Learning Discrete Distributions by "
        "Dequantization, https://arxiv.org/abs/2001.11235",
    )  # fmt: skip


def _continuous() -> Iterable[MetricSpec]:
    yield _metric(
        "nll", "NLL", "nats", ("points", "table", "image"), levelled=False, headline=True,
        parameters=(_K, _TERMS),
        summary="Negative log-likelihood of held-out examples: how surprised the model is by "
        "them. Exact for densities, an upper bound for latent-variable models and diffusions. "
        "Blind to how samples look; depends on the data's units.",
        reference=_THEIS,
    )  # fmt: skip
    yield _metric(
        "excess_nll", "Excess NLL", "nats", ("points", "table"), levelled=False, headline=True,
        needs_truth=True, parameters=(_K, _TERMS),
        summary="Negative log-likelihood above the true entropy, which no model can beat: 0 is "
        "perfect, and chance may put a near-perfect model slightly below. Only where the true "
        "density is known.",
        reference="Cover & Thomas 2006, Elements of Information Theory, section 8.5 "
        "(the Kullback-Leibler divergence), https://doi.org/10.1002/047174882X",
    )  # fmt: skip


def _within_classes() -> Iterable[MetricSpec]:
    yield _metric(
        "bits_per_dim_given_class", "Bits/dim given class", "bits", ("image", "table"),
        levelled=True, condition="class", home="given_class", parameters=(_K, _DRAWS, _WAY),
        summary="Bits needed to store one value of a held-out example when its class is known, "
        "which is not paid for: no code length of unlabelled data may be ranked with it. Blind "
        "to how samples look and to whether classes come in their proportions.",
        reference=_THEIS,
    )  # fmt: skip
    yield _metric(
        "nll_given_class", "NLL given class", "nats", ("points", "table", "image"),
        levelled=False, condition="class", home="given_class", parameters=(_K,),
        summary="Negative log-likelihood of held-out examples when their class is known, which "
        "is not paid for. Blind to how samples look and to whether classes come in their "
        "proportions; depends on the data's units.",
        reference=_THEIS,
    )  # fmt: skip


def _bounds() -> Iterable[MetricSpec]:
    where = ("image", "points", "table", "text")
    yield _metric(
        "elbo", "ELBO", "nats", where, direction="higher", parameters=(_K, _TERMS),
        summary="Evidence lower bound on the log-likelihood of a latent-variable model or a "
        "diffusion. Blind to whether a low value is the model's fault or its inference's.",
        reference="Kingma & Welling 2014, Auto-Encoding Variational Bayes, "
        "https://arxiv.org/abs/1312.6114; Ho et al. 2020, Denoising Diffusion Probabilistic "
        "Models, https://arxiv.org/abs/2006.11239",
    )  # fmt: skip
    yield _metric(
        "iwae", "IWAE bound", "nats", where, direction="higher", parameters=(_K,),
        summary="Importance-weighted lower bound on the log-likelihood: tighter than the ELBO "
        "with every sample, yet loose without a sign where the inference network is poor: see "
        "the effective sample size in the details.",
        reference="Burda et al. 2016, Importance Weighted Autoencoders, "
        "https://arxiv.org/abs/1509.00519",
    )  # fmt: skip


def _annealed() -> MetricSpec:
    return _metric(
        "ais", "AIS bound", "nats", ("image", "points", "table"), direction="higher", home="ais",
        parameters=(
            Parameter("examples", 50, "test examples, drawn at random", minimum=2),
            Parameter("temperatures", 150, "steps from prior to posterior", minimum=2),
            Parameter("chains", 4, "independent chains an example", minimum=1),
            Parameter("leapfrog", 4, "gradient steps of each Hamiltonian proposal", minimum=1),
        ),
        summary="Lower bound on the log-likelihood of any decoder with a prior, GANs with chosen "
        "noise among them, by annealing from the prior to the posterior; the details tell how "
        "loose it is on the model's own data. Blind to modes that no chain finds.",
        reference="Wu et al. 2017, On the Quantitative Analysis of Decoder-Based Generative "
        "Models, https://arxiv.org/abs/1611.04273; Grosse et al. 2015, Sandwiching the marginal "
        "likelihood using bidirectional Monte Carlo, https://arxiv.org/abs/1511.02543",
    )  # fmt: skip


def _flows() -> Iterable[MetricSpec]:
    parameters = (
        Parameter("steps", 50, "Runge-Kutta steps from data to base", minimum=2),
        Parameter("probes", 4, minimum=2,
                  doc="random vectors an example that estimate the divergence in more than 16 "
                  "dimensions"),
        Parameter("examples", 500, "test examples, drawn at random", minimum=2),
    )  # fmt: skip
    reference = (
        "Song et al. 2021, Score-Based Generative Modeling through Stochastic Differential "
        "Equations, https://arxiv.org/abs/2011.13456"
    )
    yield _metric(
        "ode_nll", "ODE NLL", "nats", ("image", "points", "table"), levelled=False, home="ode",
        parameters=parameters, reference=reference,
        summary="Negative log-likelihood along the probability-flow equation of a diffusion or "
        "flow-matching model: an estimate of that equation's density, which is not that of a "
        "sampler with few steps.",
    )  # fmt: skip
    yield _metric(
        "ode_bits_per_dim", "ODE bits/dim", "bits", ("image", "table"), levelled=True, home="ode",
        parameters=parameters, reference=reference,
        summary="Bits a value along the probability-flow equation, with uniform dequantisation: "
        "an estimate, which neither bounds the code length nor sees how samples look.",
    )  # fmt: skip


def _text() -> Iterable[MetricSpec]:
    yield _metric(
        "perplexity", "Perplexity", "tokens", ("text",), home="text", headline=True,
        parameters=(_K, _TERMS),
        summary="The number of equally likely tokens the model is as uncertain between, at each "
        "token of held-out text. Comparable for one tokeniser only.",
        reference="Jelinek et al. 1977, Perplexity: a measure of the difficulty of speech "
        "recognition tasks, https://doi.org/10.1121/1.2016299",
    )  # fmt: skip
    yield _metric(
        "bits_per_char", "Bits/char", "bits", ("text",), home="text", headline=True,
        parameters=(_K, _TERMS),
        summary="Bits needed to store one raw character of held-out text, whatever the "
        "tokeniser: total code length over total characters. Blind to how samples read.",
        reference="Graves 2013, Generating Sequences With Recurrent Neural Networks, "
        "https://arxiv.org/abs/1308.0850",
    )  # fmt: skip


def _metric(
    id_: str,
    label: str,
    unit: str,
    modalities: tuple[str, ...],
    *,
    direction: str = "lower",
    home: str = "metrics",
    **options: Any,
) -> MetricSpec:
    return MetricSpec(
        id=id_,
        suite="likelihood",
        label=label,
        unit=unit,
        direction=direction,
        modalities=modalities,
        uses_samples=False,
        target=f"gengauge_suites.likelihood.{home}:{id_}",
        **options,
    )
