"""What benchmarks/fidelity.py measures: our functions, their rivals and what both are given."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from typing import Any

N, D = 10_000, 2048


def features(n: int, d: int, dtype: str = "float32", seed: int = 0) -> tuple[Any, Any]:
    """Correlated clouds whose variances fall off, as those of networks do."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    mix = torch.randn(d, d, generator=generator) / d**0.5
    mix *= torch.arange(1, d + 1) ** -0.3
    x = 1.02 * torch.randn(n, d, generator=generator) @ mix + 0.5
    y = torch.randn(n, d, generator=generator) @ mix + 0.51
    return x.to(getattr(torch, dtype)), y.to(getattr(torch, dtype))


def known(n: int, d: int) -> tuple[Any, Any, float]:
    """Clouds of fewer examples than features whose distance is known: their axes are the same."""
    import torch

    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Any:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    axes = torch.linalg.qr(normal(d, n - 1))[0]
    ones = torch.ones(n, 1, dtype=torch.float64)
    spreads = [torch.arange(1, n, dtype=torch.float64) ** -p for p in (0.5, 0.6)]
    clouds = []
    for spread in spreads:  # orthonormal columns without a mean, so that the covariance is exact
        basis = torch.linalg.qr(torch.cat([ones, normal(n, n - 1)], 1))[0][:, 1:]
        clouds.append((n - 1) ** 0.5 * (basis * spread) @ axes.T)
    return clouds[0], clouds[1] + 0.1, float(((spreads[0] - spreads[1]) ** 2).sum() + d * 0.01)


def evidence(x: Any, y: Any, train: Any) -> Any:
    import torch

    from gengauge.data import Dataset, Split
    from gengauge.evidence import Evidence

    empty = Split(y[:0])
    data = Dataset("benchmark", "table", Split(train), empty, Split(y))
    found = Evidence(data, None, x, seed=0)  # type: ignore[arg-type]
    assert data.fingerprint
    assert torch.isfinite(found.features(Identity()).samples).all()
    found.features_of(Identity(), "train")
    return found


class Identity:
    """Features are the data."""

    id, sha256 = "identity", "0"

    def features(self, x: Any) -> Any:
        """Return x."""
        return x


def fd_ours(x: Any, y: Any) -> float:
    from gengauge_suites.fidelity.moments import distance, distance_of_few, moments

    return distance_of_few(x, y) if len(x) <= x.shape[1] else distance(*moments(x), *moments(y))


def fd_with_interval(x: Any, y: Any) -> float:
    from gengauge_suites.fidelity.frechet import measure

    found = measure(x, y)
    assert found.interval().high > found.value
    return found.value


def fd_torch_fidelity(x: Any, y: Any) -> float:
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

    one, two = (fid_features_to_statistics(z) for z in (x, y))
    return fid_statistics_to_metric(one, two, verbose=False)["frechet_inception_distance"]


def fd_scipy(x: Any, y: Any) -> float:
    import numpy as np
    import scipy.linalg

    one, two = (np.cov(z.numpy(), rowvar=False) for z in (x, y))
    root = scipy.linalg.sqrtm(one @ two).real
    shift = ((x.mean(0) - y.mean(0)) ** 2).sum()
    return float(shift) + float(np.trace(one) + np.trace(two) - 2 * np.trace(root))


def prdc_ours(found: Any) -> list[float]:
    from gengauge_suites.fidelity.neighbours import coverage, density, precision, recall

    parts = ((precision, 3), (recall, 3), (density, 5), (coverage, 5))
    return [measure(found, Identity(), k).value for measure, k in parts]


def prdc_torch_fidelity(x: Any, y: Any) -> list[float]:
    from torch_fidelity.metric_prc import prc_features_to_metric

    found = prc_features_to_metric(
        x, y, prc_neighborhood=3, prc_batch_size=10_000, save_cpu_ram=False, verbose=False
    )
    return [found["precision"], found["recall"]]


def prdc_prdc(x: Any, y: Any) -> list[float]:
    import prdc

    with redirect_stdout(sys.stderr):
        found = prdc.compute_prdc(y.numpy(), x.numpy(), nearest_k=5)
    return [float(found[name]) for name in ("precision", "recall", "density", "coverage")]


def suite(found: Any) -> list[float]:
    from gengauge_suites.fidelity.frechet import fd
    from gengauge_suites.fidelity.kernel import kid
    from gengauge_suites.memorisation.authenticity import auth_pct
    from gengauge_suites.memorisation.vendi import vendi

    scores = [measure(found, Identity()) for measure in (fd, kid, auth_pct, vendi)]
    assert all(s.interval is not None for s in scores)
    return [*(s.value for s in scores), *prdc_ours(found)]


def the_pass(x: Any, y: Any) -> float:
    from gengauge.evidence import Features
    from gengauge_suites.fidelity.passes import measured

    return float(measured(Features(x, y))[2].about_reference[5].inside.mean())


def arguments_of(kind: str, n: int, d: int, device: str) -> tuple[list[Any], float | None]:
    """What a contestant is called with, and the true value where it is known."""
    if kind == "known":
        x, y, truth = known(n, d)
        return [x, y], truth
    if kind in ("evidence", "trained"):
        x, y = (z.to(device) for z in features(n, d))
        return [evidence(x, y, y if kind == "evidence" else features(n, d, seed=1)[1])], None
    return [z.to(device) for z in features(n, d, kind)], None


def warm(arguments: list[Any], kind: str, device: str) -> list[Any]:
    """The same call on a few rows."""
    if kind in ("evidence", "trained"):
        x, y = features(300, 16)
        return [evidence(x.to(device), y.to(device), y.to(device))]
    return [z[:100, :64].clone() for z in arguments]


CONTESTANTS: dict[str, tuple[int, int, str, str]] = {
    "fd ours": (N, D, "float64", "fd_ours"),
    "fd ours with its interval": (N, D, "float64", "fd_with_interval"),
    "fd torch-fidelity": (N, D, "float64", "fd_torch_fidelity"),
    "fd scipy sqrtm": (N, D, "float64", "fd_scipy"),
    "few ours": (1000, D, "known", "fd_ours"),
    "few torch-fidelity": (1000, D, "known", "fd_torch_fidelity"),
    "prdc ours with intervals": (N, D, "evidence", "prdc_ours"),
    "prdc torch-fidelity (p, r)": (N, D, "float32", "prdc_torch_fidelity"),
    "prdc prdc": (N, D, "float32", "prdc_prdc"),
    "suite whole": (N, D, "evidence", "suite"),
    "suite with its own training set": (N, D, "trained", "suite"),
    "memory the pass at 100,000 x 512": (100_000, 512, "float32", "the_pass"),
}
