"""Training of two networks against each other: the loop that adversarial families share."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from gengauge import FitRun
from gengauge.averaging import PowerAverage
from gengauge.errors import DivergedError
from gengauge.training import batches

Batch = tuple[Tensor, ...]
_BETAS = (0.0, 0.99)  # momentum circles around the equilibrium of two players
_FADES = 0.2  # share of training, the last, over which both rates fall to nothing
_RATIO = 1.2  # between steps at which the learning curve is read
_FIRST = 8  # the step of its first point
_CHECK_EVERY = 50  # steps between looks at the losses: each look waits for a GPU
_HELD_OUT = 256  # validation examples of a point


class Game(Protocol):
    """A generator, a discriminator, and what each of them minimises on a batch of the data."""

    @property
    def generator(self) -> nn.Module:
        """The network that is kept."""
        ...

    @property
    def discriminator(self) -> nn.Module:
        """Its opponent."""
        ...

    @property
    def every(self) -> int:
        """Discriminator steps from one with a penalty to the next."""
        ...

    def discriminate(
        self, batch: Batch, noise: torch.Generator, penalised: bool
    ) -> tuple[Tensor, Tensor]:
        """Return the discriminator's loss and its penalty, which is 0 unless ``penalised``."""
        ...

    def generate(self, batch: Batch, noise: torch.Generator) -> Tensor:
        """Return the generator's loss."""
        ...


@runtime_checkable
class HeadStart(Protocol):
    """A game whose players first learn what data alone can teach them, which is far cheaper."""

    @property
    def head_start(self) -> float:
        """The share of training, its first, that goes to that."""
        ...

    def prepare(self, batch: Batch, noise: torch.Generator) -> tuple[Tensor, Tensor | None]:
        """Return what discriminator and generator lose; None: nothing to learn alone."""
        ...


def alternate(
    run: FitRun,
    game: Game,
    tensors: Batch,
    *,
    validation: Batch | None = None,
    batch_size: int = 128,
    rates: tuple[float, float] = (2e-3, 2e-3),
    turns: int = 1,
    width: float = 0.1,
) -> nn.Module:
    """Train both networks by Adam with a rate each, and return the generator's average.

    A step is one of the generator after ``turns`` of the discriminator, and sees as many batches;
    the first steps of a game with a ``HeadStart`` are that, and no part of the curve.
    The curve holds the discriminator's loss without its penalty, on training and on validation
    data: where the second leaves the first, the discriminator knows its examples by heart. How
    good samples are shows in neither. Raises ``DivergedError`` when a loss is not finite.
    """
    run.only_plain()
    tensors = tuple(t.to(run.device) for t in tensors)
    game.generator.to(run.device).train()
    game.discriminator.to(run.device).train()
    duel, average = _Duel(game, rates, turns), PowerAverage(game.generator, width)
    size = min(batch_size, len(tensors[0]))
    total = run.budget.steps(size * turns)
    timeless = math.isfinite(total)  # steps or examples: the same model on every machine
    noise = run.generator("noise", run.device)
    stream = batches(tensors, size, run.generator("batches"))
    curve = _Curve(run, game, validation)
    loop = run.loop(
        {"generator": game.generator, "discriminator": game.discriminator, "average": average},
        {"duel": duel, "noise": noise, "batches": stream, "curve": curve},
    )
    more = not loop.finished
    while more:
        step = loop.step + 1
        fraction = step / total if timeless else run.fraction
        duel.set_rates(fraction)
        playing = not isinstance(game, HeadStart) or fraction > game.head_start
        losses = duel.step(stream, noise) if playing else duel.prepare(stream, noise)
        average.update()
        run.steps, run.examples = run.steps + 1, run.examples + size * turns
        more = step < total if timeless else run.seconds < run.budget.seconds
        due = (playing and curve.due(step)) or not more
        if due or step % _CHECK_EVERY == 0:
            _check_finite(losses, step)
            run.on_progress(run.fraction)
            run.lap()
            if due:
                curve.add(losses)
        if more:
            loop.stepped()
    if not loop.finished:
        loop.finish()
    return average.network.eval()


class _Duel:
    """Two players with an optimiser each, of which one moves at a time."""

    def __init__(self, game: Game, rates: tuple[float, float], turns: int) -> None:
        self.game, self.rates, self.turns, self.moves = game, rates, turns, 0
        opponent = list(game.discriminator.parameters())
        shared = set(map(id, opponent))  # what both use is the discriminator's to move
        own = [weight for weight in game.generator.parameters() if id(weight) not in shared]
        self.players = [own, opponent]
        fused = self.players[0][0].device.type in ("cpu", "cuda")
        self.optimisers = [torch.optim.Adam(p, betas=_BETAS, fused=fused) for p in self.players]

    def set_rates(self, fraction: float) -> None:
        """Set both learning rates for ``fraction`` of the training."""
        left = min(1.0, (1 - fraction) / _FADES + 0.01)
        for optimiser, rate in zip(self.optimisers, self.rates, strict=True):
            optimiser.param_groups[0]["lr"] = rate * left

    def step(self, stream: Iterator[Batch], noise: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return the losses ``[]`` of discriminator and generator before their last moves."""
        for _ in range(self.turns):
            batch = next(stream)
            penalised = self.moves % self.game.every == 0
            loss, penalty = self.game.discriminate(batch, noise, penalised)
            self._move(1, loss + penalty)
            self.moves += 1
        for weight in self.players[1]:
            weight.requires_grad_(False)  # the gradient goes through it, and is not for it
        answer = self.game.generate(batch, noise)
        self._move(0, answer)
        for weight in self.players[1]:
            weight.requires_grad_(True)
        return loss.detach(), answer.detach()

    def prepare(self, stream: Iterator[Batch], noise: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return the losses ``[]`` of a step from data alone; 0 for who has nothing to learn."""
        assert isinstance(self.game, HeadStart)
        for _ in range(self.turns):
            loss, answer = self.game.prepare(next(stream), noise)
            if answer is not None:
                self._move(0, answer)  # what it leaves at the opponent's weights is cleared next
            self._move(1, loss)
        return loss.detach(), torch.zeros(()) if answer is None else answer.detach()

    def state_dict(self) -> dict[str, Any]:
        """Return both optimisers' states, and how often the discriminator has moved."""
        return {"optimisers": [o.state_dict() for o in self.optimisers], "moves": self.moves}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back what ``state_dict`` returned."""
        for optimiser, known in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(known)
        self.moves = state["moves"]

    def _move(self, player: int, loss: Tensor) -> None:
        self.optimisers[player].zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        self.optimisers[player].step()


def _check_finite(losses: tuple[Tensor, Tensor], step: int) -> None:
    for name, loss in zip(("discriminator", "generator"), losses, strict=True):
        if not bool(torch.isfinite(loss)):
            raise DivergedError(f"the {name}'s loss was {float(loss)} at step {step}")


class _Curve:
    """Reads both players' losses at steps a factor apart."""

    def __init__(self, run: FitRun, game: Game, validation: Batch | None) -> None:
        self.run, self.game, self.next = run, game, _FIRST
        self.validation = validation and tuple(t[:_HELD_OUT].to(run.device) for t in validation)

    def due(self, step: int) -> bool:
        """Return whether the curve has a point at ``step``."""
        return step >= self.next

    def add(self, losses: tuple[Tensor, Tensor]) -> None:
        """Log a point; its validation is not training time."""
        started = time.perf_counter()
        self.next = math.ceil(self.run.steps * _RATIO)
        point = {"train_loss": float(losses[0]), "generator_loss": float(losses[1])}
        if self.validation is not None:
            point["validation_loss"] = self._validate(self.validation)
        self.run.paused += time.perf_counter() - started
        self.run.log(**point)

    def state_dict(self) -> dict[str, Any]:
        """Return the step of the next point."""
        return {"next": self.next}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back what ``state_dict`` returned."""
        self.next = state["next"]

    @torch.no_grad()
    def _validate(self, validation: Batch) -> float:
        noise = self.run.generator("validation", self.run.device)  # the same at every point
        self.game.discriminator.eval()  # a pass in training would turn spectral norms
        loss, _ = self.game.discriminate(validation, noise, False)
        self.game.discriminator.train()
        return float(loss)
