"""Discrepancies against direct sums, and their errors against simulation."""

import pytest
import torch
from standins import evidence, normal

from gengauge.evidence import Features
from gengauge_suites.fidelity import tiles
from gengauge_suites.fidelity.kernel import (
    Sums,
    cubic,
    gaussian,
    kid,
    median_distance,
    mmd,
    second_order,
    sums_of,
    unbiased_mmd,
)
from gengauge_suites.fidelity.passes import measured


class Plain:
    id, sha256 = "plain", "0"

    def features(self, x):
        return x.flatten(1).double()


def by_definition(kernel, x, y):
    """Gretton et al. 2012, eq. 3, pair by pair."""
    within = [
        sum(float(kernel(z[i : i + 1], z[j : j + 1])) for i in range(n) for j in range(n) if i != j)
        / (n * (n - 1))
        for z, n in ((x, len(x)), (y, len(y)))
    ]
    return sum(within) - 2 * float(kernel(x, y).mean())


def test_value_and_left_out_values_agree_with_the_definition():
    x, y = normal(12, 3, 1), normal(15, 3, 2) + 0.3
    value, found = sums_of(cubic, x, y).estimate()
    assert value == pytest.approx(by_definition(cubic, x, y), rel=1e-12)
    variance = 0.0
    for z, drop in ((x, lambda i: (x[torch.arange(12) != i], y)),
                    (y, lambda i: (x, y[torch.arange(15) != i]))):  # fmt: skip
        left = torch.tensor([by_definition(cubic, *drop(i)) for i in range(len(z))]).double()
        variance += float((len(z) - 1) / len(z) * ((left - left.mean()) ** 2).sum())
    assert found == pytest.approx(variance, rel=1e-6)


def test_blocks_do_not_change_the_sum():
    x, y = normal(1300, 4, 1), normal(1100, 4, 2)
    k_xx, k_yy = cubic(x, x), cubic(y, y)
    direct = (
        (k_xx.sum() - k_xx.trace()) / (1300 * 1299)
        + (k_yy.sum() - k_yy.trace()) / (1100 * 1099)
        - 2 * cubic(x, y).mean()
    )
    assert unbiased_mmd(cubic, x, y)[0] == pytest.approx(float(direct), rel=1e-9)


def test_gaussian_kernel_between_shifted_normals_has_a_closed_form():
    """E k(x, y) for N(a, I), N(b, I): (w^2 / (w^2 + 2))^(d/2) exp(-|a-b|^2 / (2 (w^2 + 2)))."""
    width, d, shift = 1.3, 2, 1.0
    factor = (width**2 / (width**2 + 2)) ** (d / 2)
    gap = d * shift**2 / (2 * (width**2 + 2))
    expected = 2 * factor * (1 - float(torch.tensor(-gap).double().exp()))
    value, error = unbiased_mmd(
        lambda a, b: gaussian(a, b, width), normal(2000, d, 1), normal(2000, d, 2) + shift
    )
    assert abs(value - expected) < 4 * error
    assert error < 0.1 * expected


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("offset", [0.0, 20.0])
def test_shared_tiles_sum_the_kernel(monkeypatch, dtype, offset):
    """Offsets make the kernel's values 1e8 times the result: they are not summed in float32."""
    x, y = normal(300, 6, 1).float() + offset, 1.1 * normal(260, 6, 2).float() + offset
    expected = sums_of(cubic, x.double(), y.double())
    monkeypatch.setattr(tiles, "SINGLE_FROM", 0 if dtype == torch.float32 else 1e12)
    monkeypatch.setitem(tiles._BLOCK, "cpu", 128)
    in_x, in_y, found = measured(Features(x, y))
    got = Sums(in_x.kernel, in_y.kernel, found.kernel_samples, found.kernel_reference)
    value, variance = got.estimate()
    rounding = 1e-4 if dtype == torch.float32 else 1e-9  # beside the standard error
    error = expected.estimate()[1] ** 0.5
    assert abs(value - expected.estimate()[0]) < rounding * error
    assert variance == pytest.approx(error**2, rel=rounding)


def test_second_order_variance_of_a_product_kernel():
    """k(a, b) = a.b of N(0, I_d): the doubly centred kernel is a.b itself, E (a.b)^2 = d."""
    n, m, d = 500, 400, 5
    found = second_order(lambda a, b: a @ b.T, normal(n, d, 1), normal(m, d, 2))
    assert found == pytest.approx(2 * d * (1 / n + 1 / m) ** 2, rel=0.1)


def test_bandwidth_comes_from_the_reference_alone():
    y = normal(200, 2, 1)
    near = mmd(evidence(samples=normal(200, 2, 2), test=y))
    far = mmd(evidence(samples=normal(200, 2, 2) + 50, test=y))
    assert near.details["bandwidth"] == far.details["bandwidth"]
    assert near.details["bandwidth"] == pytest.approx(median_distance(y))
    assert far.value > 100 * abs(near.value)


def test_reference_without_spread_is_unscored():
    assert "no bandwidth" in mmd(evidence(samples=normal(50, 2, 1), test=torch.ones(50, 2))).reason


def test_kid_tells_a_shift_from_nothing():
    y = normal(300, 5, 1)
    same = kid(evidence(samples=normal(300, 5, 2), test=y), Plain())
    assert same.interval.low < 0 < same.interval.high
    moved = kid(evidence(samples=normal(300, 5, 2) + 1, test=y), Plain())
    assert moved.interval.low > 0
