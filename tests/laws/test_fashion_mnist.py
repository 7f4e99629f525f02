"""Every family on real pictures of 28 x 28 pixels and 256 levels, a few of them and a few steps."""

import pytest
import worlds

from gengauge.registry import Registry
from gengauge.testing import Case, judge
from gengauge.testing.behaviour import (
    conditional_samples_answer_their_conditions,
    samples_look_like_data,
    saving_keeps_the_model,
)
from gengauge.testing.probability import likelihood_ignores_the_batch

REGISTRY = Registry()
CLOTHES = REGISTRY.datasets["fashion-mnist"]
MODELS = [m for m in REGISTRY.models.values() if m.learns and not m.fits(CLOTHES)]
LAWS = (
    samples_look_like_data, saving_keeps_the_model, conditional_samples_answer_their_conditions,
    likelihood_ignores_the_batch,
)  # fmt: skip


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.id)
def test_laws_hold_on_clothes(model):
    case = Case(model, worlds.load("fashion-mnist").limited(200), budget="2 steps", n=12)
    verdicts = [judge(law, case) for law in LAWS]
    assert [v for v in verdicts if v.outcome == "broken"] == []
    assert [v.outcome for v in verdicts[:2]] == ["held", "held"]


def test_no_family_of_pictures_is_missing():
    assert {m.id for m in MODELS} >= {
        "autoencoder", "autoregressive", "cgan", "continuous-flow", "ddpm", "ddpm-lora", "flow",
        "flow-matching", "gan", "gmm", "iwae", "latent-diffusion", "mixture-of-categoricals",
        "naive-bayes", "schroedinger-bridge", "vae", "vqgan",
    }  # fmt: skip
