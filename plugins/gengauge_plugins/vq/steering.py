"""Codes that an embedder takes for what a caption says, found by gradients."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from gengauge_plugins.networks.drawing import whole
from gengauge_plugins.networks.first_stage import FirstStage
from gengauge_plugins.vq.guide import Guide
from gengauge_plugins.vq.starts import Starts

_SEEDS = 2**62
_SURE = 8.0  # how far above the others the logit of the entry is that the search begins with
_COMMON = 0.5  # what the logs of entries' shares weigh beside it
_SOFT = 1.0  # temperature at first: a place is a mixture of entries
_HARD = 0.1  # and at last: it is one of them


@dataclass(frozen=True)
class Steering:
    """How codes are sought.

    The logits of every place's entry are what moves; a place is decoded from the mixture of
    entries that they say, at a temperature that falls until each is one of them. Codes moved
    themselves, and rounded straight through, would end in places that no picture has. They begin
    at a code that is one of a picture: from noise the search ends in debris that pleases the guide
    less than a picture would.

    References:
        | VQGAN-CLIP: Open Domain Image Generation and Editing with Natural Language Guidance
        | (Crowson et al., 2022), https://arxiv.org/abs/2204.08583

    Arguments:
        steps: Of Adam.
        lr: Its rate.
        cutouts: Views of each picture that the guide sees a step.
        augment: Share of a side that is cut off a view at most, 0 to 1.
    """

    steps: int
    lr: float
    cutouts: int
    augment: float

    def found(
        self, stage: FirstStage, guide: Guide, starts: Starts, meant: Tensor, seeds: list[int]
    ) -> Tensor:
        """Return codes ``[n, h, w]`` for directions ``meant`` ``[n, d]``, a seed for each."""
        begun = F.one_hot(starts.best(stage, guide, meant, seeds), len(starts.shares))
        logits = _SURE * begun.movedim(-1, 1) + _COMMON * starts.shares
        moves = self._moves(seeds).to(logits)
        logits.requires_grad_()
        optimiser = torch.optim.Adam([logits], lr=self.lr, betas=(0.9, 0.99))
        assert stage.codebook is not None
        table = stage.codebook.weight.detach()
        for step in range(self.steps):
            part = step / max(1, self.steps - 1)
            temperature = _SOFT * (_HARD / _SOFT) ** part
            codes = torch.einsum("nkhw,kc->nchw", (logits / temperature).softmax(1), table)
            unit = ((stage.planes(codes) + 1) / 2).clamp(0, 1)
            views = unit.repeat_interleave(self.cutouts, 0)
            towards = meant.repeat_interleave(self.cutouts, 0)
            seen = guide.seen(views, moves[:, step].flatten(0, 1))
            # a sum over pictures: none depends on which others are sought beside it
            loss = -(seen * towards).sum() / self.cutouts
            [logits.grad] = torch.autograd.grad(loss, logits)
            optimiser.step()
        return logits.detach().argmax(1)

    def _moves(self, seeds: list[int]) -> Tensor:
        """Return how the views of each picture are moved ``[n, steps, cutouts, 3]``."""
        drawn = []
        for seed in seeds:  # a stream for each: the same picture whatever the batch
            stream = torch.Generator().manual_seed(seed)
            drawn.append(torch.rand(self.steps, self.cutouts, 3, generator=stream))
        moves = torch.stack(drawn)
        moves[..., 0] *= self.augment
        moves[..., 1:] = 2 * moves[..., 1:] - 1
        return moves


def seeds_of(n: int, generator: torch.Generator) -> list[int]:
    """Return a seed for each of ``n`` samples."""
    return [int(seed) for seed in whole((n,), _SEEDS, generator)]
