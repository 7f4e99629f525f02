"""The harness's own cost on a training loop, as a ratio within one run.

Both sides train the same variational autoencoder on digits from the same weights, for the same
number of steps, at the same batch size and with the same loss, noise included. The bare loop is
what anyone would write: a permutation an epoch, index, zero_grad, loss, backward, a step of the
same fused AdamW, and nothing else. The other side is ``gengauge.train`` with all it does:
learning-rate schedule, budget, finiteness checks, progress, the learning curve with its validation
passes, and the copy of the best weights.

The two take turns step by step, a bare one before each of the harness's, so that whatever else
the machine does falls on both alike: whole loops, one after the other, scatter by ten per cent.
Taking turns is not free, so a second bare loop in the harness's place is the control, and the
figure is the ratio of the two, the median over rounds.

    python benchmarks/training_overhead.py [--steps 1000] [--rounds 5] [--batch-size 128]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from gengauge import Budget, FitRun, seeds, train
from gengauge.registry import Registry, load_target
from gengauge_plugins.networks.logistic import DiscretisedLogistic
from gengauge_plugins.vae.network import Architecture, Network
from gengauge_plugins.vae.objectives import negative_elbo

Loss = Callable[..., Tensor]
clock = time.process_time  # CPU time of one thread: other processes do not count


def network() -> Network:
    with seeds.global_seed(0):
        return Network(DiscretisedLogistic(17), Architecture((1, 8, 8), 24, 384, 64))


def bare(x: Tensor, size: int) -> Iterator[None]:
    """The loop without a harness; each ``next`` is one step."""
    module = network().train()
    optimiser = torch.optim.AdamW(module.parameters(), lr=1e-3, weight_decay=0.0, fused=True)
    order_of, noise = torch.Generator().manual_seed(1), torch.Generator().manual_seed(2)
    while True:
        order = torch.randperm(len(x), generator=order_of)
        for start in range(0, len(x) - size + 1, size):
            loss = negative_elbo(module, x[order[start : start + size]], None, 1.0, noise)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            yield


def plain(loss: Loss, module: Network, x: Tensor, steps: int, size: int) -> None:
    """The bare loop again, in the harness's place: what taking turns costs by itself."""
    module.train()
    optimiser = torch.optim.AdamW(module.parameters(), lr=1e-3, weight_decay=0.0, fused=True)
    order_of, noise = torch.Generator().manual_seed(1), torch.Generator().manual_seed(2)
    done = 0
    while done < steps:
        order = torch.randperm(len(x), generator=order_of)
        for start in range(0, len(x) - size + 1, size):
            value = loss(x[order[start : start + size]], generator=noise)
            optimiser.zero_grad(set_to_none=True)
            value.backward()
            optimiser.step()
            done += 1
            if done == steps:
                break


def beside_bare(work: Callable[[Loss, Network], None], x: Tensor, size: int) -> float:
    """Return CPU seconds of ``work`` over those of a bare loop that takes turns with it."""
    module, beside, spent = network(), bare(x, size), 0.0

    def loss(x: Tensor, generator: torch.Generator) -> Tensor:
        nonlocal spent
        if module.training:  # once a step; validation is the harness's own
            started = clock()
            next(beside)
            spent += clock() - started
        return negative_elbo(module, x, None, 1.0, generator)

    started = clock()
    work(loss, module)
    return (clock() - started - spent) / spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=128)
    options = parser.parse_args()
    torch.set_num_threads(1)
    spec = Registry().datasets["digits"]
    data = load_target(spec.target)(spec)
    x, held_out = data.train.x.flatten(1), data.validation.x.flatten(1)
    steps, size = options.steps, options.batch_size

    def harness(loss: Loss, module: Network) -> None:
        run = FitRun(seed=0, budget=Budget(steps, "steps"))
        train(run, module, loss, (x,), validation=(held_out,), batch_size=size)

    beside_bare(lambda loss, module: plain(loss, module, x, 50, size), x, size)  # warm-up
    ratios = []
    for _ in range(options.rounds):
        control = beside_bare(lambda loss, module: plain(loss, module, x, steps, size), x, size)
        ratios.append(beside_bare(harness, x, size) / control)
        print(f"control {control:.4f}  harness over control {ratios[-1]:.4f}", flush=True)
    low, middle, high = (
        100 * (r - 1) for r in (min(ratios), statistics.median(ratios), max(ratios))
    )
    print(
        f"overhead: {middle:+.2f} % (median of {len(ratios)} rounds, {low:+.2f} to {high:+.2f}; "
        "promised < 3 %)"
    )


if __name__ == "__main__":
    main()
