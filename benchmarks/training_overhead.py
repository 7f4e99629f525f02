"""The harness's own cost on a training loop, as a ratio within one run.

Both sides train the same variational autoencoder on digits from the same weights, for the same
number of steps, at the same batch size and with the same loss, noise included. The bare loop is
what anyone would write: a permutation an epoch, index, zero_grad, loss, backward, a step of the
same fused AdamW, and nothing else. The other side is ``gengauge.train`` with all it does:
learning-rate schedule, gradient clipping, budget, finiteness checks, progress, the learning curve
with its validation passes, and the copy of the best weights. Both sides alternate; the figure is
the median of the rounds' ratios.

    python benchmarks/training_overhead.py [--steps 1000] [--rounds 9] [--batch-size 128]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from gengauge import Budget, FitRun, seeds, train
from gengauge.registry import Registry, load_target
from gengauge_plugins.networks.decoders import DiscretisedLogistic
from gengauge_plugins.vae.vae import Network


def network() -> Network:
    with seeds.global_seed(0):
        return Network(DiscretisedLogistic(17), dimensions=64, latent=24, hidden=384, components=64)


def bare(x: Tensor, steps: int, size: int) -> None:
    module = network().train()
    optimiser = torch.optim.AdamW(module.parameters(), lr=1e-3, weight_decay=0.0, fused=True)
    order_of, noise = torch.Generator().manual_seed(1), torch.Generator().manual_seed(2)
    done = 0
    while done < steps:
        order = torch.randperm(len(x), generator=order_of)
        for start in range(0, len(x) - size + 1, size):
            loss = module.negative_bound(x[order[start : start + size]], 1.0, noise)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            done += 1
            if done == steps:
                break


def harness(x: Tensor, held_out: Tensor, steps: int, size: int) -> None:
    module = network()

    def loss(x: Tensor, generator: torch.Generator) -> Tensor:
        return module.negative_bound(x, 1.0, generator)

    run = FitRun(seed=0, budget=Budget(steps, "steps"))
    train(run, module, loss, (x,), validation=(held_out,), batch_size=size)


def seconds(work: Callable[[], None]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--batch-size", type=int, default=128)
    options = parser.parse_args()
    torch.set_num_threads(1)  # CPU time of one thread: other processes do not count
    spec = Registry().datasets["digits"]
    data = load_target(spec.target)(spec)
    x, held_out = data.train.x.flatten(1), data.validation.x.flatten(1)
    steps, size = options.steps, options.batch_size
    sides = (lambda: bare(x, steps, size), lambda: harness(x, held_out, steps, size))
    for side in sides:
        side()  # warm-up
    ratios = []
    for round_ in range(options.rounds):
        order = (0, 1) if round_ % 2 == 0 else (1, 0)  # neither side always goes first
        spent = dict(zip(order, [seconds(sides[i]) for i in order], strict=True))
        ratios.append(spent[1] / spent[0])
        print(f"bare {spent[0]:.3f} s  harness {spent[1]:.3f} s  ratio {ratios[-1]:.4f}")
    median = statistics.median(ratios)
    print(f"overhead {100 * (median - 1):+.2f} % (median of {options.rounds} rounds)")


if __name__ == "__main__":
    main()
