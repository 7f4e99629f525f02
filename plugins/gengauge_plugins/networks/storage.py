"""Fitted models on disk: tensors as safetensors, the rest as JSON, never a pickle."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from gengauge import seeds

Network = TypeVar("Network", bound=nn.Module)
_TENSORS, _CONFIG = "model.safetensors", "model.json"


def save_state(folder: Path, tensors: Mapping[str, Tensor], config: Mapping[str, Any]) -> None:
    """Write ``tensors`` and the JSON-able ``config`` into ``folder``, which is made if missing."""
    folder.mkdir(parents=True, exist_ok=True)
    # safetensors refuses views and shared storage, which a state dict may well hold
    owned = {name: t.detach().to("cpu").clone().contiguous() for name, t in tensors.items()}
    save_file(owned, folder / _TENSORS)
    text = json.dumps(dict(config), indent=1, sort_keys=True)
    (folder / _CONFIG).write_text(text + "\n", encoding="utf-8")


def load_state(folder: Path, device: torch.device) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the tensors, on ``device``, and the config that ``save_state`` wrote."""
    config = json.loads((folder / _CONFIG).read_text(encoding="utf-8"))
    return load_file(folder / _TENSORS, device=str(device)), config


def load_network(
    folder: Path, device: torch.device, build: Callable[[dict[str, Any]], Network]
) -> Network:
    """Return what ``build(config)`` makes, with the saved weights, on ``device``, ready to use."""
    tensors, config = load_state(folder, device)
    with seeds.global_seed(0):  # the weights drawn here are replaced, the stream is not used up
        network = build(config).to(device)
    network.load_state_dict(tensors)
    return network.eval()
