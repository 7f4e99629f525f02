"""Hugging Face Accelerate under the training loop: precision, accumulation, several processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from gengauge import seeds
from gengauge.errors import UnsupportedError

if TYPE_CHECKING:
    from accelerate import Accelerator

    from gengauge.resumption import Loop

Loss = Callable[..., Tensor]
Batch = tuple[Tensor, ...]
PRECISIONS = {"fp32": "no", "bf16": "bf16"}  # ours, and what Accelerate calls them


class Stepper:
    """Gradients of ``loss(*batch, generator=...)`` over ``module``, and the steps along them.

    A batch is cut into ``accumulation`` parts, one after the other, and each of them into one for
    every process that trains (*rank*): the gradient is that of the whole batch where the loss is
    a mean over examples, to rounding. Precision ``bf16`` casts inside the loss and leaves weights
    and gradients in float32. Ranks other than the first draw noise from streams of their own.
    """

    def __init__(
        self,
        accelerator: Accelerator,
        module: nn.Module,
        loss: Loss,
        optimiser: torch.optim.Optimizer,
        noise: torch.Generator,
    ) -> None:
        self.accelerator, self._noise = accelerator, noise
        if rank := accelerator.process_index:
            noise.manual_seed(seeds.named_seed(noise.initial_seed(), f"rank {rank}"))
        self._loss = accelerator.prepare(_Loss(module, loss, noise))
        # Accelerate's own wrapper looks for a package on the disk at every step, a third of a
        # millisecond; it is for loss scaling, which bfloat16 needs none of
        self._optimiser = optimiser
        self._parts = accelerator.gradient_accumulation_steps * accelerator.num_processes
        self._alone = accelerator.num_processes == 1

    def gradient(self, batch: Batch) -> Tensor:
        """Leave the gradient over ``batch`` at the parameters; return the loss over it ``[]``.

        The loss is this rank's part of the mean: ``mean`` makes it everybody's.
        """
        self._optimiser.zero_grad(set_to_none=True)
        if self._parts == 1:  # of accumulation there is only the price, 50 microseconds
            value: Tensor = self._loss(*batch)
            torch.autograd.backward(value)
            return value
        total: Tensor | None = None
        for part, weight in self._cut(batch):
            with self.accelerator.accumulate(self._loss):
                value = self._loss(*part)
                self.accelerator.backward(weight * value)
            share = value.detach() * (weight / self.accelerator.gradient_accumulation_steps)
            total = share if total is None else total + share
        assert total is not None
        return total

    def counted(self, batch: Batch) -> tuple[Tensor, float]:
        """Do as ``gradient`` does; return the loss and the operations it took on all ranks.

        Counted are the multiplications and additions of matrix products, convolutions and
        attention, forward and backward, as torch's ``FlopCounterMode`` does.
        ``UnsupportedError`` where there are none.
        """
        from torch.utils.flop_counter import FlopCounterMode

        with FlopCounterMode(display=False) as counter:
            value = self.gradient(batch)
        flops = self.accelerator.num_processes * self._mean(float(counter.get_total_flops()))
        if flops == 0:
            raise UnsupportedError(
                "a training step has no matrix product, convolution or attention whose operations "
                "could be counted; give a budget in steps, examples or time"
            )
        return value, flops

    def step(self) -> None:
        """Move the parameters along their gradients."""
        self._optimiser.step()

    def mean(self, value: Tensor) -> Tensor:
        """Return the mean of a loss ``[]`` over ranks: a NaN of one is a NaN of all."""
        value = value.detach()
        return value if self._alone else self.accelerator.reduce(value, "mean")

    def agreed(self, number: float) -> float:
        """Return the first rank's ``number``, such as a time, for all to act alike."""
        if self._alone:
            return number
        kept = number if self.accelerator.is_main_process else 0.0
        return float(self.accelerator.num_processes * self._mean(kept))

    def shared(self, tensors: Batch) -> Batch:
        """Return the first rank's tensors: codes of a first stage may differ in the last bit."""
        if not self._alone:
            for tensor in (tensors := tuple(t.contiguous() for t in tensors)):
                torch.distributed.broadcast(tensor, src=0)
        return tensors

    def follow(self, loop: Loop) -> None:
        """Put every rank where the first one goes on from: it alone has checkpoints."""
        if self._alone or not self.agreed(loop.step + loop.finished):
            return
        from accelerate.utils import broadcast_object_list

        told = [loop.state() if self.accelerator.is_main_process else None]
        broadcast_object_list(told)
        if (rank := self.accelerator.process_index) and told[0] is not None:
            loop.restore(told[0])
            own = seeds.named_seed(self._noise.initial_seed(), f"rank {rank}", loop.step)
            self._noise.manual_seed(own)
            torch.manual_seed(own)

    def check(self, size: int) -> None:
        """Raise ``UnsupportedError`` when a batch of ``size`` cannot be cut into its parts."""
        if size < self._parts:
            raise UnsupportedError(
                f"a batch of {size} examples cannot be cut into {self._parts} parts: "
                f"{self.accelerator.gradient_accumulation_steps} accumulated x "
                f"{self.accelerator.num_processes} processes; ask for fewer"
            )

    def _mean(self, number: float) -> float:
        if self._alone:
            return number
        kept = torch.tensor(number, dtype=torch.float64, device=self.accelerator.device)
        return float(self.accelerator.reduce(kept, "mean"))

    def _cut(self, batch: Batch) -> Iterator[tuple[Batch, float]]:
        """Yield this rank's parts of a batch, each with its weight in the mean of parts."""
        n, processes = len(batch[0]), self.accelerator.num_processes
        for first in range(self.accelerator.process_index, self._parts, processes):
            low, high = n * first // self._parts, n * (first + 1) // self._parts
            yield tuple(t[low:high] for t in batch), (high - low) * self._parts / n


class _Loss(nn.Module):
    """A loss as a module's forward: there Accelerate casts, and ranks are told to synchronise."""

    def __init__(self, module: nn.Module, loss: Loss, noise: torch.Generator) -> None:
        super().__init__()
        self.module = module
        self._given = (loss, noise)  # in a tuple: a loss that is a module is none of ours

    def forward(self, *batch: Tensor) -> Tensor:
        """Return the loss ``[]``."""
        loss, noise = self._given
        return loss(*batch, generator=noise)


@contextmanager
def accelerated(
    device: torch.device, precision: str, accumulation: int, seed: int
) -> Iterator[Accelerator]:
    """Yield an ``Accelerator`` for one training, leaving any other of this process as it was.

    Accelerate keeps its state for a whole process, and trials of one process may differ in
    precision. ``UnsupportedError`` where the device has no bfloat16.
    """
    from accelerate import Accelerator, DistributedDataParallelKwargs
    from accelerate.state import AcceleratorState, GradientState, PartialState
    from accelerate.utils import is_bf16_available

    if precision == "bf16" and device.type != "cpu" and not is_bf16_available():
        raise UnsupportedError("this device has no bfloat16; train with --precision fp32")
    states: list[dict[str, Any]] = [
        state._shared_state for state in (AcceleratorState, PartialState, GradientState)
    ]
    before = [dict(state) for state in states]
    for state in states:
        state.clear()
    try:
        accelerator = Accelerator(
            cpu=device.type == "cpu", mixed_precision=PRECISIONS[precision],
            gradient_accumulation_steps=accumulation, device_placement=False,
            kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)],
        )  # fmt: skip
        with ExitStack() as stack:
            if rank := accelerator.process_index:  # the same dropout for all would be half of one
                stack.enter_context(torch.random.fork_rng())
                torch.manual_seed(seeds.named_seed(seed, f"rank {rank}"))
            yield accelerator
    finally:
        for state, kept in zip(states, before, strict=True):
            state.clear()
            state.update(kept)
