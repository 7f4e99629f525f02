"""What each latent of a trained network is worth, and where to walk along it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_REACH = 2.5  # standard deviations of the codes to either side
_LEAST = 0.05  # nats a latent must carry to be shown


class Survey(nn.Module):
    """The codes of the training data, summed up: one typical code, centre and spread of all.

    ``information`` ``[latent]`` is the mean KL of q(z_j | x) from the normal with the codes' mean
    and variance, in nats: an upper bound on what latent j tells of x, and 0 for one that
    collapsed.
    """

    code: Tensor
    centre: Tensor
    spread: Tensor
    information: Tensor
    label: Tensor

    def __init__(self, latent: int) -> None:
        super().__init__()
        for name in ("code", "centre", "spread", "information"):
            self.register_buffer(name, torch.zeros(latent))
        self.register_buffer("label", torch.zeros(1, dtype=torch.int64))

    @torch.no_grad()
    def take(self, mean: Tensor, log_std: Tensor, y: Tensor | None) -> None:
        """Sum up codes ``[n, latent]`` of examples, with labels ``y`` ``[n]`` if there are any."""
        variance = torch.exp(2 * log_std)
        self.centre.copy_(mean.mean(0))
        self.spread.copy_((mean.var(0, correction=0) + variance.mean(0)).sqrt())
        self.information.copy_(self.spread.log() - log_std.mean(0))
        typical = int((((mean - self.centre) / self.spread) ** 2).sum(1).argmin())
        self.code.copy_(mean[typical])
        if y is not None:
            self.label.copy_(y[typical : typical + 1])

    def walks(self, rows: int, steps: int) -> Tensor:
        """Return latents ``[rows, steps, latent]``: the typical code, one latent of it moved.

        A row for each of the latents that tell most, most first; fewer where fewer tell anything.
        """
        order = self.information.argsort(descending=True, stable=True)[:rows]
        order = order[self.information[order] >= _LEAST]
        z = self.code.repeat(len(order), steps, 1)
        reach = torch.linspace(-_REACH, _REACH, steps, device=z.device)
        for row, latent in enumerate(order.tolist()):
            z[row, :, latent] = self.centre[latent] + reach * self.spread[latent]
        return z
