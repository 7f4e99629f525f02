"""The order samples and reference are compared in."""

import torch
from standins import evidence, normal

from gengauge.data import Dataset, Split
from gengauge_suites.fidelity.clouds import interleaved, is_stratified, points
from gengauge_suites.fidelity.frechet import measure


def labelled(train, test):
    splits = [Split(torch.zeros(len(x), 1), torch.tensor(x)) for x in (train, test)]
    return Dataset("made", "points", splits[0], splits[0], splits[1])


def test_every_stretch_has_all_classes_in_proportion():
    labels = torch.tensor([0] * 60 + [1] * 30 + [2] * 10)
    order = interleaved(labels, torch.randperm(100))
    assert sorted(order.tolist()) == list(range(100))
    for stretch in torch.split(labels[order], 20):
        assert (stretch.bincount(minlength=3) - torch.tensor([12, 6, 2])).abs().max() <= 1


def test_a_split_by_class_is_recognised():
    train = [0] * 600 + [1] * 300
    assert is_stratified(labelled(train, [0] * 201 + [1] * 99))
    assert not is_stratified(labelled(train, [0] * 220 + [1] * 80))
    assert not is_stratified(evidence().dataset)


def test_the_order_keeps_the_rows_and_is_the_same_for_every_model():
    x, y = normal(50, 2, 1), normal(60, 2, 2)
    clouds = points(evidence(samples=x, test=y))
    again = points(evidence(samples=x + 1, test=y))
    assert torch.equal(clouds.samples + 1, again.samples)
    assert torch.equal(clouds.samples.sort(0).values, x.sort(0).values)
    assert not torch.equal(clouds.samples, x)


def corrected(x, y):
    return measure(x, y).at_infinity("jackknife")[0]


def test_balanced_blocks_remove_the_bias_that_a_stratified_reference_feigns():
    """Two far classes: a balanced reference has no variance between classes, random blocks do."""
    centre = torch.tensor([[0.0, 0.0], [8.0, 0.0]], dtype=torch.float64)
    labels = torch.arange(400) % 2
    plain, balanced = [], []
    for i in range(30):
        generator = torch.Generator().manual_seed(i)
        drawn = torch.randint(2, (400,), generator=generator)
        x = centre[drawn] + normal(400, 2, 3 * i)
        y = centre[labels] + normal(400, 2, 3 * i + 1)
        order = torch.randperm(400, generator=generator)
        plain.append(corrected(x, y[order]))
        balanced.append(corrected(x, y[interleaved(labels, order)]))
    found = torch.tensor([plain, balanced])
    error = found.std(1) / 30**0.5
    assert abs(found[1].mean()) < 4 * error[1]
    assert found[0].mean() < -4 * error[0]
