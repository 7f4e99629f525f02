"""The autoregressive model: what each value may know, drawing against scoring, exact masses."""

from __future__ import annotations

import itertools

import pytest
import torch
from scipy.stats import chisquare

from gengauge import Budget, Dataset, FitRun, Split
from gengauge.errors import UnsupportedError, UsageError
from gengauge.registry import Registry
from gengauge_plugins.autoregressive.autoregressive import Autoregressive
from gengauge_plugins.autoregressive.order import Order
from gengauge_plugins.autoregressive.outputs import Logistics, Softmax, drawn, output_of
from gengauge_plugins.autoregressive.pixelcnn import PixelCNN
from gengauge_plugins.autoregressive.transformer import Transformer

SHAPES = [((1, 5, 4), 6), ((3, 4, 3), 300), ((7,), 5), ((1, 1, 2), 5)]
KINDS = ("transformer", "pixelcnn")


def seed(value: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(value)


def network(kind: str, shape: tuple[int, ...], levels: int) -> Transformer | PixelCNN:
    """An untrained network of three classes, shaken so that nothing in it is zero."""
    order, text = Order.of(shape), len(shape) == 1
    output = Softmax(levels) if text else output_of("auto", levels, 3)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        if kind == "pixelcnn":
            made: Transformer | PixelCNN = PixelCNN(order, output, 3, 8, 3, 0.1)
        else:
            made = Transformer(order, output, 3, 16, 2, 2, 0.1, text)
        for p in made.parameters():
            p.data.add_(0.3 * torch.randn_like(p))
    return made.eval()


def pictures(n: int = 400, labels: bool = True) -> Dataset:
    """Two pixels of four levels, the second often the first's successor; labels by the first."""
    first = torch.randint(4, (n, 1), generator=seed(1))
    second = (first + torch.randint(2, (n, 1), generator=seed(2))) % 4
    x = torch.cat([first, second], 1).to(torch.uint8).view(n, 1, 1, 2)
    split = Split(x, first[:, 0] // 2 if labels else None)
    return Dataset("two", "image", split, split.first(50), split.first(0), levels=4)


def words() -> Dataset:
    x = torch.tensor([[0, 1, 2, 3, 0, 1], [3, 2, 1, 0, 3, 2]]).repeat(60, 1)
    return Dataset("words", "text", Split(x), Split(x[:10]), Split(x[:0]), levels=4)


def fitted(data: Dataset, steps: int = 60, **parameters) -> Autoregressive:
    model = Autoregressive(**{"width": 16, "layers": 1, "batch_size": 32, **parameters})
    model.fit(data, FitRun(0, Budget.parse(f"{steps} steps")))
    return model


def every(levels: int, shape: tuple[int, ...]) -> torch.Tensor:
    length = int(torch.Size(shape).numel())
    return torch.tensor(list(itertools.product(range(levels), repeat=length))).view(-1, *shape)


@pytest.mark.parametrize(("shape", "levels"), SHAPES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_value_knows_those_before_it_and_no_other(kind, shape, levels):
    net = network(kind, shape, levels)
    length = net.order.length
    x, y = torch.randint(levels, (4, length), generator=seed()), torch.tensor([0, 1, 2, 0])
    with torch.no_grad():
        h = net(x, y)
        for i in range(length):
            other = x.clone()
            other[:, i:] = (x[:, i:] + 1) % levels
            changed = net(other, y)
            assert torch.allclose(changed[:, : i + 1], h[:, : i + 1], atol=1e-5)
            if i + 1 < length:  # the next one hears of it
                assert not torch.allclose(changed[:, i + 1], h[:, i + 1], atol=1e-4)


@pytest.mark.parametrize(("shape", "levels"), SHAPES)
@pytest.mark.parametrize("kind", KINDS)
def test_one_value_at_a_time_computes_what_a_whole_pass_does(kind, shape, levels):
    net = network(kind, shape, levels)
    x = torch.randint(levels, (4, net.order.length), generator=seed())
    y = torch.tensor([0, 1, 2, 0])
    with torch.no_grad():
        cache = net.memory(4)
        steps = [net.step(x[:, :i], y, cache) for i in range(net.order.length)]
        assert torch.allclose(torch.stack(steps, 1), net(x, y), atol=2e-5)


@pytest.mark.parametrize("shape", [(1, 4, 5), (3, 4, 3), (9,)])
def test_neighbours_come_before_and_stand_near(shape):
    order = Order.of(shape)
    near = order.neighbours()
    place = torch.arange(order.length)[:, None]
    assert bool((near < place).all())
    assert bool((near >= -1).all())
    assert bool((near[0] == -1).all())
    # a value that no neighbour told of would stay unknown to attention as well
    assert bool((near[1:] == place[1:] - 1).any(1).all())
    if len(shape) == 3:
        rows = torch.arange(order.length) // order.columns
        apart = (rows[:, None] - rows[near.clamp_min(0)])[near >= 0]
        assert int(apart.max()) <= 3


@pytest.mark.parametrize(
    "given",
    [
        {}, {"kind": "pixelcnn"}, {"output": "logistics", "mixtures": 2}, {"conditional": True},
        {"kind": "pixelcnn", "conditional": True},
    ],
    ids=str,
)  # fmt: skip
def test_masses_sum_to_one_and_samples_follow_them(given):
    model = fitted(pictures(), **given)
    outcomes = every(4, (1, 1, 2))
    mass = model.log_mass(outcomes).exp()
    assert float(mass.sum()) == pytest.approx(1, abs=1e-9)
    n = 2000
    x = model.sample(n, None, seed(3)).flatten(1).long()
    counts = torch.bincount(4 * x[:, 0] + x[:, 1], minlength=16).double()
    order = mass.argsort()  # the least likely, until five are expected, count as one
    first = int((mass[order].cumsum(0) * n < 5).sum()) + 1
    seen, expected = (
        [float(v[order[:first]].sum()), *v[order[first:]].tolist()] for v in (counts, n * mass)
    )
    assert chisquare(seen, expected).pvalue > 1e-4


def test_text_sums_to_one_from_its_first_step_on():
    model = fitted(words(), steps=1)
    assert float(model.log_mass(every(4, (6,))).exp().sum()) == pytest.approx(1, abs=1e-9)


def test_text_starts_from_the_counts_of_neighbours():
    net = Transformer(Order.of((3,)), Softmax(3), 0, 8, 1, 2, 0.0, True)
    x = torch.tensor([[0, 1, 2]] * 5000)
    net.begin(x)
    assert net.pairs is not None
    p = net.pairs.detach().softmax(-1)
    assert float(p[3, 0]) > 0.99  # before the first token stands the mark
    assert float(p[0, 1]) > 0.99
    assert float(p[1, 2]) > 0.99
    assert p[2].tolist() == pytest.approx([1 / 3] * 3, abs=1e-3)  # nothing follows the last


def test_classes_are_learned_asked_for_and_told_apart():
    data = pictures()
    model = fitted(data, steps=120, conditional=True)
    asked = torch.arange(200) % 2
    x = model.sample(200, asked, seed()).flatten(1)
    assert float((x[:, 0] // 2 == asked).double().mean()) > 0.97
    posterior = model.class_probabilities(data.train.x)
    assert float((posterior.argmax(1) == data.train.labels).double().mean()) > 0.99
    outcomes = every(4, (1, 1, 2))
    within = torch.stack([model.log_mass_given(outcomes, torch.full((16,), y)) for y in (0, 1)])
    assert within.exp().sum(1).tolist() == pytest.approx([1, 1], abs=1e-9)
    frequency = torch.bincount(data.train.labels) / len(data.train)
    mixed = (within.exp() * frequency.double()[:, None]).sum(0)
    assert torch.allclose(mixed, model.log_mass(outcomes).exp(), atol=1e-9)
    with pytest.raises(UnsupportedError, match="class 2"):
        model.sample(1, torch.tensor([2]), seed())


def test_without_labels_nothing_is_said_of_classes():
    model = fitted(pictures(), steps=2)
    x = every(4, (1, 1, 2))
    for ask in (model.class_probabilities, lambda x: model.log_mass_given(x, torch.zeros(16))):
        with pytest.raises(UnsupportedError, match="conditional=true"):
            ask(x)
    with pytest.raises(UnsupportedError, match="unconditional"):
        model.sample(1, torch.tensor([0]), seed())


def test_texts_begin_as_asked_and_go_on_as_learned():
    model = fitted(words(), steps=150)
    asked = torch.tensor([[0, 1], [3, 2], [0, 1]])
    x = model.sample(3, asked, seed())
    assert torch.equal(x[:, :2], asked)
    assert x[:, 2].tolist() == [2, 1, 2]
    assert x.dtype == torch.int64


def test_levels_outside_the_alphabet_are_impossible():
    model = fitted(words(), steps=2)
    x = torch.tensor([[0, 1, 2, 3, 0, 1], [0, 1, 2, 3, 0, 4], [-1, 1, 2, 3, 0, 1]])
    assert torch.isfinite(model.log_mass(x)).tolist() == [True, False, False]


@pytest.mark.parametrize("output", ["softmax", "logistics"])
def test_a_low_temperature_draws_the_likeliest(output):
    model = fitted(pictures(), output=output)
    model.temperature = 1e-3
    x = model.sample(20, None, seed()).flatten(1).long()
    assert bool((x == x[0]).all())
    h = model.network(x[:1])
    assert int(x[0, 0]) == int(model.network.output.table(h[:, 0]).argmax())


def test_logistics_are_drawn_as_they_are_scored():
    output = Logistics(12, 3)
    h = torch.randn(1, 9, generator=seed(4))
    p = output.table(h).exp()[0]
    assert float(p.sum()) == pytest.approx(1, abs=1e-9)
    n = 20_000
    direct = torch.bincount(output.draw(h.expand(n, -1), seed(5)), minlength=12).double()
    tabled = torch.bincount(drawn(output.table(h).expand(n, -1), seed(6)), minlength=12).double()
    for counts in (direct, tabled):
        assert chisquare(counts.numpy(), (n * p / p.sum()).numpy()).pvalue > 1e-4


def test_what_cannot_be_convolved_or_split_is_refused():
    with pytest.raises(UsageError, match="pictures"):
        fitted(words(), kind="pixelcnn")
    with pytest.raises(UsageError, match="heads"):
        fitted(words(), width=10)


def test_prefixes_need_no_labels_and_classes_do():
    spec = Registry().models["autoregressive"]
    assert spec.takes({"conditional": False}) == ("prefix",)
    assert spec.takes({"conditional": True}) == ("class", "prefix")


def test_larger_pictures_are_convolved():
    def kind(shape: tuple[int, ...], text: bool = False) -> str:
        return Autoregressive().asked.chosen(Order.of(shape), text).kind

    assert kind((1, 8, 8)) == "transformer"
    assert kind((1, 28, 28)) == "pixelcnn"
    assert kind((512,), text=True) == "transformer"
