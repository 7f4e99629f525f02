"""Objects of the user's: whatever they can do that a model can is passed on."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gengauge import seeds
from gengauge.errors import UsageError
from gengauge.model import CAPABILITIES, Condition, CountsNFE, CountsParameters, Guided
from gengauge_plugins.brought import keeping
from gengauge_plugins.brought.modules import OWN, find, is_factory
from gengauge_plugins.brought.outputs import as_tensor, in_levels, shaped

_CONDITIONS = {
    "condition": ("class",), "conditions": ("class",), "labels": ("class",), "label": ("class",),
    "y": ("class",), "classes": ("class",), "class_labels": ("class",),
    "captions": ("caption",), "caption": ("caption",), "prompts": ("caption",),
    "prompt": ("caption",), "texts": ("caption",), "prefix": ("prefix",), "prefixes": ("prefix",),
}  # fmt: skip
_ANY = ("condition", "conditions")  # labels or captions, and None where nothing is asked for
_GENERATORS = ("generator", "rng", "random_state", "seed")
_SHOWN = (*CAPABILITIES.values(), CountsNFE, CountsParameters, Guided)
_WAYS = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class Object(keeping.Brought):
    """An object with ``sample``, called by its signature.

    Its first argument is the number of samples. A condition goes to one called ``condition``,
    ``labels``, ``captions`` ..., randomness to one called ``generator`` (a ``torch.Generator``),
    ``rng`` (numpy's), ``random_state`` or ``seed``; where it takes none, the global streams are
    seeded for each call.

    Arguments:
        path: ``module:object``.
        range: What stands for black and white in floats; ``unsaid`` as ``gengauge.Model`` has it.
        batch: Samples a call; 0 for all at once.
        resize: Rule for pictures of another size than the data's.
        built: What the object is built with.
    """

    def __init__(
        self, path: str, range: str = "unsaid", batch: int = 0, resize: str = "none",
        built: Mapping[str, Any] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(f"python:{path}")
        self.range, self.batch, self.resize = range, batch, resize
        self.object = _built(path, built or {})
        self.takes = _taken(self.object.sample)

    def open(self, device: torch.device) -> None:
        """Move the object where the run is, in the mode for use, if it knows of either."""
        if hasattr(self.object, "to"):
            moved = self.object.to(device)
            self.object = self.object if moved is None else moved
        if isinstance(self.object, nn.Module):
            self.object.eval()

    @property
    def taken_conditions(self) -> Sequence[str]:
        """What the object says of its ``conditions``, else what its arguments' names do."""
        said = getattr(self.object, "conditions", None)
        if isinstance(said, list | tuple) and all(isinstance(kind, str) for kind in said):
            return tuple(said)
        return _CONDITIONS[self.takes["condition"]] if "condition" in self.takes else ()

    def asked(
        self, n: int, condition: Condition | None, generator: torch.Generator
    ) -> Condition | None:
        """Return what is asked for; where nothing is, it is the object that decides if it can."""
        name = self.takes.get("condition")
        if name in _ANY and condition is not None:
            return condition if isinstance(condition, Tensor) else list(condition)
        if condition is None and (name in _ANY or name not in self.takes["needed"]):
            return None
        return super().asked(n, condition, generator)

    def sample(self, n: int, condition: Condition | None, generator: torch.Generator) -> Tensor:
        """Return samples ``[n, *event]`` in the data's own form."""
        prefix = isinstance(condition, Tensor) and condition.ndim > 1
        asked, made = condition if prefix else self.asked(n, condition, generator), []
        for start, stop in keeping.blocks(n, self.batch or max(n, 1)):
            if stop > start:
                x = self._called(stop - start, keeping.part(asked, start, stop), generator)
                made.append(shaped(
                    x, stop - start, self.shape, self.known["data"], self.name, self.resize
                ))  # fmt: skip
        x = torch.cat(made) if made else torch.zeros(0, *self.shape)
        if self.range == "unsaid":
            return x.to(torch.uint8) if x.dtype == torch.bool else x
        return in_levels(x, self.range, self.levels, self.name)

    def _called(self, n: int, asked: Any, generator: torch.Generator) -> Tensor:
        given: dict[str, Any] = {}
        name = self.takes.get("condition", "")
        if asked is not None or name in self.takes["needed"]:
            given[name] = asked
        with keeping.seeded_by(generator):
            if random := self.takes.get("generator", ""):
                given[random] = _stream(random, self._near(generator))
            size: Any = (n,) if self.takes["size"] == "sample_shape" else n
            made = self.object.sample(size, **given)
        return as_tensor(made, self.name)

    def _near(self, generator: torch.Generator) -> torch.Generator:
        """Return randomness where the object is: on the CPU, unless it can be moved."""
        if generator.device.type == "cpu" or hasattr(self.object, "to"):
            return generator
        seed = int(torch.randint(2**62, (1,), generator=generator, device=generator.device))
        return torch.Generator().manual_seed(seed)


def wrapped(path: str, **parameters: Any) -> Object:
    """Return the object called ``path`` as a model that has every capability the object has."""
    own = {p.name for p in OWN}
    built = find(path)
    settings = set(_parameters(built)) if is_factory(built) else set()
    given = {k: v for k, v in parameters.items() if k in settings}
    made = Object(
        path, built=given, **{k: parameters[k] for k in own - settings if k in parameters}
    )
    names = {name for kind in _SHOWN if isinstance(made.object, kind) for name in _members(kind)}
    shown = {name: _shown(name, getattr(made.object, name)) for name in sorted(names)}
    made.__class__ = type("Object", (Object,), {**shown, "__module__": Object.__module__})
    return made


def _built(path: str, built: Mapping[str, Any]) -> Any:
    """Return the object, built the same way each time; ``UsageError`` where it cannot sample."""
    found = find(path)
    if is_factory(found):
        with seeds.global_seed(seeds.named_seed("python", path)):
            found = found(**built)
    if not callable(getattr(found, "sample", None)):
        kind = type(found).__name__
        raise UsageError(
            f"'python:{path}' is a {kind} without sample; name an object with sample(n), or what "
            "returns one"
        )
    return found


def _parameters(found: Any) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(found).parameters
    except (TypeError, ValueError):
        return {}


def _taken(sample: Callable[..., Any]) -> dict[str, Any]:
    """Return by which names ``sample`` takes what it is given."""
    every = _parameters(sample)
    names = [name for name, p in every.items() if p.kind in _WAYS]
    rest = names[1:] if next(iter(every), "") in names[:1] else names
    taken: dict[str, Any] = {
        "size": next(iter(every), ""),
        "needed": {name for name in rest if every[name].default is every[name].empty},
    }  # fmt: skip
    for kind, known in (("condition", _CONDITIONS), ("generator", _GENERATORS)):
        found = [name for name in rest if name in known]
        taken |= {kind: found[0]} if found else {}
    return taken


def _stream(name: str, generator: torch.Generator) -> Any:
    """Return randomness as an argument called ``name`` expects it."""
    if name == "generator":
        return generator
    seed = int(torch.randint(2**31, (1,), generator=generator, device=generator.device))
    return np.random.default_rng(seed) if name == "rng" else seed


def _members(protocol: type) -> set[str]:
    return {n for base in protocol.__mro__ for n in vars(base) if n[:1] != "_"} - {"sample"}


def _shown(name: str, value: Any) -> Any:
    """Return a member that passes on to the object's own, arrays turned into tensors."""
    if not callable(value):
        return property(lambda self: getattr(self.object, name))

    def call(self: Object, *args: Any, **kwargs: Any) -> Any:
        found = getattr(self.object, name)(*args, **kwargs)
        return torch.from_numpy(found) if isinstance(found, np.ndarray) else found

    call.__name__ = name
    return call
