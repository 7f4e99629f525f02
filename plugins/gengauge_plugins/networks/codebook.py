"""A codebook: every place of a code becomes its nearest entry."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gengauge_plugins.networks.drawing import normal

_COMMITMENT = 0.25  # van den Oord et al. 2017, section 3.2
_RESTART = 20  # training steps between looks for entries that nothing uses
_ROUNDS = 8  # in which entries are placed, each where those before have left codes far away


class Codebook(nn.Module):
    """Entries that codes ``[n, c, h, w]`` are rounded to; gradients pass straight through.

    Entries learn from the distance to the codes that chose them, and codes are drawn to their
    entries a quarter as strongly. In training an entry that nothing has used for 20 steps moves to
    where a code is, the likelier the further that is from all entries. The loss and the gradient
    are those of diffusers' ``VectorQuantizer``, which never moves what nothing uses: most of its
    entries are never used after a short training.

    References:
        | Neural Discrete Representation Learning (van den Oord et al., 2017)
        | https://arxiv.org/abs/1711.00937
        | Scalable K-Means++ (Bahmani et al., 2012): who begins, https://arxiv.org/abs/1203.6402
        | Jukebox (Dhariwal et al., 2020), section 3.1: restarts, https://arxiv.org/abs/2005.00341

    Example:
        >>> book = Codebook(2, 1).eval()
        >>> _ = book.weight.data.copy_(torch.tensor([[-1.0], [1.0]]))
        >>> codes = torch.tensor([-0.9, 0.2, 3.0]).view(1, 1, 1, 3)
        >>> book.indices(codes), book.entries(book.indices(codes)).flatten().tolist()
        (tensor([[[0, 1, 1]]]), [-1.0, 1.0, 1.0])
    """

    used: Tensor
    steps: Tensor

    def __init__(self, entries: int, channels: int) -> None:
        super().__init__()
        self.weight = nn.Embedding(entries, channels).weight
        self.register_buffer("used", torch.zeros(entries))
        # no part of the model, but of a checkpoint of its training
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64), persistent=False)
        self.moves = True

    def __len__(self) -> int:
        return len(self.weight)

    def indices(self, codes: Tensor) -> Tensor:
        """Return the nearest entry ``[n, h, w]`` to each place of ``codes``, int64."""
        flat = codes.movedim(1, -1)
        squared = self.weight.square().sum(1) - 2 * flat @ self.weight.T
        return squared.argmin(-1)

    def entries(self, indices: Tensor) -> Tensor:
        """Return the codes ``[n, c, h, w]`` that ``indices`` ``[n, h, w]`` stand for."""
        return nn.functional.embedding(indices, self.weight).movedim(-1, 1)

    def quantised(self, codes: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return entries with the gradient of ``codes``, and what draws the two together."""
        indices = self.indices(codes)
        if self.training and self.moves and self._restart(codes, indices, generator):
            indices = self.indices(codes)
        entries = self.entries(indices)
        moved = (entries - codes.detach()).square().mean()
        extra = moved + _COMMITMENT * (entries.detach() - codes).square().mean()
        return codes + (entries - codes).detach(), extra

    @torch.no_grad()
    def _restart(self, codes: Tensor, indices: Tensor, generator: torch.Generator) -> bool:
        """Move entries that nothing has used for a while to where codes are, now and then."""
        self.used += torch.bincount(indices.flatten(), minlength=len(self.used))
        self.steps += 1
        steps = int(self.steps)
        first = steps == 1
        if not first and steps % _RESTART:
            return False
        dead = (torch.ones_like(self.used) if first else self.used == 0).nonzero().flatten()
        kept = self.weight[:0] if first else self.weight[self.used > 0]
        flat = codes.movedim(1, -1).flatten(0, 2)
        for part in torch.split(dead, max(1, len(self) // _ROUNDS)) if len(dead) else ():
            far = (
                torch.cdist(flat, kept).square().amin(1) if len(kept) else flat.new_ones(len(flat))
            )
            weights = (far.nan_to_num(0.0) + 1e-9).to(generator.device)
            chosen = torch.multinomial(weights, len(part), replacement=True, generator=generator)
            noise = normal((len(part), flat.shape[1]), generator, flat.device)
            self.weight[part] = flat[chosen.to(flat.device)] + 1e-2 * flat.std(0) * noise
            kept = torch.cat([kept, self.weight[part]])
        self.used.zero_()
        return len(dead) > 0
