"""Metrics on tables do not depend on the units in which a column was written down."""

from dataclasses import replace

import pytest
import torch
from standins import StandIn, normal

from gengauge import Dataset, Evidence, Split
from gengauge.units import comparable
from gengauge_suites.alignment.cas import cas
from gengauge_suites.fidelity.classifier import c2st
from gengauge_suites.fidelity.energy import energy_distance
from gengauge_suites.fidelity.kernel import mmd
from gengauge_suites.fidelity.transport import sliced_w2, w2
from gengauge_suites.utility.restoration import reconstruction_mse

UNITS = torch.tensor([1.0, 1e4, 1e-4, 1.0], dtype=torch.float64)
METRICS = {
    "w2": lambda e: w2(e, 4, 20),
    "sliced_w2": lambda e: sliced_w2(e, 16),
    "mmd": mmd,
    "energy_distance": energy_distance,
    "c2st": c2st,
    "cas": lambda e: cas(e, 200, 4),
    "reconstruction_mse": reconstruction_mse,
}


class Wide(StandIn):
    """Normal about the class's number, 1.3 times too wide; reconstructs with a shift."""

    def __init__(self, units):
        self.units = units

    def sample(self, n, condition, generator):
        x = 1.3 * torch.randn(n, 4, generator=generator, dtype=torch.float64)
        return self.units * (x if condition is None else x + 2 * condition[:, None])

    def reconstruct(self, x):
        return x + 0.1 * self.units


def gathered(modality: str, units: torch.Tensor) -> Evidence:
    labels = torch.arange(200) % 2
    real = units * (normal(200, 4, 1) + 2 * labels[:, None])
    parts = [Split(real[i::3], labels[i::3]) for i in range(3)]
    data = Dataset("made", modality, *parts)
    samples = units * (1.3 * normal(66, 4, 2) + 1)
    return Evidence(data, Wide(units), samples, seed=0, conditions=("class",))


@pytest.mark.parametrize("name", METRICS)
def test_the_unit_of_a_column_counts_for_points_and_not_in_a_table(name):
    plain, rescaled = (METRICS[name](gathered("table", u)).value for u in (UNITS**0, UNITS))
    assert plain == pytest.approx(rescaled, rel=1e-9)
    plain, rescaled = (METRICS[name](gathered("points", u)).value for u in (UNITS**0, UNITS))
    assert plain != pytest.approx(rescaled, rel=1e-3)


def test_columns_are_measured_in_deviations_of_the_test_split():
    found = gathered("table", UNITS)
    scaled = comparable(found.dataset.test.x, found.dataset)
    assert torch.allclose(scaled.std(0, correction=0), torch.ones(4).double())
    assert comparable(found.dataset.train.x, found.dataset).shape == (67, 4)
    constant = found.dataset.test.x.clone()
    constant[:, 2] = 7.0
    still = replace(found.dataset, test=Split(constant))
    assert comparable(constant, still)[:, 2].unique().tolist() == [7.0]
