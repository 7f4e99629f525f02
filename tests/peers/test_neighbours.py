"""Precision, recall, density and coverage beside prdc, by their authors, on equal features."""

import pytest
from agreement import budget
from shared_features import Itself, clouds, peer
from standins import evidence

from gengauge_suites.fidelity.neighbours import coverage, density, precision, recall


@pytest.mark.parametrize("k", [3, 5])
@pytest.mark.parametrize(("n", "m", "d"), [(300, 350, 6), (250, 200, 24)])
def test_the_four_are_those_of_prdc(n, m, d, k):
    """prdc wants a distance below the radius, ours at most: equal where no two are."""
    x, y = clouds(n, m, d)
    theirs = peer("prdc").compute_prdc(y.numpy(), x.numpy(), nearest_k=k)
    found = evidence(samples=x, test=y)
    assert 0 < theirs["precision"] < 1
    assert 0 < theirs["recall"] < 1
    for metric in (precision, recall, density, coverage):
        allowed = budget(metric.__name__, "prdc")
        ours = metric(found, Itself(), k).value
        assert ours == pytest.approx(theirs[metric.__name__], **allowed), metric.__name__
