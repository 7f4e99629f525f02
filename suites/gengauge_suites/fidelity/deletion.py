"""Variances of neighbour counts: what the points themselves vary, and what moving balls add.

Given the centres, points fall inside or not independently: that part of the variance is a mean's.
The other part is how the share of points inside varies with the centres. It is the sum over
centres of the squared change on leaving that one out (the jackknife), which counting alone tells:
its ball goes, and the balls that had it among their k neighbours grow to the (k+1)-th. A change
seen on finitely many points carries their noise, which a plain jackknife takes for variance of
the balls (its intervals are up to twice too wide); the sum over pairs of different points has
none of it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gengauge_suites.fidelity.balls import SUBSET, TIE, Balls
from gengauge_suites.fidelity.tiles import squared_distances


def of_share(balls: Balls) -> float:
    """Return the variance of the share of points that lie in any ball (precision, recall)."""
    inside = balls.inside > 0
    n, p = len(inside), float(inside.double().mean())
    seen = min(SUBSET, n)
    events = _changes(balls)
    change = torch.zeros(len(balls.centres), dtype=torch.float64, device=events.device)
    change.index_add_(0, events[:, 0], events[:, 1].double())
    moved = _between_pairs(change, float(len(events)), seen)
    return p * (1 - p) / (n - 1) + moved


def _between_pairs(change: Tensor, own: float, n: int) -> float:
    """Return the sum of squared mean changes ``[m]`` less what each point adds to its own square.

    ``change`` is summed over n points; ``own`` is the sum of all their squared changes.
    """
    spread = float(((change - change.mean()) ** 2).sum())
    return max(0.0, spread - own) / (n * (n - 1))


def _changes(balls: Balls) -> Tensor:
    """Return ``[e, 2]`` (centre, +1 or -1): a point enters or leaves if that centre is left out."""
    pairs, m = balls.pairs(), len(balls.centres)
    point, centre = pairs[:, 0], pairs[:, 1]
    alone = balls.inside[point] == 1
    gap = squared_distances(balls.points.given, point, balls.centres.given, centre)
    shell = gap > balls.radius[centre] * TIE
    sole = alone & ~shell
    growing = balls.known.index[centre, : balls.k]  # leaving out any of these lets the ball grow
    reached = (point[:, None] * m + growing)[shell]
    gained = torch.unique(reached[(balls.inside[point] == 0)[shell]])
    lost = (point * m + centre)[sole]
    lost = lost[~torch.isin(lost, reached)]
    signs = torch.cat([torch.ones_like(gained), -torch.ones_like(lost)])
    return torch.stack([torch.cat([gained, lost]) % m, signs], 1)


def of_mean(balls: Balls) -> float:
    """Return the variance of the mean number of balls about a point, over k (density)."""
    n, k = len(balls.points), balls.k
    shell = balls.held_next - balls.held
    grown = torch.zeros_like(shell)
    growing = balls.known.index[:, :k]
    grown.index_add_(0, growing.flatten(), shell.repeat_interleave(k))
    moved = _between_pairs(grown - balls.held, float((grown + balls.held).sum()), n)
    return float((balls.inside / k).var()) / n + moved / k**2


def of_coverage(balls: Balls, closest: Tensor, owner: Tensor) -> float:
    """Return the variance of the share of balls that hold a point.

    ``closest``, ``owner`` ``[m]``: squared distance over d to the nearest point, and which it is.
    The roles turn here: the mean is over centres, whose balls depend on their neighbours, and it
    is the points that are left out.
    """
    held = (balls.held > 0).double()
    n, m = len(balls.points), len(held)
    gains = (balls.held == 0) & (closest <= balls.radius_next)
    grown = torch.zeros_like(held)
    growing = balls.known.index[gains, : balls.k].flatten()
    grown.index_add_(0, growing, torch.ones_like(growing, dtype=torch.float64))
    own = held - held.mean()
    of_centres = float(((own - grown + grown.mean()) ** 2).sum() - grown.sum()) / m**2
    sole = torch.bincount(owner[balls.held == 1], minlength=n).double()
    of_points = _between_pairs(sole, float(sole.sum()), m)
    floor = float((own**2).sum()) / (2 * m**2)
    return max(of_centres, floor) + of_points
