"""The laws of decoders, bounds, diffusions and flows catch models that break them."""

import math
from dataclasses import replace

import pytest
import torch

from gengauge import Dataset, ModelSpec, Split, check_training
from gengauge.testing import check_model

LEVELS = 3


def pair():
    x = torch.randint(LEVELS, (200, 2), generator=torch.Generator().manual_seed(0))
    x = x.to(torch.uint8)
    y = x.sum(1).long() % 2
    parts = [Split(x[s], y[s]) for s in map(slice, (0, 80, 140), (80, 140, 200))]
    return Dataset("pair", "points", *parts, LEVELS)


class Base:
    def fit(self, data, run):
        check_training(data, "base")
        run.spend(1, len(data.train))

    def sample(self, n, condition, generator):
        return torch.randint(LEVELS, (n, 2), generator=generator)

    def save(self, folder):
        folder.mkdir()

    def load(self, folder, device): ...


class Decoder(Base):
    """Each pixel's levels by a softmax of z and two constants."""

    stretch, more, drift = 1.0, 0.0, 0.0

    def draw_prior(self, n, generator):
        return torch.randn(n, 2, generator=generator) + self.drift

    def log_prior(self, z):
        z = z / self.stretch
        return -0.5 * z.pow(2).sum(1) - math.log(2 * math.pi * self.stretch**2)

    def _logits(self, z):
        return torch.stack([z, 0.5 - z, 0.1 * z], -1).log_softmax(-1)

    def decode(self, z):
        return (self._logits(z).exp() * torch.arange(3.0)).sum(-1) / LEVELS

    def log_observation(self, x, z):
        return self._logits(z).gather(-1, x.long()[..., None]).sum((1, 2)) + self.more

    def draw_observation(self, z, generator):
        flat = self._logits(z).exp().flatten(0, 1)
        return torch.multinomial(flat, 1, generator=generator).view(z.shape)

    def log_weights(self, x, k, generator):
        z = self.draw_prior(k * len(x), generator)
        each = x.repeat(k, 1)
        return self.log_observation(each, z).view(k, len(x))


class Tables(Base):
    """Each class's own levels, exactly."""

    logits, more = torch.tensor([[0.0, 0.3, 1.0], [1.0, 0.0, -1.0]]).log_softmax(1), 0.0

    def log_mass_given(self, x, labels):
        return self.logits[labels].gather(1, x.long()).sum(1) + self.more


class OverfullTables(Tables):
    more = 0.01


class MixedTables(Tables):
    def log_mass_given(self, x, labels):
        return super().log_mass_given(x, labels.sort().values)


class Weighted(Base):
    """The same by importance weights, which scatter about one."""

    more = 0.0

    def log_weights_given(self, x, labels, k, generator):
        u = torch.rand(k, len(x), generator=generator)
        return Tables().log_mass_given(x, labels) + (0.5 + u).log() + self.more


class OverfullWeighted(Weighted):
    more = 0.1


class MixedWeighted(Weighted):
    def log_weights_given(self, x, labels, k, generator):
        return super().log_weights_given(x, labels.sort().values, k, generator)


class Unnormalised(Decoder):
    more = 0.05


class WidePrior(Decoder):
    stretch = 1.2


class ShiftedPrior(Decoder):
    drift = 0.3


class Disagreeing(Decoder):
    def log_weights(self, x, k, generator):
        return super().log_weights(x, k, generator) + 0.2


class Detached(Decoder):
    def decode(self, z):
        return super().decode(z.detach())


class Bounding(Base):
    more = 0.0

    def bound(self, x, generator):
        noise = torch.rand(len(x), generator=generator).log() + 1
        return noise - 2 * math.log(LEVELS) + self.more


class Overstated(Bounding):
    more = 0.7


class Diffusion(Base):
    signal, more = (0.9, 0.5, 0.1), 0.0

    def alphas_cumprod(self):
        return torch.tensor(self.signal)

    def scaling(self):
        return torch.tensor(1.0), torch.tensor(1.0)

    def predict(self, x_t, t):
        return 0.5 * x_t, None

    def log_reconstruction(self, x, x_1):
        return torch.full((len(x),), -2 * math.log(LEVELS) + self.more)


class Rising(Diffusion):
    signal = (0.1, 0.5, 0.9)


class Batchy(Diffusion):
    def predict(self, x_t, t):
        return x_t - x_t.mean(0), None


class LooseEnd(Diffusion):
    more = 0.1


class Flow(Base):
    def velocity(self, x, t):
        return -x * t[:, None]

    def log_base(self, x):
        return -0.5 * x.pow(2).sum(1)


class FrozenFlow(Flow):
    @torch.no_grad()
    def velocity(self, x, t):
        return super().velocity(x, t)


class CrowdedFlow(Flow):
    def velocity(self, x, t):
        return super().velocity(x, t) - x.mean()


class GoesOn(Base):
    """Any level after what it was given."""

    def sample(self, n, condition, generator):
        x = super().sample(n, None, generator)
        return x if condition is None else torch.cat([condition, x[:, condition.shape[1] :]], 1)


class StartsAnew(GoesOn):
    def sample(self, n, condition, generator):
        return super().sample(n, None, generator)


def test_texts_that_do_not_begin_as_asked_break_the_law_of_conditions():
    data = replace(pair(), modality="text")
    law, found = "conditional_samples_answer_their_conditions", {}
    for kind in (GoesOn, StartsAnew):
        spec = ModelSpec(id="m", summary="levels", target=f"{__name__}:{kind.__name__}",
                         family="f", modalities=("text",), conditions=("prefix",))  # fmt: skip
        found[kind] = {v.law: v.outcome for v in check_model(spec, data)}[law]
    assert found == {GoesOn: "held", StartsAnew: "broken"}


DECODER = ("latent-decoder", "observation-model", "latent-variable")
WITHIN, WEIGHTED = ("class-mass",), ("class-latent-variable",)
DIFFUSION = ("gaussian-diffusion", "diffusion-decoder")


def verdicts(kind, capabilities):
    spec = ModelSpec(id="m", summary="levels", target=f"{__name__}:{kind.__name__}", family="f",
                     modalities=("points",), capabilities=capabilities)  # fmt: skip
    return {v.law: v.outcome for v in check_model(spec, pair())}


@pytest.mark.parametrize(
    ("kind", "capabilities"),
    [(Decoder, DECODER), (Bounding, ("variational-bound",)), (Diffusion, DIFFUSION),
     (Flow, ("probability-flow",)), (Tables, WITHIN), (Weighted, WEIGHTED)],
)  # fmt: skip
def test_lawful_models_break_nothing(kind, capabilities):
    assert "broken" not in verdicts(kind, capabilities).values()


@pytest.mark.parametrize(
    ("kind", "capabilities", "law"),
    [
        (Unnormalised, DECODER, "decoder_is_a_distribution"),
        (WidePrior, DECODER, "decoder_is_a_distribution"),
        (ShiftedPrior, DECODER, "decoder_is_a_distribution"),
        (Detached, DECODER, "decoder_is_a_distribution"),
        (Disagreeing, DECODER, "decoder_agrees_with_inference"),
        (Overstated, ("variational-bound",), "bound_stays_below_one"),
        (Rising, DIFFUSION, "diffusion_is_a_chain"),
        (Batchy, DIFFUSION, "diffusion_is_a_chain"),
        (LooseEnd, DIFFUSION, "diffusion_is_a_chain"),
        (FrozenFlow, ("probability-flow",), "flow_is_a_field"),
        (OverfullTables, WITHIN, "class_likelihood_sums_to_one"),
        (MixedTables, WITHIN, "labels_go_with_their_rows"),
        (OverfullWeighted, WEIGHTED, "class_likelihood_sums_to_one"),
        (MixedWeighted, WEIGHTED, "labels_go_with_their_rows"),
        (CrowdedFlow, ("probability-flow",), "flow_is_a_field"),
    ],
)
def test_each_fault_breaks_its_law(kind, capabilities, law):
    assert verdicts(kind, capabilities)[law] == "broken"
