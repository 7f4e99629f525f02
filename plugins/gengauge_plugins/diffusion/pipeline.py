"""A latent diffusion somebody else has trained: a folder that a diffusers pipeline was saved to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gengauge.errors import UsageError
from gengauge.model import Condition
from gengauge.trust import refuse_pickles, trusted
from gengauge_plugins.diffusion.latents import ROWS
from gengauge_plugins.diffusion.samplers import draws
from gengauge_plugins.networks.drawing import normal, refuse_condition
from gengauge_plugins.networks.logistic import nearest_level, scaled

_FIRST_STAGES = {"vqvae": "VQModel", "vae": "AutoencoderKL"}


class Pipeline(nn.Module):
    """diffusers' ``unet``, ``scheduler`` and ``vqvae`` or ``vae``, as ``LDMPipeline`` runs them.

    The network's answer goes to the scheduler as it comes, so that the same noise gives the same
    pictures as the pipeline itself.

    Arguments:
        folder: What ``LDMPipeline.save_pretrained`` wrote: a folder for each part.
        levels: Of the pictures to make.

    Raises:
        UsageError: Where the folder holds something else.
    """

    def __init__(self, folder: Path, levels: int) -> None:
        super().__init__()
        self.levels = levels
        self.unet = _part(folder, "unet", "UNet2DModel")
        name = next((name for name in _FIRST_STAGES if (folder / name).is_dir()), "vqvae")
        self.stage = _part(folder, name, _FIRST_STAGES[name])
        self.stage_name = name
        self.scheduler = _scheduler(folder)
        self.eval().requires_grad_(False)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape ``[c, h, w]`` of a code."""
        size = self.unet.config.sample_size
        height, width = (size, size) if isinstance(size, int) else size
        return self.unet.config.in_channels, height, width

    @property
    def device(self) -> torch.device:
        """Where the networks are."""
        found: torch.device = next(self.unet.parameters()).device
        return found

    def draw(
        self, steps: int, n: int, condition: Condition | None, generator: torch.Generator
    ) -> Tensor:
        """Return levels ``[n, *shape]`` made in ``steps`` steps of the folder's scheduler."""
        refuse_condition(condition, "latent-diffusion from a folder")
        parts = []
        for start in range(0, max(n, 1), ROWS):
            codes = normal((min(ROWS, n - start), *self.shape), generator, self.device)
            parts.append(self.decode(self.denoised(codes, steps, generator)))
        return torch.cat(parts)

    def denoised(self, noise: Tensor, steps: int, generator: torch.Generator) -> Tensor:
        """Return codes ``[n, c, h, w]``, in the first stage's units, that ``noise`` becomes."""
        self.scheduler.set_timesteps(steps)
        x = noise * self.scheduler.init_noise_sigma
        drawn = {"generator": generator} if draws(self.scheduler) else {}
        for t in self.scheduler.timesteps:
            answer = self.unet(self.scheduler.scale_model_input(x, t), t).sample
            x = self.scheduler.step(answer, t, x, return_dict=False, **drawn)[0]
        found: Tensor = x / self.stage.config.scaling_factor
        return found

    def evaluations(self, steps: int) -> float:
        """Return the evaluations behind a sample: the network's, and one of the decoder."""
        self.scheduler.set_timesteps(steps)
        return float(len(self.scheduler.timesteps) + 1)

    def encode(self, x: Tensor) -> Tensor:
        """Return codes ``[n, c, h, w]`` of levels ``x``, without noise."""
        found = self.stage.encode(scaled(x, self.levels))
        codes: Tensor = found.latents if self.stage_name == "vqvae" else found.latent_dist.mode()
        return codes

    def decode(self, codes: Tensor) -> Tensor:
        """Return levels ``[n, *shape]`` of codes."""
        return nearest_level((self.planes(codes) + 1) / 2 * (self.levels - 1), self.levels)

    def planes(self, codes: Tensor) -> Tensor:
        """Return pictures of codes as they come, black at -1 and white at 1."""
        planes: Tensor = self.stage.decode(codes).sample
        return planes

    alphabet: int | None = None

    def to_codes(self, x: Tensor) -> Tensor:
        """Return the codes of levels ``x``."""
        return self.encode(x)

    def from_codes(self, codes: Tensor) -> Tensor:
        """Return levels of codes."""
        return self.decode(codes.to(self.device, torch.float32))

    def save(self, folder: Path) -> None:
        """Write all parts as diffusers does."""
        self.unet.save_pretrained(folder / "unet")
        self.stage.save_pretrained(folder / self.stage_name)
        self.scheduler.save_pretrained(folder / "scheduler")


def check_shape(pipeline: Pipeline, shape: tuple[int, ...], data: str) -> None:
    """Raise ``UsageError`` unless the pipeline's pictures are of ``shape``."""
    with torch.no_grad():
        made = pipeline.planes(torch.zeros(1, *pipeline.shape, device=pipeline.device))
    if tuple(made.shape[1:]) != shape:
        raise UsageError(
            f"the pipeline makes pictures of shape {list(made.shape[1:])}, and those of {data} "
            f"have {list(shape)}; take one that was trained for them"
        )


def _config(folder: Path, part: str, name: str) -> dict[str, Any]:
    path = folder / part / name
    if not path.is_file():
        raise UsageError(
            f"{folder} is no folder of a latent diffusion: {part}/{name} is missing; expected what "
            "LDMPipeline.save_pretrained writes: unet, scheduler, and vqvae or vae"
        )
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found


def _part(folder: Path, part: str, wanted: str) -> Any:
    found = _config(folder, part, "config.json").get("_class_name")
    if found != wanted:
        raise UsageError(f"{folder / part} holds a {found}; expected a {wanted}")
    refuse_pickles(folder / part)
    return _class(wanted).from_pretrained(
        folder / part, local_files_only=True, use_safetensors=None if trusted() else True
    )


def _class(name: str) -> Any:
    if name == "UNet2DModel":
        from diffusers.models.unets.unet_2d import UNet2DModel as found
    elif name == "VQModel":
        from diffusers.models.autoencoders.vq_model import VQModel as found
    else:
        from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL as found
    return found


def _scheduler(folder: Path) -> Any:
    import diffusers

    name = _config(folder, "scheduler", "scheduler_config.json").get("_class_name", "")
    made = getattr(diffusers, name, None)
    if made is None or not name.endswith("Scheduler"):
        raise UsageError(f"{folder / 'scheduler'} holds a {name}; expected one of diffusers'")
    return made.from_pretrained(folder / "scheduler", local_files_only=True)
