"""The codebook, its critic, and the bound that a prior over codes gives."""

import math

import pytest
import torch

from gengauge import Budget, Dataset, FitRun, Split
from gengauge.errors import UnsupportedError
from gengauge_plugins.networks.codebook import Codebook
from gengauge_plugins.networks.first_stage import FirstStage
from gengauge_plugins.vq.bound import Likelihood
from gengauge_plugins.vq.critic import Critic, Refinement, adaptive_weight
from gengauge_plugins.vq.vqgan import VQGAN

SMALL = {"codebook": 24, "width": 8, "hidden": 16}
SAID = ("a dark picture", "a bright picture", "bright below", "bright above")


def halves(n=240, levels=17, size=8):
    """Pictures whose halves are dark or bright, which class and caption say."""
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(n) % 4
    x = torch.empty(n, 1, size, size, dtype=torch.int64)
    x[:, :, : size // 2] = torch.where((y == 1) | (y == 3), levels - 4, 2).view(-1, 1, 1, 1)
    x[:, :, size // 2 :] = torch.where((y == 1) | (y == 2), levels - 4, 2).view(-1, 1, 1, 1)
    x = (x + torch.randint(-2, 3, x.shape, generator=generator)).clamp(0, levels - 1)
    split = Split(x.to(torch.uint8), y, tuple(SAID[k] for k in y.tolist()))
    return Dataset("halves", "image", split, split.first(80), split.first(0), levels=levels)


def pairs():
    generator = torch.Generator().manual_seed(0)
    first = torch.randint(5, (200, 1), generator=generator)
    x = torch.cat([first, (first + 1).clamp(max=4)], 1).to(torch.uint8).view(200, 1, 1, 2)
    return Dataset("pairs", "image", *[Split(x)] * 3, levels=5)


def fitted(data=None, budget="120 steps", **parameters):
    model = VQGAN(**{**SMALL, **parameters})
    run = FitRun(1, Budget.parse(budget))
    model.fit(data or halves(), run)
    return model, run


def test_the_codebook_agrees_with_diffusers():
    from diffusers.models.autoencoders.vae import VectorQuantizer

    book = Codebook(16, 3).eval()
    peer = VectorQuantizer(16, 3, beta=0.25, legacy=False)
    peer.embedding.weight.data.copy_(book.weight.data)
    codes = torch.randn(5, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    mine, theirs = (codes.clone().requires_grad_() for _ in range(2))
    entries, extra = book.quantised(mine, torch.Generator())
    expected, loss, (_, _, indices) = peer(theirs)
    assert torch.equal(book.indices(codes).flatten(), indices)
    torch.testing.assert_close(entries, expected)
    torch.testing.assert_close(extra, loss)
    for out, far in ((entries, extra), (expected, loss)):
        (out.square().sum() + far).backward()
    torch.testing.assert_close(mine.grad, theirs.grad)
    torch.testing.assert_close(book.weight.grad, peer.embedding.weight.grad)


def test_entries_that_nothing_uses_move_to_where_codes_are():
    book = Codebook(8, 2).train()
    with torch.no_grad():
        book.weight.add_(100)  # out of reach of every code
    codes = torch.randn(10, 2, 4, 4, generator=torch.Generator().manual_seed(0))
    book.quantised(codes, torch.Generator().manual_seed(1))
    assert len(book.indices(codes).unique()) == 8
    with torch.no_grad():
        book.weight[3] = 100.0
    for _ in range(40):
        book.quantised(codes, torch.Generator().manual_seed(1))
    assert 3 in book.indices(codes)
    with torch.no_grad():
        book.weight[3] = 100.0
    book.moves = False  # against the critic, whose average would be of two places
    for _ in range(40):
        book.quantised(codes, torch.Generator().manual_seed(1))
    assert 3 not in book.indices(codes)


@pytest.mark.parametrize("convolves", [True, False])
def test_the_adaptive_weight_makes_both_pull_equally_hard(convolves):
    torch.manual_seed(0)
    stage = FirstStage((1, 8, 8), 17, "vq", width=8, network="conv" if convolves else "dense")
    critic, x = Critic(stage.shape, 8, convolves=convolves), halves().train.x[:16]
    fake = stage.planes(stage.encode(x))
    error, verdict = fake.square().mean(), -critic(fake).mean()
    weight = adaptive_weight(error, verdict, stage.last)
    sizes = [torch.autograd.grad(part, stage.last, retain_graph=True)[0].norm()
             for part in (error, weight * verdict)]  # fmt: skip
    torch.testing.assert_close(sizes[0], sizes[1], rtol=1e-4, atol=0)
    assert not weight.requires_grad


def test_the_decoder_learns_from_its_critic_and_the_critic_from_data():
    torch.manual_seed(0)
    stage = FirstStage((1, 8, 8), 17, "vq", width=8, network="conv")
    game = Refinement(stage, Critic(stage.shape, 8, convolves=True), 1.0, 1.0)
    batch, noise = (halves().train.x[:32],), torch.Generator().manual_seed(0)
    loss, penalty = game.discriminate(batch, noise, True)
    assert float(loss.detach()) > 0
    assert float(penalty.detach()) > 0
    torch.autograd.backward(loss + penalty)
    assert all(p.grad is None for p in stage.parameters())
    plain = Refinement(stage, game.discriminator, 0.0, 0.0)
    pulls = [torch.autograd.grad(g.generate(batch, noise), stage.last)[0] for g in (game, plain)]
    assert not torch.allclose(*pulls, rtol=1e-2)
    torch.testing.assert_close(plain.generate(batch, noise), stage.loss(batch[0], noise))


def test_the_bound_stays_below_the_exact_mass():
    # 24 codes of one place: what all of them add can be counted
    model, _ = fitted(pairs(), budget="150 steps")
    every = torch.cartesian_prod(torch.arange(5), torch.arange(5)).view(25, 1, 1, 2)
    codes = torch.arange(24).view(24, 1, 1)
    prior = model.likelihood.prior.log_mass(codes, None)
    with torch.no_grad():
        told = model.likelihood.observation(model.stage, model.stage.entries(codes)).double()
        parts = [model.likelihood.observation.log_mass(x.expand(24, 1, 1, 2), told) for x in every]
    joint = prior + torch.stack(parts)
    bound, exact = model.bound(every, torch.Generator()), joint.logsumexp(1)
    assert float(exact.exp().sum()) == pytest.approx(1, abs=1e-9)
    assert bool((bound <= exact + 1e-9).all())
    own = model.encode(every).flatten()
    torch.testing.assert_close(bound, joint[torch.arange(25), own], rtol=1e-5, atol=1e-5)
    held = every[:, 0, 0, 1] == (every[:, 0, 0, 0] + 1).clamp(max=4)
    assert float(exact[held].exp().sum()) > 0.7  # and it has learned something


def test_codes_are_drawn_as_they_are_scored():
    model, _ = fitted(pairs(), budget="150 steps")
    drawn = model.likelihood.prior.draw(4000, None, torch.Generator().manual_seed(0), 1.0)
    shares = torch.bincount(drawn.flatten(), minlength=24) / 4000
    expected = model.likelihood.prior.log_mass(torch.arange(24).view(24, 1, 1), None).exp()
    assert float((shares - expected).abs().max()) < 0.03


def test_one_place_at_a_time_is_the_whole_code():
    torch.manual_seed(0)
    stage = FirstStage((1, 8, 8), 17, "vq", width=4, codebook=24)
    prior = Likelihood(stage, None, 16, 1, 0.0, 0).eval().prior
    with torch.no_grad():
        prior.of_place.normal_()
        x, about = torch.randint(24, (5, 16)), torch.randn(5, 16)
        cache = prior.memory(5)
        steps = torch.stack([prior.step(x[:, :i], about, cache) for i in range(16)], 1)
        torch.testing.assert_close(steps, prior(x, about), rtol=1e-4, atol=1e-5)
        changed = x.clone()
        changed[:, 7:] = 0
        torch.testing.assert_close(prior(changed, about)[:, :8], steps[:, :8], rtol=1e-4,
                                   atol=1e-5)  # fmt: skip


def test_guidance_carries_logits_away_from_what_is_said_of_nothing():
    model, _ = fitted(condition="class", budget="300 steps", share=0.4)
    likelihood, rows = model.likelihood, torch.full((200,), 2)
    about, against = likelihood.about(rows), likelihood.about(model.conditions.nothing(rows))

    def drawn(*guidance, given=about):
        noise = torch.Generator().manual_seed(0)
        return likelihood.prior.draw(200, given, noise, 1.0, *guidance)

    assert torch.equal(drawn(1.0, against), drawn())
    assert torch.equal(drawn(0.0, against), drawn(given=against))
    with torch.no_grad():
        told = [likelihood.prior.log_mass(drawn(g, against), about).mean() for g in (0.0, 1.0, 3.0)]
        free = [likelihood.prior.log_mass(drawn(g, against), against).mean() for g in (1.0, 3.0)]
    assert told[0] < told[1]
    assert told[2] - free[1] > told[1] - free[0]


def test_entries_that_are_near_each_other_are_told_alike():
    torch.manual_seed(0)
    prior = Likelihood(FirstStage((1, 8, 8), 17, "vq", codebook=24), None, 16, 1, 0.0, 0).prior
    entries = torch.randn(24, 2)
    entries[1] = entries[0] + 0.01
    prior.begin_at(entries, torch.zeros(10, 4, 4, dtype=torch.int64))
    embedded = prior.values.view(-1, prior.symbols, prior.width)[:, :24]
    for told in (embedded[0].detach(), embedded[-1].detach(), prior.head.weight.detach()):
        far = (told[0] - told[2:]).norm(dim=1).mean()
        assert float((told[0] - told[1]).norm()) < 0.1 * float(far)
    shares = prior.shares.softmax(1)  # in every place entry 0 was seen ten times of ten
    torch.testing.assert_close(shares[:, 0], torch.full((16,), 10.5 / 22), rtol=1e-4, atol=0)


@pytest.mark.parametrize("condition", ["class", "caption"])
def test_what_is_asked_for_is_drawn(condition):
    model, _ = fitted(condition=condition, budget="300 steps", share=0.4)
    asked = torch.arange(4).repeat(10)
    given = asked if condition == "class" else tuple(SAID[k] for k in asked.tolist())
    x = model.sample(40, given, torch.Generator().manual_seed(0)).float()
    found = torch.stack([part.mean((1, 2, 3)) for part in x.chunk(2, 2)], 1) > 8
    wanted = torch.tensor([[0, 0], [1, 1], [0, 1], [1, 0]]).bool()
    assert float((found == wanted[asked]).all(1).float().mean()) > 0.85
    # nothing asked: all four, and a bound of its own
    every = model.sample(60, None, torch.Generator().manual_seed(0)).float()
    shown = torch.stack([part.mean((1, 2, 3)) for part in every.chunk(2, 2)], 1) > 8
    assert len(shown.unique(dim=0)) == 4
    bits = -model.bound(halves().validation.x, torch.Generator()) / (64 * math.log(2))
    assert float(bits.mean()) < 3.2  # five levels around one of two; uniform is 4.09


def test_what_was_not_learned_is_refused():
    model, _ = fitted(budget="4 steps")
    with pytest.raises(UnsupportedError, match="condition=None"):
        model.sample(1, torch.zeros(1, dtype=torch.int64), torch.Generator())
    captioned, _ = fitted(budget="4 steps", condition="caption")
    with pytest.raises(UnsupportedError, match="captions"):
        captioned.sample(1, torch.zeros(1, dtype=torch.int64), torch.Generator())
    with pytest.raises(ValueError, match="continuous"):
        fitted(Dataset("floats", "image", *[Split(torch.rand(20, 1, 8, 8))] * 3))


@pytest.mark.parametrize("budget", ["40 steps", "1280 examples"])
def test_the_budget_is_shared(budget):
    _, run = fitted(budget=budget)
    asked = Budget.parse(budget)
    assert 0.9 * asked.amount <= getattr(run, asked.unit) <= asked.amount
    counted = [point["step"] for point in run.curve]
    assert counted == sorted(counted)


def test_pictures_of_many_sizes_are_coded():
    for size, places in ((8, 4), (28, 7), (30, 8)):
        model, _ = fitted(halves(n=40, size=size, levels=256), budget="4 steps", network="conv")
        assert model.encode(halves(n=5, size=size).train.x).shape == (5, places, places)
        assert model.sample(2, None, torch.Generator()).shape == (2, 1, size, size)
    assert model.evaluations_per_sample == 65


def test_samples_can_be_drawn_with_their_noise():
    still, _ = fitted()
    noisy, _ = fitted(decode="sample")
    draws = [m.sample(200, None, torch.Generator().manual_seed(0)).float() for m in (still, noisy)]
    # one stream, the same codes: what differs is the noise alone, of a few levels
    spreads = [float(x.diff(dim=3).square().mean().sqrt()) for x in draws]
    assert spreads[0] < spreads[1]
    assert int(draws[1].max()) <= 16
