"""What every model of codes does: train the first stage, encode, decode, reconstruct."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gengauge import Dataset, FitRun, check_training, seeds, train
from gengauge_plugins.networks.adversarial import alternate
from gengauge_plugins.networks.checks import check_varies
from gengauge_plugins.networks.first_stage import FirstStage
from gengauge_plugins.networks.stages import stage
from gengauge_plugins.vq.critic import Critic, Refinement

ROWS = 512  # pictures that are encoded, decoded or scored at once
_AVERAGED = 0.1  # width of the average over steps against the critic
_PACE = (0.05, 0.25)  # rates of decoder and critic against each other, over that of before
_WIDE, _SMALL = 16, 32  # pictures a step
_LARGE, _MANY, _FEW = 16, 256, 64  # a side from which on the codebook has many entries
_LEAST = 4  # a side that can be convolved


class Coding:
    """An encoder, a codebook and a decoder, and how they are trained.

    All begin as principal components, so that the codebook begins with codes that are good
    already. The critic comes last, for ``refined`` of the steps.
    """

    name = "vq"
    stage: FirstStage

    def __init__(
        self,
        codebook: int,
        channels: int,
        width: int,
        network: str,
        refined: float,
        adversarial: float,
        perceptual: float,
        batch_size: int,
        lr: float,
    ) -> None:
        self.codebook, self.channels, self.width, self.kind = codebook, channels, width, network
        self.refined, self.adversarial, self.perceptual = refined, adversarial, perceptual
        self.batch_size, self.lr = batch_size, lr

    def checked(self, data: Dataset) -> int:
        """Return the levels of ``data``; ``ValueError`` for what cannot be learned from."""
        check_training(data, self.name)
        check_varies(data, self.name)
        if data.levels is None:
            raise ValueError(f"{self.name} takes levelled pictures, and {data.id} is continuous")
        return data.levels

    def train_stage(self, run: FitRun, data: Dataset, x: Tensor, held_out: Tensor) -> None:
        """Train the first stage on levels ``x`` ``[n, *shape]``, out of the budget of ``run``."""
        with seeds.global_seed(seeds.named_seed(run.seed, "weights")):
            small = min(data.event_shape[1:]) < _LARGE
            first = FirstStage(
                data.event_shape, self.checked(data), "vq", self.channels, self.width,
                self.codebook or (_FEW if small else _MANY), network=self._network(data),
            )  # fmt: skip
            critic = Critic(first.shape, self.width, convolves=first.convolves)
        first.begin(x)
        size = self.batch_size or (_SMALL if small else _WIDE)

        def loss(x: Tensor, *, generator: torch.Generator) -> Tensor:
            return first.loss(x, generator)

        plain = not self.refined or not (self.adversarial or self.perceptual)
        with stage(run, "reconstruction", 1.0 if plain else 1 - self.refined) as part:
            train(part, first, loss, (x,), validation=(held_out,), batch_size=size, lr=self.lr)
        if not plain and run.fraction < 1:
            assert first.codebook is not None
            first.codebook.moves = False  # an average over jumps would be of nothing
            game = Refinement(first, critic, self.adversarial, self.perceptual)
            with stage(run, "refinement") as part:
                found = alternate(
                    part, game, (x,), validation=(held_out,) if len(held_out) else None,
                    batch_size=size, width=_AVERAGED,
                    rates=(_PACE[0] * self.lr, _PACE[1] * self.lr),
                )  # fmt: skip
            assert isinstance(found, FirstStage)
            first = found
        self.stage = first.requires_grad_(False).eval()

    def _network(self, data: Dataset) -> str:
        # codes of convolutions are about a place each, and so the easier to tell one by one
        possible = min(data.event_shape[1:]) >= _LEAST
        return ("conv" if possible else "dense") if self.kind == "auto" else self.kind

    def restored(self, saved: dict[str, Any]) -> FirstStage:
        """Return an untrained first stage like the one that was ``described``."""
        return FirstStage(**{**saved, "shape": tuple(saved["shape"])})

    @property
    def device(self) -> torch.device:
        """Where the first stage is."""
        return self.stage.shift.device

    @property
    def alphabet(self) -> int | None:
        """Entries of the codebook."""
        assert self.stage.codebook is not None
        return len(self.stage.codebook)

    @torch.no_grad()
    def encode(self, x: Tensor) -> Tensor:
        """Return the numbers of entries ``[n, h, w]``, int64, of ``x`` ``[n, *event]``."""
        parts = [self.stage.encode(part.to(self.device)) for part in torch.split(x, ROWS)]
        return torch.cat([self.stage.indices(part) for part in parts])

    @torch.no_grad()
    def decode_codes(self, codes: Tensor) -> Tensor:
        """Return the pictures ``[n, *event]``, levels, of entries' numbers ``[n, h, w]``."""
        parts = [self.stage.entries(part) for part in torch.split(codes.long(), ROWS)]
        return torch.cat([self.stage.decode(part) for part in parts])

    def reconstruct(self, x: Tensor) -> Tensor:
        """Return ``x`` ``[n, *event]`` encoded and decoded, levels."""
        return self.decode_codes(self.encode(x))
