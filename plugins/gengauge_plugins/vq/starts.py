"""Where the search for a picture begins: at a code that could be one, which the guide likes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from gengauge import FitRun, seeds, train
from gengauge_plugins.networks.first_stage import FirstStage
from gengauge_plugins.vq.bound import CodePrior
from gengauge_plugins.vq.guide import Guide

_WIDTH, _LAYERS = 64, 2  # of the transformer
_CODES, _RATE = 32, 8e-3  # a step of its training, and Adam's rate
_LOOKED_AT = 200  # validation codes by which its best weights are chosen
_ROWS = 512  # codes that are drawn, decoded or looked at once
_TEMPERATURE = 0.8  # of drawing: below 1 few parts of a picture do not belong to it
_LEFT_OUT = 0.5  # share of candidates that a picture does not choose from: two of a caption differ
_UNSEEN = 0.5  # examples of every entry in every place that are thought to have been seen


@dataclass
class Starts:
    """Candidates: codes ``[m, h, w]`` that a prior has drawn, of which a guide chooses.

    ``shares`` ``[entries, h, w]`` are the logs of how often training data has each entry. To draw
    many and keep what a CLIP ranks first is how DALL-E shows its pictures; here the search by
    gradients goes on from there.

    References:
        | Zero-Shot Text-to-Image Generation (Ramesh et al., 2021), section 2.6
        | https://arxiv.org/abs/2102.12092
    """

    codes: Tensor
    shares: Tensor
    _seen: Tensor | None = field(default=None, repr=False)

    def best(self, stage: FirstStage, guide: Guide, meant: Tensor, seeds: Sequence[int]) -> Tensor:
        """Return the codes ``[n, h, w]`` that look most like ``meant`` ``[n, d]``, a seed for each.

        Each is chosen from a part of all, drawn by its seed.
        """
        if self._seen is None:
            self._seen = self._looked_at(stage, guide)
        chosen = []
        for direction, seed in zip(meant, seeds, strict=True):
            # one by one: products of whole batches are rounded as the batch is large
            cosine = self._seen @ direction
            chance = torch.rand(len(cosine), generator=torch.Generator().manual_seed(seed))
            # where there is but one, it is never left out
            left_out = chance < min(_LEFT_OUT, float(chance.max()))
            chosen.append(cosine.masked_fill(left_out.to(cosine.device), -torch.inf).argmax())
        return self.codes[torch.stack(chosen)].long()

    @torch.no_grad()
    def _looked_at(self, stage: FirstStage, guide: Guide) -> Tensor:
        """Return the guide's directions ``[m, d]`` of all candidates."""
        parts = []
        for part in torch.split(self.codes.long(), _ROWS):
            unit = ((stage.planes(stage.entries(part)) + 1) / 2).clamp(0, 1)
            parts.append(guide.seen(unit, torch.zeros(len(unit), 3, device=unit.device)))
        return torch.cat(parts)


def learned(run: FitRun, stage: FirstStage, codes: Tensor, held_out: Tensor, count: int) -> Starts:
    """Return ``count`` candidates of a prior trained on ``codes`` ``[n, h, w]`` by ``run``.

    The prior is told nothing of captions, and not kept: what it draws is.
    """
    assert stage.codebook is not None
    with seeds.global_seed(seeds.named_seed(run.seed, "prior")):  # its first weights
        shape = (stage.code[1], stage.code[2])
        prior = CodePrior(shape, len(stage.codebook), _WIDTH, _LAYERS, 0.0)
        prior.begin_at(stage.codebook.weight, codes)

    def loss(codes: Tensor, *, generator: torch.Generator) -> Tensor:
        return -prior.log_mass(codes, None).mean() / codes[0].numel()

    train(run, prior, loss, (codes,), validation=(held_out[:_LOOKED_AT],), batch_size=_CODES,
          lr=_RATE, clip=1.0)  # fmt: skip
    prior.eval()
    generator = seeds.generator("candidates", run.seed)
    with torch.no_grad():
        drawn = [prior.draw(min(_ROWS, count - start), None, generator, _TEMPERATURE)
                 for start in range(0, count, _ROWS)]  # fmt: skip
    return Starts(torch.cat(drawn).int(), counted(codes, len(stage.codebook)).to(run.device))


def counted(codes: Tensor, entries: int) -> Tensor:
    """Return the log of each entry's share ``[entries, h, w]`` of codes ``[n, h, w]``."""
    every = torch.arange(entries, device=codes.device).view(-1, 1, 1)
    counts = torch.stack([(codes == entry).sum(0) for entry in every]) + _UNSEEN
    return (counts / counts.sum(0)).log()
