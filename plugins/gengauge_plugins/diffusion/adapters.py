"""Adapters of low rank on a diffusion's network, by peft, which is loaded when it is used."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gengauge import FitRun, seeds
from gengauge.errors import NotReadyError, UsageError
from gengauge.trust import refuse_pickles
from gengauge_plugins.diffusion.ddpm import DDPM
from gengauge_plugins.diffusion.network import Network, blank_logits, build
from gengauge_plugins.diffusion.objective import denoising_loss, fit_average

_ROWS = "context.vectors"  # the table of classes


def require_peft(model: str) -> None:
    """Raise ``NotReadyError`` where peft is not installed."""
    try:
        there = find_spec("peft") is not None
    except (ImportError, ValueError):  # hidden from us
        there = False
    if not there:
        raise NotReadyError(f"{model} needs peft: pip install 'gengauge[lora]'")


@torch.no_grad()
def grown(base: DDPM, new: Tensor, frequency: Tensor) -> Network:
    """Return the base's network with room for all classes of ``frequency`` ``[classes]``.

    Rows of the new classes become that of no class in particular, so that the base answers for
    them with what it knows.
    """
    old = base.network
    known, classes = base.form.classes, max(base.form.classes, len(frequency))
    base.form = replace(base.form, classes=classes)
    blank = torch.zeros(classes, device=frequency.device)
    blank[: len(frequency)] = frequency
    with seeds.global_seed(0):  # every weight is replaced
        made = build(
            base.form, base.schedule, (old.shift, old.spread), blank_logits(base.form), blank
        )
    made = made.to(old.shift.device)
    state = old.state_dict()
    rows = state.pop(f"denoising.network.{_ROWS}.weight")
    state.pop("frequency")
    made.load_state_dict(state, strict=False)
    table = _table(made)
    table.copy_(rows[-1:].expand_as(table))
    table[:known] = rows[:-1]
    table[new.to(table.device)] = rows[-1]
    return made.eval()


def _table(network: Network) -> Tensor:
    weight = network.denoising.network.get_submodule(_ROWS).weight
    assert isinstance(weight, Tensor)
    return weight


def wrapped(base: Network, new: list[int], rank: int, alpha: int, seed: int) -> Network:
    """Return a copy of ``base`` with an untrained adapter on every layer and the new rows."""
    import peft

    network = copy.deepcopy(base)
    inner = network.denoising.network
    layers = [n for n, m in inner.named_modules() if isinstance(m, nn.Linear | nn.Conv2d)]
    config = peft.LoraConfig(
        r=rank, lora_alpha=alpha, target_modules=layers, trainable_token_indices={_ROWS: new}
    )
    with seeds.global_seed(seeds.named_seed(seed, "adapter")), _quiet():
        network.denoising.network = peft.get_peft_model(inner, config)
    return network


def fitted(
    run: FitRun,
    network: Network,
    given: tuple[Tensor, ...],
    held_out: tuple[Tensor, ...],
    width: float,
    batch_size: int,
    lr: float,
) -> Network:
    """Train the adapter of ``network`` and return the average of its weights, merged."""
    found = fit_average(
        run, network, denoising_loss, given, validation=held_out if len(held_out[0]) else None,
        width=width, batch_size=batch_size, lr=lr,
    )  # fmt: skip
    assert isinstance(found, Network)
    wrapper: Any = found.denoising.network
    wrapper.merge_adapter()
    return found


def size(network: Network) -> int:
    """Return how many numbers the adapter of ``network`` has."""
    import peft

    state = peft.get_peft_model_state_dict(network.denoising.network)
    return sum(t.numel() for t in state.values())


def merged(network: Network) -> Network:
    """Return a copy of ``network`` whose adapter has become part of its weights."""
    plain = copy.deepcopy(network)
    wrapper: Any = plain.denoising.network
    with _quiet():
        plain.denoising.network = wrapper.merge_and_unload()
    return plain


def save(network: Network, folder: Path) -> None:
    """Write the adapter as peft does: ``adapter_model.safetensors`` and ``adapter_config.json``."""
    wrapper: Any = network.denoising.network
    with _quiet():
        wrapper.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)  # a form to fill in, which nobody will


def load(base: Network, folder: Path, device: torch.device) -> Network:
    """Return a copy of ``base`` with the adapter in ``folder``, merged, on ``device``."""
    import peft

    refuse_pickles(folder)
    if not any(folder.glob("adapter_model.*")):  # peft would ask the Hugging Face hub for it
        raise UsageError(f"'{folder}' holds no adapter of peft's: adapter_model.safetensors")
    network = copy.deepcopy(base)
    with seeds.global_seed(0), _quiet():
        wrapper = peft.PeftModel.from_pretrained(
            network.denoising.network, folder, torch_device=str(device)
        )
    wrapper.merge_adapter()
    network.denoising.network = wrapper
    return network.to(device).eval().requires_grad_(False)


@contextmanager
def _quiet() -> Iterator[None]:
    """Let peft wonder in silence that the network has no configuration of a language model."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
