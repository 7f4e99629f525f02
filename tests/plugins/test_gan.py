"""Adversarial networks: losses and penalties in closed form, averages, projections, real data."""

import math

import pytest
import torch
import worlds
from torch import nn

from gengauge import Budget, Dataset, Evidence, FitRun, Split
from gengauge.averaging import PowerAverage
from gengauge.errors import DivergedError, UnsupportedError
from gengauge_plugins.gan import losses
from gengauge_plugins.gan.cgan import CGAN
from gengauge_plugins.gan.gan import GAN
from gengauge_plugins.gan.networks import Discriminator, discriminator
from gengauge_plugins.networks.adversarial import alternate
from gengauge_suites.likelihood.ais import ais


def stream(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=stream(seed), dtype=torch.float64)


def run(budget="30 steps", seed=0):
    return FitRun(seed, Budget.parse(budget))


def cloud(n=200, labels=None, x=None):
    x = normal(n, 2).float() if x is None else x
    split = Split(x, labels)
    return Dataset("cloud", "points", split, split, split)


class Linear(nn.Module):
    """A critic <w, x> of data of any shape."""

    def __init__(self, w):
        super().__init__()
        self.w = nn.Parameter(w)

    def forward(self, x, labels=None):
        return x.flatten(1) @ self.w


# losses


def test_the_non_saturating_losses_are_log_probabilities():
    real, fake = normal(50), normal(50, seed=1)
    d = torch.sigmoid
    expected = -(d(real).log().mean() + (1 - d(fake)).log().mean())
    assert torch.allclose(losses.discriminator_loss("non-saturating", real, fake), expected)
    assert torch.allclose(losses.generator_loss("non-saturating", fake), -d(fake).log().mean())


def test_without_a_difference_the_losses_take_their_equilibrium_values():
    zero = torch.zeros(5)
    found = [float(losses.discriminator_loss(kind, zero, zero)) for kind in losses.KINDS]
    assert found == pytest.approx([2 * math.log(2), 2.0, 0.0])


def test_the_hinge_leaves_scores_beyond_the_margin_alone():
    real, fake = torch.tensor([1.5, 9.0]).requires_grad_(), torch.tensor([-1.5, -9.0])
    loss = losses.discriminator_loss("hinge", real, fake)
    loss.backward()
    assert loss.item() == 0
    assert not real.grad.any()


@pytest.mark.parametrize("kind", ["hinge", "wgan-gp"])
def test_the_generator_of_hinge_and_wasserstein_raises_the_score(kind):
    fake = normal(7)
    assert float(losses.generator_loss(kind, fake)) == pytest.approx(-float(fake.mean()))


@pytest.mark.parametrize("shape", [(3,), (2, 3, 4)])
def test_r1_of_a_linear_discriminator_is_half_its_squared_norm(shape):
    w, x = normal(math.prod(shape)), normal(8, *shape, seed=1).requires_grad_()
    penalty = losses.r1(Linear(w)(x), x, weight=3.0)
    assert penalty.item() == pytest.approx(1.5 * float(w @ w), rel=1e-12)


def test_r1_of_a_quadratic_discriminator_is_the_mean_squared_slope():
    x = normal(40, 3).requires_grad_()
    penalty = losses.r1(0.5 * x.square().sum(1), x, weight=2.0)
    assert float(penalty.detach()) == pytest.approx(float(x.detach().square().sum(1).mean()))


def test_r1_teaches_the_discriminator():
    critic, x = Linear(torch.tensor([3.0, 4.0])), torch.zeros(6, 2, requires_grad=True)
    losses.r1(critic(x), x, weight=1.0).backward()
    assert torch.allclose(critic.w.grad, critic.w.detach())  # d/dw of |w|^2 / 2


def test_the_gradient_penalty_is_zero_for_slope_one_and_grows_with_the_distance_from_it():
    real, fake, u = normal(9, 2, 2), normal(9, 2, 2, seed=1), torch.rand(9, dtype=torch.float64)
    unit = normal(4, seed=2)
    unit = unit / unit.norm()
    for norm in (1.0, 0.5, 3.0):
        penalty = losses.gradient_penalty(Linear(norm * unit), real, fake, u, 10.0)
        assert penalty.item() == pytest.approx(10 * (norm - 1) ** 2, abs=1e-9)


def test_the_gradient_penalty_looks_between_samples_and_data():
    real, fake = torch.ones(3, 2), torch.zeros(3, 2)
    u, seen = torch.tensor([0.0, 0.25, 1.0]), []

    def critic(x):
        seen.append(x.detach())
        return x.sum(1)

    losses.gradient_penalty(critic, real, fake, u, 1.0)
    assert torch.equal(seen[0], u[:, None].expand(3, 2))


def test_a_flat_critic_has_a_penalty_with_a_finite_slope():
    critic = Linear(torch.zeros(2))
    ones, zeros = torch.ones(3, 2), torch.zeros(3, 2)
    losses.gradient_penalty(critic, ones, zeros, torch.rand(3), 1.0).backward()
    assert torch.isfinite(critic.w.grad).all()


# networks


def norms(network):
    """The largest singular value of each weight of ``network``, as outputs by inputs."""
    modules = [m for m in network.modules() if isinstance(m, nn.Linear | nn.Conv2d | nn.Embedding)]
    return [float(torch.linalg.svdvals(m.weight.detach().flatten(1))[0]) for m in modules]


@pytest.mark.parametrize("convolve", [False, True])
def test_spectral_norm_holds_every_weight_at_norm_one(convolve):
    torch.manual_seed(0)
    network = discriminator(5, (1, 8, 8), 64, convolve, spectral=True)
    x, labels = torch.randn(20, 1, 8, 8), torch.arange(20) % 5
    for parameter in network.parameters():
        parameter.data.mul_(7)
    for _ in range(200):  # each pass is a power iteration
        network(x, labels)
    assert norms(network) == pytest.approx([1.0] * len(norms(network)), abs=0.01)
    assert len(norms(network)) == 5  # and none was left out


def test_spectral_norm_keeps_up_with_training():
    torch.manual_seed(0)
    game = Pair(discriminator(0, (2,), 32, False, spectral=True))
    alternate(run("150 steps"), game, (normal(64, 2).float() + 4,))
    assert max(norms(game.discriminator)) < 1.1


def test_a_discriminator_of_norm_one_is_lipschitz():
    torch.manual_seed(0)
    network = discriminator(0, (2,), 32, False, spectral=True).double()
    x, y = 5 * normal(500, 2), 5 * normal(500, 2, seed=1)
    for _ in range(100):
        network(x)
    rise = (network(x) - network(y)).abs() / (x - y).norm(dim=1)
    assert rise.max().item() < 1.001


def test_a_label_enters_the_score_as_a_projection_of_the_features():
    torch.manual_seed(0)
    network = Discriminator(nn.Linear(3, 4), 4, classes=2)
    x, labels = torch.randn(6, 3), torch.tensor([0, 1, 1, 0, 1, 0])
    h = network.features(x)
    plain = h @ network.score.weight[0] + network.score.bias
    expected = plain + torch.stack(
        [network.direction.weight[c] @ f for c, f in zip(labels, h, strict=False)]
    )
    assert torch.allclose(network(x, labels), expected, atol=1e-6)


# average


@pytest.mark.parametrize("width", [0.05, 0.1, 0.2])
def test_the_average_has_the_width_it_says(width):
    line, n = nn.Linear(1, 1, bias=False), 2000
    first, second = PowerAverage(line, width), PowerAverage(line, width)
    for step in range(1, n + 1):
        for average, value in ((first, step / n), (second, (step / n) ** 2)):
            line.weight.data.fill_(value)
            average.update()
    mean, square = float(first.network.weight), float(second.network.weight)
    assert math.sqrt(square - mean**2) == pytest.approx(width, rel=0.01)
    gamma = first.gamma
    assert mean == pytest.approx((gamma + 1) / (gamma + 2), abs=2e-3)


def test_the_average_does_not_depend_on_how_long_training_will_last():
    line = nn.Linear(1, 1, bias=False)
    average = PowerAverage(line, 0.1)
    weights = torch.arange(1.0, 31.0)
    for step, value in enumerate(weights.tolist(), 1):
        line.weight.data.fill_(value)
        average.update()
        # Karras et al., equation 4: each step's share follows from the shares after it
        shares = torch.diff((torch.arange(step + 1) / step) ** (average.gamma + 1))
        if step == 1:
            assert float(average.network.weight) == 1.0
    kept = [1.0]
    for step in range(2, 31):
        beta = (1 - 1 / step) ** (average.gamma + 1)
        kept = [beta * k for k in kept] + [1 - beta]
    assert float(average.network.weight) == pytest.approx(
        float(torch.tensor(kept) @ weights), rel=1e-5
    )
    assert torch.allclose(torch.tensor(kept), shares, atol=1e-6)


def test_without_width_the_last_weights_are_kept():
    line = nn.Linear(1, 1)
    average = PowerAverage(line, 0.0)
    for value in (3.0, 7.0):
        line.weight.data.fill_(value)
        average.update()
    assert float(average.network.weight) == 7.0
    with pytest.raises(ValueError, match=r"width must be 0 to 0\.28, and 0\.5 came"):
        PowerAverage(line, 0.5)


# the loop


class Pair:
    """A generator of one point and any discriminator, with plain losses."""

    every = 4

    def __init__(self, opponent=None):
        self.generator = nn.Linear(1, 2)
        self.discriminator = opponent or nn.Linear(2, 1)
        self.penalised, self.trained = [], []

    def _drawn(self, n, noise):
        return self.generator(torch.randn(n, 1, generator=noise))

    def discriminate(self, batch, noise, penalised):
        if torch.is_grad_enabled():
            self.penalised.append(penalised)
        fake = self._drawn(len(batch[0]), noise).detach()
        score = self.discriminator
        return score(fake).mean() - score(batch[0]).mean(), torch.zeros(())

    def generate(self, batch, noise):
        self.trained.append([p.requires_grad for p in self.discriminator.parameters()])
        return -self.discriminator(self._drawn(len(batch[0]), noise)).mean()


def test_a_step_is_one_of_the_generator_after_its_turns_of_the_discriminator():
    game, spent = Pair(), run("5 steps")
    alternate(spent, game, (torch.randn(20, 2),), batch_size=8, turns=3)
    assert (spent.steps, spent.examples) == (5, 5 * 3 * 8)
    assert len(game.penalised) == 15
    assert [i for i, p in enumerate(game.penalised) if p] == [0, 4, 8, 12]
    assert not any(any(turn) for turn in game.trained)  # no gradient is made to be thrown away
    assert all(p.requires_grad for p in game.discriminator.parameters())


class Learner(Pair):
    """A pair that learns from data alone for a while, and notes when."""

    head_start = 0.4

    def prepare(self, batch, noise):
        self.penalised.append("alone")
        loss = self.discriminator(batch[0]).square().mean()
        return loss, self._drawn(len(batch[0]), noise).square().mean()


def test_a_head_start_takes_its_share_of_the_steps_and_moves_both():
    game, spent = Learner(), run("20 steps")
    alternate(spent, game, (torch.randn(20, 2),), batch_size=8)
    assert (spent.steps, spent.examples) == (20, 160)
    assert game.penalised[:8] == ["alone"] * 8
    assert "alone" not in game.penalised[8:]
    assert [p for p in game.penalised[8:] if p] == [True] * 3
    assert all(point["step"] > 8 for point in spent.curve)


def test_a_budget_in_examples_counts_every_turn():
    spent = run("100 examples")
    alternate(spent, Pair(), (torch.randn(20, 2),), batch_size=8, turns=2)
    assert (spent.steps, spent.examples) == (6, 96)


def test_the_curve_shows_the_opponent_on_both_splits():
    spent = run("40 steps")
    alternate(spent, Pair(), (torch.randn(20, 2),), validation=(torch.randn(9, 2),))
    assert spent.curve[-1]["step"] == 40
    assert all({"train_loss", "validation_loss", "generator_loss"} <= set(p) for p in spent.curve)


def test_losses_that_are_not_finite_end_the_training():
    with pytest.raises(DivergedError, match="the discriminator's loss was nan at step"):
        alternate(run("60 steps"), Pair(), (torch.full((20, 2), torch.nan),))


# the models


@pytest.mark.parametrize("given", [
    {}, {"loss": "hinge", "spectral_norm": True, "r1": 0.0}, {"loss": "wgan-gp"},
    {"lr_discriminator": 4e-3, "n_critic": 2, "ema": 0.0},
], ids=str)  # fmt: skip
def test_every_setting_trains_on_moons(given):
    data = worlds.load("points/moons")
    model = GAN(hidden=32, **given)
    model.fit(data.for_training(), run("120 steps"))
    x = model.sample(1000, None, stream())
    far = (x.mean(0) - data.train.x.mean(0)).abs() / data.train.x.std(0)
    assert float(far.max()) < 1.5
    assert float(x.std(0).min()) > 0.1


def test_the_generator_finds_all_eight_gaussians():
    data = worlds.load("points/eight-gaussians")
    model = GAN(hidden=64)
    model.fit(data.for_training(), run("250 steps"))
    x = model.sample(2000, None, stream()).double()
    near, which = torch.cdist(x, data.truth.means).min(1)
    assert (which[near < 0.75].bincount(minlength=8) > 20).all()


@pytest.mark.parametrize("network", ["dense", "conv"])
def test_fashion_is_learned_from_the_first_steps(network):
    data = worlds.load("fashion-mnist").limited(300)
    model = CGAN(network=network, hidden=64, latent=8)
    model.fit(data.for_training(), run("6 steps"))
    x = model.sample(20, torch.arange(20) % 10, stream())
    assert x.shape == (20, 1, 28, 28)
    assert ((x >= 0) & (x < 1)).all()
    assert x.flatten(1).std(0).mean() > 0


def test_asked_classes_come_and_unconditional_samples_have_their_frequencies():
    labels = (torch.arange(400) % 4 == 0).long() * 2  # class 1 has a number and no example
    data = cloud(x=0.3 * normal(400, 2).float() + 4 * labels[:, None], labels=labels)
    model = CGAN(hidden=32)
    model.fit(data, run("150 steps"))
    for label in (0, 2):
        drawn = model.sample(100, torch.full((100,), label), stream())
        assert float((drawn.mean(1) - 4 * label).abs().max()) < 3
    high = (model.sample(4000, None, stream()).mean(1) > 4).double().mean()
    assert float(high) == pytest.approx(0.25, abs=0.03)
    with pytest.raises(UnsupportedError, match="class 1 has no training example; there are 0, 2"):
        model.sample(1, torch.tensor([1]), stream())


def test_the_class_latent_is_part_of_one_prior():
    labels = torch.arange(300) % 3
    model = CGAN(hidden=16, latent=2)
    model.fit(cloud(300, labels), run("3 steps"))
    z = model.draw_prior(20_000, stream())
    assert z.shape == (20_000, 3)
    shares = model.network.chosen(z[:, -1]).bincount(minlength=3) / 20_000
    assert shares.tolist() == pytest.approx([1 / 3] * 3, abs=0.015)
    assert model.network.chosen(torch.tensor([-40.0, 40.0])).tolist() == [0, 2]


def test_gan_takes_no_class_and_cgan_no_data_without():
    model = GAN(hidden=8)
    model.fit(cloud(), run("2 steps"))
    with pytest.raises(UnsupportedError, match="gan is unconditional"):
        model.sample(3, torch.zeros(3, dtype=torch.int64), stream())
    with pytest.raises(ValueError, match="cgan learns from class labels, and cloud has none"):
        CGAN().fit(cloud(), run())


@pytest.mark.parametrize("family", [GAN, CGAN])
def test_annealing_bounds_the_likelihood_of_its_samples_with_noise(family):
    data = worlds.load("points/eight-gaussians").limited(400)
    model = family(hidden=32)
    model.fit(data.for_training(), run("150 steps"))
    score = ais(Evidence(data, model, data.test.x, 0), 30, 30, 2, 3)
    assert score.kind == "lower_bound"
    assert "noise" in score.details["observation"]["model"]
    # a normal distribution of the data's own width says -4.4 of the average point
    assert -8 < score.value < -data.truth.entropy


# data that is wrong, or odd


def test_what_cannot_be_learned_from_is_refused():
    for x, message in (
        (torch.zeros(1, 2), "gan needs at least 2 training examples, and cloud has 1"),
        (torch.zeros(0, 2), "gan needs training examples that hold something"),
        (torch.full((5, 2), torch.nan), "gan cannot be trained: 10 of 10"),
    ):
        with pytest.raises(ValueError, match=message):
            GAN().fit(cloud(x=x), run())


def test_a_constant_column_stays_constant():
    x = torch.cat([normal(100, 1).float(), torch.full((100, 1), 5.0)], 1)
    model = GAN(hidden=16)
    model.fit(cloud(x=x), run())
    drawn = model.sample(50, None, stream())
    assert float((drawn[:, 1] - 5).abs().max()) < 1e-3


@pytest.mark.parametrize("network", ["dense", "conv"])
def test_black_images_are_learned_as_black(network):
    black = Split(torch.zeros(40, 1, 8, 8, dtype=torch.uint8))
    model = GAN(network=network, hidden=32)
    model.fit(Dataset("black", "image", black, black, black, levels=17), run("200 steps"))
    x = model.sample(30, None, stream())
    assert float(x.mean()) < 0.15


def test_fewer_examples_than_a_batch_are_one_batch():
    spent = run("5 steps")
    GAN(hidden=8).fit(cloud(3), spent)
    assert spent.examples == 15
