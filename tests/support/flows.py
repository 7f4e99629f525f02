"""Small fitted flows, and the determinants that their likelihoods must count."""

import math

import torch
from torch.autograd.functional import jacobian

from gengauge import Budget, Dataset, FitRun, Split
from gengauge_plugins.flow.flow import Flow
from gengauge_plugins.flow.network import Network


def fitted(kind: str, levels: int | None, **given: object) -> Flow:
    generator = torch.Generator().manual_seed(0)
    shape = (1, 4, 4) if kind == "glow" else (4,)
    x = torch.randn(400, *shape, generator=generator) * 2 + 3
    if levels is not None:
        x = torch.randint(levels, (400, *shape), generator=generator).to(torch.uint8)
    labels = torch.arange(400) % 3
    parts = [Split(x[s], labels[s]) for s in map(slice, (0, 300, 350), (300, 350, 400))]
    data = Dataset("x", "image" if kind == "glow" else "points", *parts, levels)
    model = Flow(kind=kind, transforms=3, hidden=16, bins=4, steps=2, width=8, batch_size=64,
                 **given)  # type: ignore[arg-type]  # fmt: skip
    model.fit(data, FitRun(seed=0, budget=Budget.parse("20 steps")))
    return model


def inside(flow: Flow, n: int = 4) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    u = torch.rand(n, math.prod(flow.shape), generator=generator, dtype=torch.float64)
    return 0.02 + 0.96 * u if flow.levels else 3 + 2 * (u - 0.5)


def slope(network: Network, one: torch.Tensor, labels: torch.Tensor | None = None) -> float:
    matrix = jacobian(lambda v: network(v[None], labels)[0], one)
    return float(torch.linalg.slogdet(matrix).logabsdet)


def exact(flow: Flow) -> Network:
    """The same network in float64, in which the identities hold to rounding."""
    double = flow._restored({
        "shape": flow.shape, "levels": flow.levels,
        "classes": flow.classes.described() if flow.classes else None,
    })  # fmt: skip
    double.load_state_dict(flow.network.state_dict())
    return double.double().eval().requires_grad_(False)
