"""Distances of points and tables beside scipy, POT and scikit-learn."""

import math

import numpy as np
import ot
import pytest
import scipy.stats
import torch
from agreement import budget
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist, pdist
from sklearn.metrics.pairwise import euclidean_distances, rbf_kernel
from sklearn.neighbors import KNeighborsClassifier
from standins import evidence, normal

from gengauge_suites.fidelity.classifier import c2st
from gengauge_suites.fidelity.clouds import points
from gengauge_suites.fidelity.energy import energy_distance
from gengauge_suites.fidelity.kernel import mmd
from gengauge_suites.fidelity.transport import sliced_w2, w2


def between(n, m, d):
    """Evidence of samples that are a little too wide and off, and both clouds as ours are cut."""
    found = evidence(samples=1.3 * normal(n, d, 1) + 0.2, test=normal(m, d, 2))
    ordered = points(found)
    return found, ordered.samples.numpy(), ordered.reference.numpy()


def others(kernel):
    """The mean of a table over pairs of different points."""
    n = len(kernel)
    return (kernel.sum() - np.trace(kernel)) / (n * (n - 1))


def test_w2_is_the_cheapest_assignment_of_scipy():
    found, x, y = between(300, 310, 3)
    values = []
    for i in (0, 150):
        cost = cdist(x[i : i + 150], y[i : i + 150], "sqeuclidean")
        values.append(math.sqrt(cost[linear_sum_assignment(cost)].mean()))
    allowed = budget("w2", "scipy, linear_sum_assignment")
    assert w2(found, pairs=2, size=150).value == pytest.approx(np.mean(values), **allowed)


def test_sliced_w2_is_that_of_pot_on_the_same_directions():
    found, x, y = between(400, 450, 3)
    lines = torch.randn(3, 50, generator=found.generator("sliced_w2"), dtype=torch.float64).numpy()
    lines /= np.linalg.norm(lines, axis=0)
    theirs = ot.sliced_wasserstein_distance(x, y[:400], projections=lines)
    allowed = budget("sliced_w2", "POT")
    assert sliced_w2(found, projections=50).value == pytest.approx(float(theirs), **allowed)


def test_energy_distance_is_that_of_scipy_in_one_dimension():
    """scipy gives the root, and pairs each point with itself too."""
    found, x, y = between(300, 250, 1)
    theirs = scipy.stats.energy_distance(x[:, 0], y[:, 0]) ** 2
    theirs -= pdist(x).mean() / 300 + pdist(y).mean() / 250
    allowed = budget("energy_distance", "scipy, one dimension")
    assert energy_distance(found).value == pytest.approx(float(theirs), **allowed)


def test_energy_distance_is_the_formula_on_scikit_learns_distances():
    found, x, y = between(300, 250, 4)
    across = euclidean_distances(x, y).mean()
    theirs = 2 * across - others(euclidean_distances(x)) - others(euclidean_distances(y))
    allowed = budget("energy_distance", "scikit-learn, distances")
    assert energy_distance(found).value == pytest.approx(float(theirs), **allowed)


def test_mmd_is_the_formula_on_scikit_learns_kernel():
    found, x, y = between(300, 250, 4)  # an odd number of pairs: one median
    gamma = 1 / (2 * np.median(pdist(y)) ** 2)
    tables = rbf_kernel(x, x, gamma), rbf_kernel(y, y, gamma), rbf_kernel(x, y, gamma)
    theirs = others(tables[0]) + others(tables[1]) - 2 * tables[2].mean()
    allowed = budget("mmd", "scikit-learn, rbf_kernel")
    assert mmd(found).value == pytest.approx(float(theirs), **allowed)


def test_c2st_is_scikit_learns_nearest_neighbours():
    found, x, y = between(250, 250, 2)
    judge = KNeighborsClassifier(15)  # the root of 250; odd, so that no vote is a tie
    labels = np.repeat([1, 0], 125)
    judge.fit(np.concatenate([x[:125], y[:125]]), labels)
    theirs = judge.score(np.concatenate([x[125:], y[125:]]), labels)
    assert 0.5 < theirs < 0.8
    assert c2st(found).value == pytest.approx(theirs, **budget("c2st", "scikit-learn"))
