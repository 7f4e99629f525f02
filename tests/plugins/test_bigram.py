"""The n-gram model against its formulas written out, and where counting goes wrong."""

from __future__ import annotations

import importlib.util
import itertools
import math
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
import torch

from gengauge import Budget, Dataset, FitRun, Split
from gengauge.errors import UnsupportedError, UsageError
from gengauge.registry import Registry, load_target
from gengauge_plugins.bigram import counts, ngram
from gengauge_plugins.bigram.ngram import NGram

SMOOTHINGS = ("kneser-ney", "add-k")
START = "^"


def tokens(*texts: str) -> torch.Tensor:
    return torch.tensor([["abcd".index(c) for c in text] for text in texts])


def text(x: torch.Tensor, levels: int = 4) -> Dataset:
    return Dataset("made", "text", Split(x), Split(x[:5]), Split(x[:0]), levels=levels)


def fitted(x: torch.Tensor, levels: int = 4, **parameters) -> NGram:
    model = NGram(**parameters)
    model.fit(text(x, levels), FitRun(seed=0, budget=Budget.parse("1 steps")))
    return model


def chain(n: int = 60, length: int = 8) -> torch.Tensor:
    """Windows in which d never comes, and a is followed by b mostly."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(3, (n, length), generator=generator)
    follow = torch.rand(n, length, generator=generator) < 0.6
    for t in range(1, length):
        x[:, t] = torch.where(follow[:, t], (x[:, t - 1] + 1) % 3, x[:, t])
    return x


def seed(value: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(value)


@pytest.mark.parametrize("smoothing", SMOOTHINGS)
@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_every_context_has_probabilities_that_sum_to_one(order, smoothing):
    model = fitted(chain(), order=order, smoothing=smoothing)
    every = np.array(list(itertools.product(range(4), repeat=4)))  # d is in no training text
    for contexts in (every, np.pad(every[:, :2], ((0, 0), (1, 0)), constant_values=4)):
        p = model.next_probabilities(contexts)
        assert np.allclose(p.sum(1), 1, atol=1e-12)
        assert (p > 0).all()


@pytest.mark.parametrize("smoothing", SMOOTHINGS)
@pytest.mark.parametrize("order", [1, 2, 3, 12])
def test_the_mass_is_the_product_of_the_next_probabilities(order, smoothing):
    model = fitted(chain(), order=order, smoothing=smoothing)
    x = torch.randint(4, (20, 8), generator=seed())
    y = np.pad(x.numpy(), ((0, 0), (1, 0)), constant_values=4)
    rows = np.arange(20)
    # what reaches further back than the order must not matter
    steps = [model.next_probabilities(y[:, : t + 1])[rows, x[:, t]] for t in range(8)]
    expected = np.log(np.stack(steps)).sum(0)
    assert np.allclose(model.log_mass(x), expected, atol=1e-12)


def written_out(texts: list[str], order: int, vocabulary: int) -> dict[str, float]:
    """Modified Kneser-Ney by its definition: a function from text to probability."""
    marked = [START + t for t in texts]
    counted: dict[int, Counter[str]] = {order: Counter()}
    for t in marked:
        counted[order].update(t[i : i + order] for i in range(len(t) - order + 1))
    for k in range(order - 1, 0, -1):
        before = {(gram[0], gram[1:]) for gram in counted[k + 1]}
        counted[k] = Counter(gram for _, gram in before)
        if k > 1:
            counted[k].update(t[:k] for t in marked)

    def discount(k: int, count: int) -> float:
        n = [sum(c == i for c in counted[k].values()) for i in range(1, 5)]
        if not all(n[:3]):
            return (0.5, 1.0, 1.5)[min(count, 3) - 1]
        i = min(count, 3)
        y = n[0] / (n[0] + 2 * n[1])
        return min(max(i - (i + 1) * y * n[i] / n[i - 1], 0.05), i)

    def probability(history: str, token: str) -> float:
        k = len(history) + 1
        lower = probability(history[1:], token) if history else 1 / vocabulary
        mine = {g: c for g, c in counted[k].items() if g[:-1] == history}
        if not mine:
            return lower
        total = sum(mine.values())
        here = mine.get(history + token, 0)
        kept = here - discount(k, here) if here else 0.0
        return (kept + sum(discount(k, c) for c in mine.values()) * lower) / total

    found = defaultdict(float)
    for word in map("".join, itertools.product("abcd"[:vocabulary], repeat=4)):
        whole = START + word
        terms = [probability(whole[max(0, t - order + 1) : t], whole[t]) for t in range(1, 5)]
        found[word] = math.prod(terms)
    return found


@pytest.mark.parametrize("order", [2, 3, 4])
def test_kneser_ney_is_its_definition(order):
    x = chain(40, 4)
    texts = ["".join("abcd"[i] for i in row) for row in x.tolist()]
    expected = written_out(texts, order, 4)
    assert sum(expected.values()) == pytest.approx(1, abs=1e-10)
    model = fitted(x, order=order)
    got = model.log_mass(tokens(*expected)).exp()
    assert np.allclose(got, list(expected.values()), rtol=1e-10)


def test_add_k_is_its_definition():
    model = fitted(tokens("abab", "abba"), smoothing="add-k", k=0.5, order=2)
    first = (2 + 0.5) / (2 + 4 * 0.5)
    b_after_a, b_after_b = (3 + 0.5) / (3 + 2), (1 + 0.5) / (3 + 2)
    assert model.log_mass(tokens("abb")).exp().item() == pytest.approx(
        first * b_after_a * b_after_b
    )


@pytest.mark.parametrize("order", [1, 2, 3])
def test_samples_follow_the_mass(order):
    model, n = fitted(chain(60, 3), order=order), 40_000
    words = torch.tensor(list(itertools.product(range(4), repeat=3)))
    p = model.log_mass(words).exp()
    x = model.sample(n, None, seed())
    counted = torch.bincount((x * torch.tensor([16, 4, 1])).sum(1), minlength=64)
    squares = ((counted - n * p) ** 2 / (n * p)).sum()
    assert abs(float(squares) - 63) < 5 * math.sqrt(2 * 63)


def test_temperature_sharpens_samples_and_leaves_the_mass():
    x = chain()
    cold, warm = fitted(x, temperature=1e-3), fitted(x, temperature=2.0)
    plain = fitted(x)
    assert torch.equal(cold.log_mass(x), plain.log_mass(x))
    p = torch.from_numpy(plain.next_probabilities(np.array([[0]])))
    prefix = torch.zeros(40_000, 1, dtype=torch.int64)
    assert (cold.complete(prefix, 1, seed()) == int(p.argmax())).all()
    share = torch.bincount(warm.complete(prefix, 1, seed()).flatten(), minlength=4) / len(prefix)
    expected = p.sqrt() / p.sqrt().sum()
    assert torch.allclose(share.double(), expected, atol=0.012)


def test_completions_go_on_from_their_prefix():
    model = fitted(tokens("abcabc", "bcabca", "cabcab").repeat(30, 1), order=3)
    found = model.complete(tokens("abc", "cab", "bca"), 6, seed())
    assert found[0, 0] == 0
    assert found[1, 0] == 2
    assert found[2, 0] == 1
    empty = model.complete(torch.zeros(5, 0, dtype=torch.int64), 6, seed(1))
    assert torch.equal(empty, model.sample(5, None, seed(1)))
    assert model.complete(tokens("abc")[:0], 6, seed()).shape == (0, 6)


def test_samples_begin_with_what_is_asked_and_go_on_by_the_model():
    model = fitted(chain(60, 3), order=3)
    asked = tokens("ab", "ca").repeat(20_000, 1)
    x = model.sample(len(asked), asked, seed())
    assert x.shape == (40_000, 3)
    assert torch.equal(x[:, :2], asked)
    expected = model.next_probabilities(asked[:2].numpy())
    for row in range(2):
        share = torch.bincount(x[row::2, 2], minlength=4).double() / 20_000
        assert np.allclose(share, expected[row], atol=0.015)
    assert torch.equal(model.sample(5, asked[:5, :0], seed(1)), model.sample(5, None, seed(1)))


def test_temperature_applies_to_what_comes_after_a_beginning():
    x = chain(60, 3)
    cold = fitted(x, order=2, temperature=1e-3)
    likeliest = cold.next_probabilities(np.array([[1]])).argmax()
    drawn = cold.sample(500, tokens("b").repeat(500, 1), seed())
    assert (drawn[:, 0] == 1).all()
    assert (drawn[:, 1] == likeliest).all()


@pytest.mark.parametrize(
    ("asked", "error", "said"),
    [
        (torch.tensor([0, 1]), UnsupportedError, "beginnings of text only"),
        (["a", "b"], UnsupportedError, "beginnings of text only"),
        (torch.zeros(3, 1), ValueError, "expected 2 prefixes for 2 samples, got 3"),
        (torch.zeros(2, 8), ValueError, "8 tokens leaves nothing to add to texts of 8"),
        (torch.tensor([[0], [4]]), ValueError, "knows the tokens 0 to 3, and a prefix has 0 to 4"),
    ],
)
def test_what_is_no_beginning_is_refused(asked, error, said):
    with pytest.raises(error, match=said):
        fitted(chain()).sample(2, asked, seed())


@pytest.mark.parametrize("smoothing", SMOOTHINGS)
def test_counting_in_pieces_changes_nothing(monkeypatch, smoothing):
    whole = fitted(chain(), order=4, smoothing=smoothing)
    monkeypatch.setattr(ngram, "_ROWS", 7)
    monkeypatch.setattr(counts, "_DENSE", 0)
    monkeypatch.setattr(counts, "_PENDING", 10)
    pieces = fitted(chain(), order=4, smoothing=smoothing)
    for a, b in zip(whole.levels, pieces.levels, strict=True):
        for name, value in vars(a).items():
            assert np.array_equal(value, getattr(b, name)), name


def test_drawing_in_pieces_changes_nothing(monkeypatch):
    model = fitted(chain(), order=3)
    whole = model.sample(100, None, seed())
    monkeypatch.setattr(ngram, "_DRAWN", 9)
    assert torch.equal(model.sample(100, None, seed()), whole)


@pytest.mark.parametrize(
    ("parameters", "least", "most"),
    [
        ({"order": 1}, 4.55, 4.62),
        ({"order": 2}, 3.58, 3.63),
        ({"order": 2, "smoothing": "add-k"}, 3.58, 3.63),
        ({"order": 5}, 2.35, 2.43),
        ({"order": 8}, 2.30, 2.39),
    ],
)
def test_bits_a_character_of_the_dictionary(parameters, least, most):
    spec = Registry().datasets["text/devils-dictionary"]
    data = load_target(spec.target)(spec)
    model = NGram(**parameters)
    model.fit(data.for_training(), FitRun(seed=0, budget=Budget.parse("1 steps")))
    nats = model.log_mass(data.test.x)
    assert torch.isfinite(nats).all()
    assert least < -float(nats.sum()) / (math.log(2) * data.test.x.numel()) < most


def test_one_pass_is_one_step_and_logs_a_loss():
    run = FitRun(seed=0, budget=Budget.parse("1 steps"))
    x = chain()
    model = NGram()
    model.fit(text(x), run)
    assert (run.steps, run.examples) == (1, 60)
    [point] = run.curve
    assert point["validation_loss"] == pytest.approx(-float(model.log_mass(x[:5]).mean()))


def test_text_of_one_token_is_learned():
    model = fitted(torch.zeros(50, 6, dtype=torch.int64), order=3)
    assert float(model.log_mass(tokens("aaaaaa"))) > math.log(0.5)
    assert torch.isfinite(model.log_mass(tokens("aaadaa"))).all()


def test_a_single_window_is_survived():
    model = fitted(tokens("abca"), order=3)
    assert torch.isfinite(model.log_mass(tokens("abca", "dddd"))).all()


def test_a_token_outside_the_vocabulary_has_no_mass():
    model = fitted(chain())
    assert model.log_mass(torch.tensor([[0, 4, 1], [-1, 0, 0]])).tolist() == [-math.inf] * 2


def test_wrong_text_never_trains():
    with pytest.raises(ValueError, match=r"needs training examples .* shape \[0, 8\]"):
        fitted(chain()[:0])
    with pytest.raises(ValueError, match=r"needs training examples .* shape \[60, 0\]"):
        fitted(chain()[:, :0])
    with pytest.raises(ValueError, match=r"bigram cannot be trained: .* 0 to 2, and 2 levels"):
        fitted(chain(), levels=2)
    with pytest.raises(UsageError, match="order 9 is too high for 256 tokens; at most 7"):
        fitted(chain(), levels=256, order=99)


@pytest.mark.slow
def test_a_large_file_is_counted_in_bounded_memory(tmp_path):
    source = Path(__file__).parents[2] / "benchmarks/counting.py"
    found = importlib.util.spec_from_file_location("counting", source)
    assert found is not None
    assert found.loader is not None
    benchmark = importlib.util.module_from_spec(found)
    found.loader.exec_module(benchmark)
    benchmark.write_text(tmp_path / "small.txt", 10)
    benchmark.write_text(tmp_path / "large.txt", 100)
    for order in (2, 5):
        small, large = (
            benchmark.measure(tmp_path / f"{size}.txt", order) for size in ("small", "large")
        )
        assert large["peak"] < 2  # GB
        assert large["fit"] < 20 * small["fit"] + 1  # ten times the text
