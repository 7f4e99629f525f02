"""Diffusion models that were trained elsewhere, as diffusers' ``save_pretrained`` leaves them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gengauge.errors import UsageError
from gengauge.trust import refuse_pickles, trusted
from gengauge_plugins.diffusion.denoising import Denoising
from gengauge_plugins.diffusion.schedule import Schedule

_MEANINGS = {"epsilon": "epsilon", "v_prediction": "v", "sample": "x0"}


class ByStep(nn.Module):
    """A network that counts time in steps of its schedule, behind the face of a timed one.

    Times between two steps become fractions of a step.
    """

    ratios: Tensor

    def __init__(self, unet: nn.Module, schedule: Schedule) -> None:
        super().__init__()
        self.unet = unet
        self.register_buffer("places", schedule.place(schedule.log_ratios), persistent=False)
        self.places: Tensor

    def forward(self, x: Tensor, t: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return the U-Net's answer to pictures ``[n, c, h, w]`` at times ``[n]`` in [0, 1]."""
        above = torch.searchsorted(self.places, t.contiguous()).clamp(1, len(self.places) - 1)
        low, high = self.places[above - 1], self.places[above]
        step = above - 1 + (t - low) / (high - low)
        nearest = step.round()
        # the exact step where it is one: rounding errors of its place would be heard
        step = torch.where((step - nearest).abs() < 1e-2, nearest, step)
        answer: Tensor = self.unet(x, step).sample
        return answer


@dataclass(frozen=True)
class Pretrained:
    """A diffusers U-Net in eval mode and its scheduler, known to be a chain of noise on pictures.

    ``UsageError`` unless it is one.
    """

    unet: Any
    scheduler: Any

    def __post_init__(self) -> None:
        known = self._meaning in _MEANINGS and hasattr(self.scheduler, "alphas_cumprod")
        name = type(self.scheduler).__name__
        if not known:
            raise UsageError(f"{name} is no chain of noise that ddpm knows; it takes those of "
                             "DDPMPipeline and DDIMPipeline")  # fmt: skip
        config = self.unet.config
        classes = config.class_embed_type is not None or config.num_class_embeds is not None
        if classes or config.in_channels != config.out_channels:
            raise UsageError(
                "the U-Net must take no classes and answer one plane for each of the picture's: "
                "ddpm loads unconditional ones with a fixed variance"
            )

    @classmethod
    def of(cls, folder: str) -> Pretrained:
        """Return the model that diffusers saved into ``folder``; nothing is downloaded."""
        path = Path(folder)
        index = _json(path / "model_index.json", folder)
        if index.get("unet", [None, None])[1] != "UNet2DModel":
            raise UsageError(f"{folder} holds no UNet2DModel, but {index.get('unet')}; ddpm loads "
                             "folders of DDPMPipeline and DDIMPipeline")  # fmt: skip
        import diffusers

        kind = _scheduler_class(index.get("scheduler", [None, None])[1])
        refuse_pickles(path / "unet")
        try:
            source: Any = diffusers.UNet2DModel
            unet = source.from_pretrained(
                path / "unet", local_files_only=True, use_safetensors=None if trusted() else True
            )
            scheduler = kind.from_pretrained(path / "scheduler", local_files_only=True)
        except (OSError, ValueError) as error:
            raise UsageError(f"{folder} is not whole: {error}") from None
        return cls(unet.eval(), scheduler)

    @classmethod
    def restored(cls, known: dict[str, Any]) -> Pretrained:
        """Return what ``described`` told of, with weights yet to be loaded."""
        import diffusers

        name, config = known["scheduler"]
        source: Any = diffusers.UNet2DModel
        unet = source.from_config(known["unet"])
        return cls(unet.eval(), _scheduler_class(name).from_config(config))

    def described(self) -> dict[str, Any]:
        """Return all but the weights, as JSON has it."""
        name = type(self.scheduler).__name__
        return {
            "unet": _plain(self.unet.config),
            "scheduler": [name, _plain(self.scheduler.config)],
        }

    @property
    def _meaning(self) -> str:
        return str(self.scheduler.config.get("prediction_type", "epsilon"))

    @property
    def shape(self) -> tuple[int, ...]:
        """Channels and sides of its pictures."""
        size = self.unet.config.sample_size
        sides = (size, size) if isinstance(size, int) else tuple(size)
        return (int(self.unet.config.in_channels), *sides)

    @property
    def denoising(self) -> Denoising:
        """The U-Net, asked for x_0, on its own schedule."""
        schedule = Schedule(self.scheduler.alphas_cumprod.double())
        network = ByStep(self.unet, schedule)
        return Denoising(network, schedule, _MEANINGS[self._meaning])

    def stepper(self, steps: int) -> Any:
        """Return its scheduler, set to ``steps``, that takes guesses of x_0."""
        made = type(self.scheduler).from_config(self.scheduler.config, prediction_type="sample")
        made.set_timesteps(steps)
        return made


def _plain(config: Any) -> dict[str, Any]:
    """Return what of ``config`` decides anything: not the private notes, such as whence it came."""
    return {key: value for key, value in dict(config).items() if not key.startswith("_")}


def _scheduler_class(name: Any) -> Any:
    import diffusers

    found = getattr(diffusers, str(name), None)
    if found is None or not str(name).endswith("Scheduler"):
        raise UsageError(f"there is no scheduler {name} in diffusers")
    return found


def _json(path: Path, folder: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{folder} is no folder of diffusers' save_pretrained: {error}") from None
    return found
