"""A trained first stage and a trained diffusion in its standardised codes."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gengauge.model import Condition
from gengauge_plugins.diffusion import samplers
from gengauge_plugins.diffusion.denoising import Denoising
from gengauge_plugins.diffusion.guidance import Guide
from gengauge_plugins.networks.conditions import Conditions
from gengauge_plugins.networks.drawing import refuse_condition
from gengauge_plugins.networks.first_stage import FirstStage

ROWS = 1024  # pictures made at once


class Latents(nn.Module):
    """Draws codes by denoising and decodes them.

    Arguments:
        stage: Pictures to codes and back.
        denoising: In codes less ``stage.shift``, over ``stage.scale``.
        conditions: What can be asked for, or None.
        seen: Conditions of training examples, to draw from where nothing is asked for.
        sampler: One of :data:`gengauge_plugins.diffusion.samplers.SAMPLERS`.
        guidance: How far samples lean towards what is asked; 1 is as far as it says.
    """

    seen: Tensor

    def __init__(
        self,
        stage: FirstStage,
        denoising: Denoising,
        conditions: Conditions | None,
        seen: Tensor,
        sampler: str,
        guidance: float,
    ) -> None:
        super().__init__()
        self.stage, self.denoising, self.conditions = stage, denoising, conditions
        self.sampler, self.guidance = sampler, guidance
        self.register_buffer("seen", seen)

    def draw(
        self, steps: int, n: int, condition: Condition | None, generator: torch.Generator
    ) -> Tensor:
        """Return levels ``[n, *shape]`` made in ``steps`` steps."""
        rows = self._rows(n, condition, generator)
        parts = [] if n else [self.stage.decode(self.stage.shift.new_zeros(0, *self.stage.code))]
        for start in range(0, n, ROWS):
            guide = self._guide(None if rows is None else rows[start : start + ROWS])
            shape = (min(ROWS, n - start), *self.stage.code)
            codes = samplers.sample(
                guide, self.denoising.schedule, shape, self.sampler, steps, generator,
                self.stage.shift.device,
            )  # fmt: skip
            parts.append(self.decode(codes * self.stage.scale + self.stage.shift))
        return torch.cat(parts)

    def _rows(
        self, n: int, condition: Condition | None, generator: torch.Generator
    ) -> Tensor | None:
        if self.conditions is None:
            refuse_condition(condition, "latent-diffusion with condition=none")
            return None
        if condition is not None:
            return self.conditions.asked(condition, n).to(self.seen.device)
        chosen = torch.randint(len(self.seen), (n,), generator=generator, device=generator.device)
        return self.seen[chosen.to(self.seen.device)]

    def _guide(self, rows: Tensor | None) -> Guide:
        if rows is None or self.conditions is None:
            return Guide(self.denoising)
        return Guide(self.denoising, rows, self.conditions.nothing(rows), self.guidance)

    def evaluations(self, steps: int) -> float:
        """Return the evaluations behind a sample: the denoiser's, guidance twice, and a decoder."""
        looks = 1 if self.conditions is None else self._guide(self.seen).looks
        return float(looks * samplers.evaluations(self.sampler, steps) + 1)

    def encode(self, x: Tensor) -> Tensor:
        """Return codes ``[n, c, h, w]`` of levels ``x``."""
        return self.stage.encode(x)

    def decode(self, codes: Tensor) -> Tensor:
        """Return levels ``[n, *shape]`` of codes."""
        return self.stage.decode(codes)

    @property
    def alphabet(self) -> int | None:
        """Entries of the codebook, None without one."""
        return None if self.stage.codebook is None else len(self.stage.codebook)

    def to_codes(self, x: Tensor) -> Tensor:
        """Return what is stored of levels ``x``: entries' numbers, or codes as they are."""
        codes = self.encode(x)
        return codes if self.alphabet is None else self.stage.indices(codes)

    def from_codes(self, codes: Tensor) -> Tensor:
        """Return levels of what is stored."""
        if self.alphabet is not None:
            codes = self.stage.entries(codes.long())
        return self.decode(codes.to(self.stage.shift))


@torch.no_grad()
def encoded(first: FirstStage, x: Tensor) -> Tensor:
    """Return the codes ``[n, c, h, w]`` of levels ``x``, on the first stage's device."""
    device = first.shift.device
    return torch.cat([first.encode(part.to(device)) for part in torch.split(x, ROWS)])


def standardised(first: FirstStage, x: Tensor) -> Tensor:
    """Return the codes of levels ``x`` in the units that diffusion works in."""
    if not len(x):
        return first.shift.new_zeros(0, *first.code)
    return (encoded(first, x) - first.shift) / first.scale
