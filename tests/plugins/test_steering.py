"""The search for codes: where it begins, and why it moves logits and no codes."""

from types import SimpleNamespace

import torch

from gengauge_plugins.vq.starts import Starts, counted
from gengauge_plugins.vq.steering import Steering

SCAPES, PLACES, ENTRIES, CHANNELS, WAVES = 200, 6, 24, 3, 16
STEPS, RATE = 60, 0.2


class Landscapes:
    """Many decoders, each with a guide that wants its picture bright: waves of all codes together.

    What is good at one place depends on the others, so that nothing is found place by place; and
    between and beyond the codebook's entries waves go on, where no picture is.
    """

    def __init__(self):
        stream = torch.Generator().manual_seed(0)
        self.codebook = SimpleNamespace(weight=torch.randn(ENTRIES, CHANNELS, generator=stream))
        self.slopes = torch.randn(SCAPES, WAVES, CHANNELS * PLACES, generator=stream) / 2
        self.shifts = 6 * torch.rand(SCAPES, WAVES, generator=stream)
        self.start = torch.randint(ENTRIES, (SCAPES, 1, PLACES), generator=stream)
        self.shares = torch.zeros(ENTRIES, 1, PLACES)

    def planes(self, codes):
        return (torch.einsum("nc,nwc->nw", codes.flatten(1), self.slopes) + self.shifts).sin()

    def entries(self, indices):
        return torch.nn.functional.embedding(indices, self.codebook.weight).movedim(-1, 1)

    def seen(self, unit, moves):
        return (2 * unit - 1).mean(1, keepdim=True)

    def best(self, stage, guide, meant, seeds):
        return self.start

    def worth(self, indices):
        return self.planes(self.entries(indices)).mean(1).double()


def by_logits(scapes):
    meant, seeds = torch.ones(SCAPES, 1), [0] * SCAPES
    return Steering(STEPS, RATE, 1, 0.0).found(scapes, scapes, scapes, meant, seeds)


def straight_through(scapes):
    """Codes that move themselves, seen rounded, with the gradient of what they are rounded to."""
    codes = scapes.entries(scapes.start).clone().requires_grad_()
    adam = torch.optim.Adam([codes], lr=RATE, betas=(0.9, 0.99))

    def rounded():
        return torch.cdist(codes.detach().movedim(1, -1), scapes.codebook.weight).argmin(-1)

    for _ in range(STEPS):
        seen = scapes.planes(codes + (scapes.entries(rounded()) - codes).detach())
        [codes.grad] = torch.autograd.grad(-seen.mean(1).sum(), codes)
        adam.step()
    return rounded()


def test_logits_find_better_entries_than_codes_rounded_straight_through():
    """Both end at entries, and are worth what those are worth: no mixture is counted."""
    scapes = Landscapes()
    begun, logits, codes = (
        scapes.worth(found) for found in (scapes.start, by_logits(scapes), straight_through(scapes))
    )
    assert float(codes.mean()) > float(begun.mean()) + 0.2  # the other way is none that fails
    gain = logits - codes
    assert float(gain.mean()) > 3 * float(gain.std()) / SCAPES**0.5


def seen_as(*directions):
    """Return a stage of no pictures, and a guide that sees candidates in ``directions``."""
    stage = SimpleNamespace(entries=lambda k: k[:, None].float(), planes=lambda codes: codes)
    told = torch.tensor(directions)
    return stage, SimpleNamespace(seen=lambda unit, moves: told[: len(unit)])


def test_the_search_begins_at_the_candidate_that_the_guide_likes():
    stage, guide = seen_as(*[[0.0, 1.0]] * 20, *[[1.0, 0.0]] * 20)
    starts = Starts(torch.arange(40).view(40, 1, 1), torch.zeros(40, 1, 1))
    meant = torch.tensor([[0.0, 1.0], [1.0, 0.0]] * 30)
    found = starts.best(stage, guide, meant, list(range(60))).flatten()
    assert found.dtype == torch.int64
    assert bool((found[::2] < 20).all())
    assert bool((found[1::2] >= 20).all())
    # a part of all is looked at, by each seed another: samples of one caption differ
    assert len(found[::2].unique()) > 3
    alone = starts.best(stage, guide, meant[7:8], [7]).flatten()
    assert int(alone) == int(found[7])


def test_one_candidate_is_enough():
    stage, guide = seen_as([1.0, 0.0])
    starts = Starts(torch.zeros(1, 2, 2).int(), torch.zeros(1, 2, 2))
    found = starts.best(stage, guide, torch.tensor([[1.0, 0.0]] * 20), list(range(20)))
    assert torch.equal(found, torch.zeros(20, 2, 2, dtype=torch.int64))


def test_shares_are_counted_with_half_an_example_of_all():
    codes = torch.tensor([[[0, 1]], [[0, 2]], [[0, 2]]])
    expected = torch.tensor([[3.5, 0.5], [0.5, 1.5], [0.5, 2.5]]).view(3, 1, 2) / 4.5
    torch.testing.assert_close(counted(codes, 3).exp(), expected)
