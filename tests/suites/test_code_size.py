"""The size of a code where it is known, and what its rounding costs."""

import math
from dataclasses import replace

import pytest
import torch
from standins import StandIn, evidence, normal

from gengauge.errors import DivergedError
from gengauge_suites.utility.codes import code_lengths, code_size

LEVELS = 16


class Keeps(StandIn):
    """Its code is the data itself, integers of an alphabet or floats."""

    def __init__(self, alphabet=None):
        self.alphabet = alphabet

    def encode(self, x):
        return x.long() if self.alphabet else x.double()

    def decode_codes(self, codes):
        return codes.view(-1, *self.shape) if self.alphabet is None else codes.to(torch.uint8)


class Rounds(Keeps):
    """Floats that stand for levels: halfway between two cells of a grid they come back right."""

    def decode_codes(self, codes):
        return codes.round().clamp(0, LEVELS - 1).to(torch.uint8).view(-1, *self.shape)


def scored(model, x, train=None, bits=8, levels=LEVELS):
    train = x if train is None else train
    model.shape = x.shape[1:]
    return code_size(evidence(model, test=x, train=train, levels=levels), bits)


def even(copies=4, side=3):
    """Images in which every pixel has every level equally often."""
    rolled = [torch.arange(LEVELS).roll(i) for i in range(side * side)]
    return torch.stack(rolled, 1).repeat(copies, 1).view(-1, 1, side, side).to(torch.uint8)


def test_the_data_itself_takes_the_logarithm_of_its_levels():
    score = scored(Keeps(LEVELS), even())
    assert score.value == pytest.approx(math.log2(LEVELS), abs=1e-12)
    assert score.details == {"fixed_length": 4.0, "data": 4.0, "numbers": 9}
    assert (score.kind, score.interval.standard_error) == ("exact", pytest.approx(0, abs=1e-12))
    assert len(score.per_example) == score.n_reference == 64


def test_floats_on_a_grid_as_fine_as_the_levels_take_the_same_and_lose_nothing():
    score = scored(Rounds(), even(), bits=4)
    assert score.value == pytest.approx(math.log2(LEVELS), abs=1e-12)
    assert score.details["mse_of_floats"] == 0
    at = {row["bits"]: row for row in score.details["rates"]}
    assert (at[4]["mse"], at[4]["size"]) == (0, pytest.approx(4))
    assert at[2]["size"] == pytest.approx(2)
    assert at[2]["mse"] > 1


def test_codes_come_back_in_the_shape_they_were_given():
    class Places(Keeps):
        def decode_codes(self, codes):
            return torch.nn.functional.avg_pool2d(codes, 1).to(torch.uint8)

    assert scored(Places(), even()).details["mse_of_floats"] == 0


def test_rounding_costs_a_twelfth_of_the_squared_step():
    x = torch.rand(4000, 3, generator=torch.Generator().manual_seed(0)).double()
    rates = scored(Keeps(), x, levels=None).details["rates"]
    for row in rates:
        assert row["mse"] == pytest.approx(4.0 ** -row["bits"] / 12, rel=0.05)
    assert [row["bits"] for row in rates] == [8, 4, 2]


def test_half_the_numbers_are_half_the_size():
    class First(Keeps):
        def encode(self, x):
            return super().encode(x.flatten(1)[:, : x[0].numel() // 3])

    assert scored(First(LEVELS), even()).value == pytest.approx(math.log2(LEVELS) / 3, abs=1e-12)


def test_a_number_that_never_changes_takes_nearly_nothing():
    seen = torch.zeros(10_000, 1, dtype=torch.int64)
    [length] = code_lengths(seen[:1], seen, 2)
    assert float(length) == pytest.approx(-math.log2(10_000.5 / 10_001), abs=1e-12)
    x = torch.zeros(400, 3).double()
    x[:, 0] = normal(400, 1, 0)[:, 0]
    alone, beside = scored(Keeps(), x[:, :1], levels=None), scored(Keeps(), x, levels=None)
    assert beside.value * 3 == pytest.approx(alone.value, abs=2 * 0.5)


def test_symbols_that_training_never_had_cost_what_the_prior_left_them():
    counted = torch.zeros(7, 1, dtype=torch.int64)
    lengths = code_lengths(torch.tensor([[0], [3]]), counted, 4)
    assert lengths.tolist() == pytest.approx([-math.log2(7.5 / 9), -math.log2(0.5 / 9)])


def test_the_length_is_the_entropy_and_what_the_tables_do_not_know_yet():
    share = torch.tensor([0.5, 0.25, 0.125, 0.125])
    generator = torch.Generator().manual_seed(0)
    train, test = torch.multinomial(share, 40_000, True, generator=generator).view(2, -1, 1)
    score = scored(Keeps(4), test, train, levels=None)
    assert score.interval.low < 1.75 < score.interval.high
    few = torch.stack([code_lengths(test, some, 4).mean() for some in train.split(20)])
    assert 1.75 + 0.05 < float(few.mean()) < 1.75 + 0.15  # 3 / (2 * 20 ln 2) = 0.11 at most


def test_values_beyond_the_training_range_are_cut_to_it_and_the_error_tells():
    x = normal(500, 2, 1)
    score = scored(Keeps(), 3 * x, x, levels=None)
    assert math.isfinite(score.value)
    assert score.details["rates"][0]["mse"] > 0.1 > score.details["mse_of_floats"]


def test_what_has_no_size_says_why():
    x = even()
    assert code_size(evidence(test=x, levels=LEVELS), 8).reason == "does not encode"
    assert "got 1" in scored(Keeps(LEVELS), x, x[:1]).reason
    assert "got 1" in scored(Keeps(LEVELS), x[:1], x).reason
    with pytest.raises(ValueError, match="expected codes 0 to 7, got 0 to 15"):
        scored(Keeps(8), x)
    with pytest.raises(ValueError, match="state the number of values of integer codes"):
        scored(_lying(), x)
    with pytest.raises(ValueError, match="at most 16 bits, got 17"):
        scored(Keeps(), x, bits=17)


def _lying():
    model = Keeps(LEVELS)
    model.encode = lambda x: x.double()
    return model


def test_codes_that_are_not_finite_are_a_divergence_and_a_missing_one_is_an_error():
    x = normal(50, 2, 0)
    model = Keeps()
    model.encode = lambda x: x.double().log()
    with pytest.raises(DivergedError, match="are not finite"):
        scored(model, x, levels=None)
    short = Keeps()
    short.encode = lambda x: x[:-1].double()
    with pytest.raises(ValueError, match="encode returned 49 codes of 50"):
        scored(short, x, levels=None)


def test_integer_codes_on_digits_cost_what_independent_pixels_do():
    """The identity beside naive-bayes without classes, which is 2.43 bits a value here."""
    import worlds

    data = worlds.load("digits")
    found = evidence(Keeps(17), test=data.test.x, levels=17)
    score = code_size(replace(found, dataset=data), 8)
    assert score.value == pytest.approx(2.43, abs=0.03)
