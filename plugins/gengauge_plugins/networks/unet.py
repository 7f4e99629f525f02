"""The U-Net of diffusion models, from diffusers, for pictures and latents of any size."""

from __future__ import annotations

from typing import Any, cast

from diffusers.models.unets.unet_2d import UNet2DModel
from torch import Tensor, nn

STEPS = 1000.0  # the time embedding's own unit: t in [0, 1] times this


class TimedUNet(nn.Module):
    """diffusers' ``UNet2DModel`` behind the face of a timed network.

    Pictures whose sides do not halve often enough are padded with zeros and cut back. The class
    embedding is ours (``context``), added to the time's, so that captions enter by the same door.

    References:
        | Denoising Diffusion Probabilistic Models (Ho et al., 2020), appendix B
        | https://arxiv.org/abs/2006.11239

    Arguments:
        channels: Channels of the state.
        outputs: Channels of the answer ``[n, outputs, h, w]``.
        widths: Channels at each resolution; as many as multiples of 8.
        layers: Residual blocks at each resolution.
        context: Turns conditions into vectors ``[n, 4 * widths[0]]``; None takes no conditions.

    Example:
        >>> import torch
        >>> network = TimedUNet(1, 2, widths=(8, 16), layers=1)
        >>> network(torch.zeros(2, 1, 7, 7), torch.rand(2)).shape
        torch.Size([2, 2, 7, 7])
    """

    def __init__(
        self,
        channels: int,
        outputs: int,
        widths: tuple[int, ...] = (32, 64, 64),
        layers: int = 1,
        context: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.context = context
        self.multiple = 2 ** (len(widths) - 1)
        attends = [False, *[True] * (len(widths) - 1)]  # at full size attention costs most
        down = ["AttnDownBlock2D" if a else "DownBlock2D" for a in attends]
        up = ["AttnUpBlock2D" if a else "UpBlock2D" for a in reversed(attends)]
        more: dict[str, Any] = {} if context is None else {"class_embed_type": "identity"}
        self.unet = UNet2DModel(
            in_channels=channels, out_channels=outputs, block_out_channels=tuple(widths),
            down_block_types=tuple(down), up_block_types=tuple(up), layers_per_block=layers,
            norm_num_groups=8, **more,
        )  # fmt: skip
        nn.init.zeros_(self.unet.conv_out.weight)
        nn.init.zeros_(self.unet.conv_out.bias)

    def forward(self, x: Tensor, t: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return ``[n, outputs, h, w]`` of states ``[n, c, h, w]`` at times ``[n]``."""
        h, w = x.shape[-2:]
        below, right = -h % self.multiple, -w % self.multiple
        padded = nn.functional.pad(x, (0, right, 0, below))
        about = {} if self.context is None else {"class_labels": self.context(condition)}
        # diffusers multiplies the time as it comes: in the state's own type, for ODE solvers
        answer = self.unet(padded, (STEPS * t).to(x.dtype), **about).sample
        return cast(Tensor, answer[..., :h, :w])
