"""Graphs that torch runs: TorchScript, and what ``torch.export`` saved."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor

from gengauge import trust
from gengauge.errors import UsageError
from gengauge_plugins.brought.archives import file_of, kind_of
from gengauge_plugins.brought.graphs import Graph, Inputs


class TorchGraph(Graph):
    """A graph in an archive of torch's: ``torch.jit.save``, or ``torch.export.save`` (``.pt2``).

    Both are programs, and are read with ``--trust`` only.
    """

    kind = "torchscript"

    def open(self, device: torch.device) -> None:
        """Load the graph onto ``device`` and look at what goes in."""
        file = file_of(self.path)
        kind = kind_of(file)
        self.device = device
        try:
            with warnings.catch_warnings():  # torch deprecates TorchScript
                warnings.simplefilter("ignore")
                if kind == "export":
                    program = torch.export.load(str(file))
                    self.inputs = _of_program(program, self.name)
                    self.net: Any = program.module().to(device)
                else:
                    self.net = torch.jit.load(str(file), map_location=device)  # type: ignore[no-untyped-call]
                    self.net.eval()
                    self.inputs = _of_schema(self.net.forward.schema, self.name)
        except (RuntimeError, ValueError, KeyError, AttributeError, OSError) as error:
            if isinstance(error, UsageError | trust.UntrustedError):
                raise
            said = " ".join(str(error).split())[:200]
            raise UsageError(
                f"'{self.path}' is no graph of torch's: {said}; save it again"
            ) from None

    def run(self, z: Tensor, labels: Tensor | None) -> Tensor:
        """Return the graph's output."""
        given = (z,) if labels is None else (z, labels.long())
        made = self.net(*(x.to(self.device) for x in given))
        first: Tensor = made[0] if isinstance(made, tuple | list) else made
        return first

    @property
    def n_parameters(self) -> int:
        """Numbers in the graph's parameters."""
        return sum(p.numel() for p in self.net.parameters())


def _of_schema(schema: Any, name: str) -> Inputs:
    """Return the inputs of TorchScript: it says how many, not of which shape."""
    needed = [a for a in schema.arguments[1:] if not a.has_default_value()]
    return Inputs(labels=_two(len(needed), [a.name for a in needed], name))


def _two(count: int, names: list[str], name: str) -> bool:
    """Return whether labels go in beside the noise; ``UsageError`` for any other inputs."""
    if count not in (1, 2):
        shown = ", ".join(names) or "none"
        raise UsageError(f"{name} takes {count} inputs ({shown}); a graph takes noise, and labels "
                         "at most: wrap it with python:module:object")  # fmt: skip
    return count == 2


def _of_program(program: Any, name: str) -> Inputs:
    """Return the inputs of an exported program, with the sizes that are fixed."""
    placed = {n.name: n.meta["val"] for n in program.graph.nodes if n.op == "placeholder"}
    values = [placed[n] for n in program.graph_signature.user_inputs if n in placed]
    floats = [v for v in values if isinstance(v, Tensor) and v.is_floating_point()]
    whole = [v for v in values if isinstance(v, Tensor) and not v.is_floating_point()]
    _two(len(values), list(program.graph_signature.user_inputs), name)
    if len(floats) != 1:
        raise UsageError(f"{name} takes no one input of floats for noise; export it with one")
    sides = floats[0].shape
    batch = sides[0] if isinstance(sides[0], int) else None
    latent = (
        tuple(int(s) for s in sides[1:]) if all(isinstance(s, int) for s in sides[1:]) else None
    )
    return Inputs(latent, batch, bool(whole))
