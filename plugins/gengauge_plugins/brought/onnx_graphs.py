"""Graphs in ONNX files, run by ONNX Runtime."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gengauge.errors import NotReadyError, UsageError
from gengauge_plugins.brought.archives import file_of, files_of
from gengauge_plugins.brought.graphs import Graph, Inputs

_FLOATS = {
    "tensor(float)": torch.float32, "tensor(float16)": torch.float16,
    "tensor(double)": torch.float64,
}  # fmt: skip
_WHOLE = {"tensor(int64)": torch.int64, "tensor(int32)": torch.int32}


class OnnxGraph(Graph):
    """A graph in an ONNX file: operations alone, no program, so that it needs no trust."""

    kind = "onnx"

    def open(self, device: torch.device) -> None:
        """Load the graph, onto the graphics card where the runtime can use it."""
        try:
            import onnxruntime
        except ImportError:
            raise NotReadyError(
                f"{self.name} needs onnxruntime: pip install 'gengauge[onnx]'"
            ) from None
        file = file_of(self.path)
        files_of(file)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3
        there = onnxruntime.get_available_providers()
        wanted = ["CUDAExecutionProvider"] if device.type == "cuda" else []
        providers = [p for p in (*wanted, "CPUExecutionProvider") if p in there]
        try:
            self.session: Any = onnxruntime.InferenceSession(
                str(file), options, providers=providers
            )
        except Exception as error:  # the runtime's errors have no base of their own
            said = " ".join(str(error).split())[:200]
            raise UsageError(
                f"'{self.path}' is no graph of ONNX: {said}; export it again"
            ) from None
        self.inputs = self._looked_at()

    def _looked_at(self) -> Inputs:
        """Find noise and labels among the inputs, by type."""
        every = self.session.get_inputs()
        floats = [i for i in every if i.type in _FLOATS]
        whole = [i for i in every if i.type in _WHOLE]
        if len(floats) != 1 or len(whole) > 1 or len(floats) + len(whole) != len(every):
            shown = ", ".join(f"{i.name}: {i.type}" for i in every) or "none"
            raise UsageError(
                f"{self.name} takes the inputs {shown}; a graph takes one of floats, noise, and "
                "one of integers, labels, at most"
            )
        self.z, self.labels = floats[0], whole[0] if whole else None
        batch, *sides = self.z.shape
        fixed = all(isinstance(side, int) for side in sides)
        return Inputs(
            tuple(sides) if fixed else None, batch if isinstance(batch, int) else None, bool(whole)
        )

    def run(self, z: Tensor, labels: Tensor | None) -> Tensor:
        """Return the graph's first output."""
        given = {self.z.name: z.to(_FLOATS[self.z.type]).numpy()}
        if self.labels is not None and labels is not None:
            given[self.labels.name] = labels.to(_WHOLE[self.labels.type]).numpy()
        return torch.from_numpy(self.session.run(None, given)[0])
