"""Pipelines of diffusers, called as their signatures say."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from gengauge.errors import UsageError
from gengauge.model import Condition
from gengauge_plugins.brought import keeping
from gengauge_plugins.brought.folders import check, folder_of
from gengauge_plugins.brought.opened import loaded, quiet, scheduler_called
from gengauge_plugins.brought.outputs import as_tensor, in_levels, shaped

_OURS = {  # arguments of a pipeline's call that are given here
    "self", "batch_size", "prompt", "class_labels", "num_inference_steps", "guidance_scale",
    "generator", "output_type",
}  # fmt: skip
_NETWORKS = ("unet", "transformer", "prior", "vqvae_decoder")  # what is evaluated at each step
_DECODERS = ("vae", "vqvae", "movq", "vqgan")
_CLASSES = ("num_class_embeds", "num_embeds_ada_norm")
_DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
_SHARES = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1)  # of the steps, to show quality against evaluations


class Pipeline(keeping.Brought):
    """Any pipeline that makes pictures: of nothing in particular, of classes or of captions.

    Weights are read from safetensors, and no code comes from the folder. Pictures are made in
    blocks by one generator, and a safety checker, which would blacken some, is left out.

    Arguments:
        path: Folder of ``save_pretrained``, or an id of the Hugging Face hub.
        steps: Of the sampler; 0 for the pipeline's own number.
        scheduler: Name of another of diffusers' schedulers; empty for the pipeline's own.
        guidance: Guidance scale; below 0 for the pipeline's own.
        batch: Samples a call.
        dtype: Precision of the networks.
        variant: Of the weights' files.
        resize: Rule for pictures of another size than the data's.
    """

    def __init__(
        self, path: str, steps: int = 0, scheduler: str = "", guidance: float = -1.0,
        batch: int = 16, dtype: str = "fp32", variant: str = "", resize: str = "none",
    ) -> None:  # fmt: skip
        super().__init__(f"diffusers:{path}")
        self.path, self.steps, self.scheduler, self.guidance = path, steps, scheduler, guidance
        self.batch, self.dtype, self.variant, self.resize = batch, dtype, variant, resize
        self.rows = 0  # rows that the network was evaluated on

    def open(self, device: torch.device) -> None:
        """Load the pipeline onto ``device``."""
        folder = folder_of(self.path)
        check(folder)
        pipe = loaded(folder, self.variant)
        if self.scheduler:
            kind = scheduler_called(self.scheduler)
            pipe.scheduler = kind.from_config(pipe.scheduler.config)
        pipe.set_progress_bar_config(disable=True)
        with quiet():
            self.pipe = pipe.to(device, _DTYPES[self.dtype])
        self.takes = inspect.signature(type(pipe).__call__).parameters
        self._check_call()
        network = next((getattr(pipe, n) for n in _NETWORKS if _is(pipe, n)), None)
        self.network = network
        if network is not None:
            network.register_forward_pre_hook(self._count, with_kwargs=True)

    def _check_call(self) -> None:
        """Raise ``UsageError`` unless the pipeline can be called with what there is to give."""
        kind, ways = type(self.pipe).__name__, inspect.Parameter
        needed = [
            name for name, p in self.takes.items()
            if name not in _OURS and p.default is ways.empty
            and p.kind in (ways.POSITIONAL_ONLY, ways.POSITIONAL_OR_KEYWORD, ways.KEYWORD_ONLY)
        ]  # fmt: skip
        if needed or not {"batch_size", "prompt", "class_labels"} & set(self.takes):
            what = " and ".join(needed) or "no number of pictures, label or prompt"
            raise UsageError(
                f"{self.name} is a {kind}, which is called with {what}; gengauge calls pipelines "
                "with a number of pictures, class labels or prompts: wrap it with "
                "python:module:object"
            )
        for given, name in (
            (self.steps, "num_inference_steps"),
            (self.guidance >= 0, "guidance_scale"),
        ):
            if given and name not in self.takes:
                option = "steps" if name.startswith("num") else "guidance"
                raise UsageError(
                    f"{self.name} is a {kind}, which takes no {name}; leave {option} away"
                )

    def _count(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        given = (x for x in (*args, *kwargs.values()) if isinstance(x, Tensor) and x.ndim > 1)
        self.rows += len(next(given, ()))

    @property
    def classes(self) -> int | None:
        """Classes the network was trained with, None where it takes none."""
        config = getattr(self.network, "config", {})
        found = next((config[key] for key in _CLASSES if config.get(key)), None)
        return int(found) if found and "class_labels" in self.takes else None

    @property
    def taken_conditions(self) -> Sequence[str]:
        """Captions where it takes prompts, classes where it takes labels."""
        if "prompt" in self.takes:
            return ("caption",)
        return ("class",) if self.classes else ()

    def check(self) -> None:
        """Raise ``UsageError`` where the data has classes that the pipeline has not."""
        there = len(self.known["classes"])
        if self.classes and there > self.classes:
            raise UsageError(
                f"{self.name} knows {self.classes} classes, and {self.known['data']} has {there}; "
                "take data it was trained for"
            )

    def usual_labels(self, n: int, generator: torch.Generator) -> Tensor:
        """Return labels as frequent as in training, any of the network's where there are none."""
        if self.known["classes"]:
            return super().usual_labels(n, generator)
        high = self.classes or 1
        return torch.randint(high, (n,), generator=generator, device=generator.device).cpu()

    def sample(self, n: int, condition: Condition | None, generator: torch.Generator) -> Tensor:
        """Return levels ``[n, C, H, W]``."""
        return self.sample_in(self._steps, n, condition, generator)[0]

    @property
    def _steps(self) -> int:
        """Steps of the sampler, 0 where the pipeline takes no number of them."""
        if "num_inference_steps" not in self.takes:
            return 0
        usual = self.takes["num_inference_steps"].default
        most = getattr(self.pipe.scheduler, "config", {}).get("num_train_timesteps", usual)
        return self.steps or min(int(usual or 1), int(most or usual or 1))

    @property
    def step_choices(self) -> Sequence[int]:
        """Shares of the steps it is sampled with."""
        return sorted({max(1, round(self._steps * share)) for share in _SHARES if self._steps})

    def sample_in(
        self, steps: int, n: int, condition: Condition | None, generator: torch.Generator
    ) -> tuple[Tensor, float]:
        """Return ``n`` samples made in ``steps`` steps, and the evaluations behind each."""
        asked, made = self.asked(n, condition, generator), []
        self.rows = 0
        with torch.no_grad(), keeping.seeded_by(generator), quiet():
            for start, stop in keeping.blocks(n, self.batch):
                if stop > start:
                    given = self._given(steps, stop - start, keeping.part(asked, start, stop))
                    made.append(self._called(stop - start, {**given, "generator": generator}))
        x = torch.cat(made) if made else torch.zeros(0, *self.shape)
        return in_levels(x, "0..1", self.levels, self.name), self._evaluations(n)

    def _given(self, steps: int, n: int, asked: Any) -> dict[str, Any]:
        """Return the arguments of a call for ``n`` pictures, of those that it takes."""
        labels = asked.tolist() if isinstance(asked, Tensor) else None
        given = {
            "batch_size": n, "prompt": asked if labels is None else None, "class_labels": labels,
            "num_inference_steps": steps or None, "output_type": "np",
            "guidance_scale": self.guidance if self.guidance >= 0 else None,
        }  # fmt: skip
        return {k: v for k, v in given.items() if k in self.takes and v is not None}

    def _called(self, n: int, given: dict[str, Any]) -> Tensor:
        """Return floats from 0 to 1 ``[n, C, H, W]``, of the data's size."""
        if "generator" not in self.takes:
            given.pop("generator")
        found = self.pipe(**given)
        pictures = getattr(found, "images", None)
        if pictures is None:
            kind = type(self.pipe).__name__
            raise UsageError(
                f"{self.name} is a {kind}, which makes no pictures; take one that does"
            )
        x = as_tensor(pictures, self.name)
        x = x if x.is_floating_point() else x.float() / 255
        return shaped(x, n, self.shape, self.known["data"], self.name, self.resize)

    def _evaluations(self, n: int) -> float:
        """Return the evaluations behind a sample: the network's, and one of a decoder."""
        decoded = any(_is(self.pipe, name) for name in _DECODERS)
        self.counted = self.rows / max(n, 1) + decoded
        return self.counted

    @property
    def evaluations_per_sample(self) -> float:
        """Evaluations of the network behind a sample, as they were counted, and of a decoder."""
        if not hasattr(self, "counted"):
            self.sample(1, None, torch.Generator().manual_seed(0))
        return self.counted

    @property
    def n_parameters(self) -> int:
        """Numbers in all of its networks, shared ones counted once."""
        networks = [m for m in self.pipe.components.values() if isinstance(m, nn.Module)]
        every = {id(p): p.numel() for network in networks for p in network.parameters()}
        return sum(every.values())


def _is(pipe: Any, name: str) -> bool:
    return isinstance(getattr(pipe, name, None), nn.Module)
