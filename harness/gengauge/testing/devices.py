"""The law of devices: what was saved on one machine answers on another's card."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import safetensors.torch
import torch
from safetensors import safe_open
from torch import Tensor, nn

from gengauge.model import Model
from gengauge.testing.case import Case, NotApplicable, look_like_data, require

_META = torch.device("meta")  # holds shapes and no values: every machine has it
_NONE = "there is no accelerator here (torch.accelerator)"
_TWO = ("same device", "expected device")  # in torch's errors where two devices meet
_CLOSE = 1e-3  # of log-likelihoods, whose sums round differently on a card
_DEPTH = 6  # objects within objects that are searched for tensors


def loading_goes_to_the_device(case: Case) -> None:
    """A model is loaded onto the device that it is given, and answers there.

    On an accelerator it samples from a generator that lives there and scores as on the CPU. Where
    there is none, it is loaded onto torch's ``meta`` device, which knows shapes and devices alone,
    and asked for its likelihood there.
    """
    with tempfile.TemporaryDirectory() as folder:
        case.model.save(Path(folder) / "model")
        here = torch.accelerator.current_accelerator(check_available=True)
        if here is None:
            _on_paper(case, Path(folder) / "model")
        else:
            _on_a_card(case, Path(folder) / "model", here)


def _on_paper(case: Case, folder: Path) -> None:
    loaded = case.build()
    try:
        with patch.object(safetensors.torch, "safe_open", _OpenedOnPaper):
            loaded.load(folder, _META)
    except Exception as error:  # meta tensors have no values, and a load may look at some
        raise NotApplicable(
            f"{_NONE}, and load looks at values, which torch's meta device has not "
            f"({type(error).__name__})"
        ) from None
    places = {name: t.device == _META for name, t in tensors_of(loaded)}
    if not any(places.values()):
        raise NotApplicable(
            f"{_NONE}, and the model keeps nothing on the device it is given: whether it answers "
            "a generator that lives elsewhere can be seen on one only"
        )
    if _answers_on_paper(case, loaded):
        return
    stayed = [name for name, moved in places.items() if not moved]
    if stayed:
        raise NotApplicable(
            f"{_NONE}, and some tensors stay on the CPU ({', '.join(stayed[:3])}): whether they "
            "ever meet the others can be seen on one only"
        )


def _answers_on_paper(case: Case, loaded: Model) -> bool:
    """Return whether the likelihood could be asked on meta; raise where two devices meet."""
    for name, network in ((n, m) for n, m in vars(loaded).items() if isinstance(m, nn.Module)):
        places = {t.device.type for t in [*network.parameters(), *network.buffers()]}
        require(len(places) < 2, f"the network {name} on one device", " and ".join(sorted(places)),
                "move the whole network to device in load")  # fmt: skip
    try:
        found = case.likelihood(loaded, case.dataset.validation.x[: case.n].to(_META))
    except Exception as error:
        met = isinstance(error, RuntimeError) and any(said in str(error) for said in _TWO)
        require(not met, "a likelihood of one device", " ".join(str(error).split()),
                "move every tensor that the likelihood reads to device in load")  # fmt: skip
        return False
    return found is not None


class _OpenedOnPaper:
    """A file of safetensors whose tensors go to any device: its own reader knows no meta."""

    def __init__(self, filename: Any, framework: str, device: Any = "cpu", **more: Any) -> None:
        self.device = device
        self.file: Any = safe_open(filename, framework=framework, device="cpu", **more)

    def __enter__(self) -> _OpenedOnPaper:
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)

    def get_tensor(self, name: str) -> Tensor:
        tensor: Tensor = self.file.get_tensor(name).to(self.device)
        return tensor

    def get_tensors(self) -> dict[str, Tensor]:
        return {name: self.get_tensor(name) for name in self.file.keys()}  # noqa: SIM118


def _on_a_card(case: Case, folder: Path, device: torch.device) -> None:
    loaded = case.build()
    loaded.load(folder, device)
    generator = torch.Generator(device).manual_seed(1)
    with torch.no_grad():
        samples = loaded.sample(case.n, None, generator)
    look_like_data(case, samples.cpu(), case.n)
    x = case.dataset.validation.x[: case.n]
    before, after = case.likelihood(case.model, x), case.likelihood(loaded, x.to(device))
    if before is None or after is None:
        return
    close = torch.allclose(before.double(), after.double().cpu(), rtol=_CLOSE, atol=_CLOSE)
    require(close, f"the likelihoods of the CPU on {device}", "others",
            "save every tensor that the likelihood reads")  # fmt: skip


def tensors_of(model: Model) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors that a model's attributes hold, each with where it was found."""
    seen: set[int] = set()

    def search(name: str, value: Any, depth: int) -> Iterator[tuple[str, Tensor]]:
        if isinstance(value, Tensor):
            yield name, value
            return
        if depth == 0 or id(value) in seen:
            return
        seen.add(id(value))
        if isinstance(value, nn.Module):
            for part, tensor in [*value.named_parameters(), *value.named_buffers()]:
                yield f"{name}.{part}", tensor
        elif isinstance(value, dict):
            for key, item in value.items():
                yield from search(f"{name}[{key!r}]", item, depth - 1)
        elif isinstance(value, list | tuple):
            for i, item in enumerate(value):
                yield from search(f"{name}[{i}]", item, depth - 1)
        elif hasattr(value, "__dict__") and not isinstance(value, type | torch.Generator):
            for key, item in vars(value).items():
                yield from search(f"{name}.{key}", item, depth - 1)

    for name, value in vars(model).items():
        yield from search(name, value, _DEPTH)
