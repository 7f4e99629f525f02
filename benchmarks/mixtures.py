"""What EM of a Gaussian mixture costs: beside scikit-learn, and on a million points in 4 GB.

Each row of the first part is one process with one thread, in which both engines take turns from
one start; processor seconds of a sweep count, the fastest of three. scikit-learn ends a fit with
half a sweep of its own, which is not counted against it. The second part trains the plugin on
1,000,000 x 64 points with 64 full covariances and reads the peak of its resident set: dataset,
torch's 250 MB and the choice of regularisation included.

    python benchmarks/mixtures.py [--examples 100000] [--sweeps 5] [--parts ratios,memory]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time

_D, _K, _LIMIT = 64, 64, 4e9
_KINDS = ("full", "tied", "diag", "spherical")


def ratios(kind: str, examples: int) -> dict[str, float]:
    """Return processor seconds of a sweep of either engine, and how far they are apart."""
    import torch

    from gengauge_plugins.mixture import em

    em._TOLERANCE = 0.0  # neither may stop early
    generator = torch.Generator().manual_seed(0)
    centres = torch.randn(_K, _D, generator=generator, dtype=torch.float64)
    which = torch.randint(_K, (examples,), generator=generator)
    z = centres[which] + torch.randn(examples, _D, generator=generator, dtype=torch.float64)
    z = (z - z.mean(0)) / z.std(0)
    some = z[:20_000]
    begun = em.start(some, em.clusters(some, _K, seed=0), kind, 1e-3)
    engines = {"sklearn": em.ScikitLearn, "torch": em.Blocks}
    running = {name: build(z, begun, kind, 1e-3) for name, build in engines.items()}
    best = dict.fromkeys(engines, float("inf"))
    for _ in range(3):
        for name, engine in running.items():
            started = time.process_time()
            engine.advance(1)
            best[name] = min(best[name], time.process_time() - started)
    started = time.process_time()
    running["sklearn"].estimator.score_samples(z.numpy())  # the half sweep
    best["sklearn"] -= time.process_time() - started
    pairs = [(getattr(e.mixture, n) for e in running.values()) for n in ("means", "covariances")]
    apart = max(float(((a - b).abs() / b.abs().max()).max()) for a, b in pairs)
    return {**best, "apart": apart}


def memory(examples: int, sweeps: int) -> dict[str, float]:
    """Return peak bytes and processor seconds of a fit, and nats above the truth's entropy."""
    import torch

    from gengauge import Budget, Dataset, FitRun, Split
    from gengauge.provenance import peak_host_memory
    from gengauge_plugins.mixture.gmm import GaussianMixture

    generator = torch.Generator().manual_seed(0)
    centres = 0.6 * torch.randn(_K, _D, generator=generator)  # near enough to overlap
    x = torch.randn(examples + 10_000, _D, generator=generator)
    x += centres[torch.arange(len(x)) % _K]
    data = Dataset("made", "points", Split(x[:examples]), Split(x[examples:]), Split(x[:1]))
    before = peak_host_memory()
    model, run = GaussianMixture(components=_K), FitRun(0, Budget.parse(f"{sweeps} steps"))
    started = time.process_time()
    model.fit(data, run)
    seconds = time.process_time() - started
    peers = torch.distributions.Normal(centres, 1.0)
    held_out = data.validation.x[:2000]
    joint = torch.stack([peers.log_prob(v).sum(1) for v in held_out]).logsumexp(1)
    truth = float(joint.mean()) - float(torch.tensor(_K).log())
    excess = truth - float(model.log_prob(held_out).mean())
    peak = float(peak_host_memory())
    return {"before": before, "peak": peak, "seconds": seconds, "steps": run.steps,
            "excess": excess}  # fmt: skip


def child(*words: str) -> dict[str, float]:
    """Return what this script found in a fresh process with one thread."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    command = [sys.executable, __file__, *words]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env={**os.environ, **threads}
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--examples", type=int, default=100_000)
    parser.add_argument("--sweeps", type=int, default=5)
    parser.add_argument("--parts", default="ratios,memory")
    parser.add_argument("--child", default="")
    options = parser.parse_args()
    if options.child:
        large = options.child == "memory"
        found = (
            memory(1_000_000, options.sweeps) if large else ratios(options.child, options.examples)
        )
        print(json.dumps(found))
        return
    if "ratios" in options.parts:
        print(f"{options.examples:,} x {_D}, {_K} components, seconds of a sweep on one thread")
        for kind in _KINDS:
            m = child("--child", kind, "--examples", str(options.examples))
            print(
                f"  {kind:10s} scikit-learn {m['sklearn']:6.2f}  torch {m['torch']:6.2f}  "
                f"ratio {m['sklearn'] / m['torch']:5.1f}  apart {m['apart']:.0e}"
            )
    if "memory" in options.parts:
        m = child("--child", "memory", "--sweeps", str(options.sweeps))
        verdict = "PASS" if m["peak"] < _LIMIT else "FAIL"
        print(
            f"1,000,000 x {_D}, {_K} full covariances, {m['steps']:.0f} sweeps: peak "
            f"{m['peak'] / 1e9:.2f} GB ({m['before'] / 1e9:.2f} before the fit), "
            f"{m['seconds']:.0f} s, {m['excess']:.3f} nats worse than the truth: {verdict}"
        )


if __name__ == "__main__":
    main()
