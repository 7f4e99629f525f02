"""Code size: how many bits a code takes, stored as an arithmetic coder would store it.

Sources: Theis et al. 2017, Lossy Image Compression with Compressive Autoencoders, section 2,
https://arxiv.org/abs/1703.00395 (rounded codes, rate as a cross-entropy); Krichevsky & Trofimov
1981, The performance of universal encoding, https://doi.org/10.1109/TIT.1981.1056331.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gengauge.data import Split
from gengauge.errors import DivergedError
from gengauge.evidence import Evidence
from gengauge.metric import Score, unscored
from gengauge.model import Encoder
from gengauge.statistics import mean_interval
from gengauge.units import in_units

COARSER = (8, 4, 2)  # bits a float, shown in the details for what coarser codes would lose
_MOST = 10_000  # training examples that the tables are counted on
_MOST_BITS = 16  # beyond, a table has more entries than any data could fill
_PRIOR = 0.5  # counts that every symbol starts with (Krichevsky & Trofimov)


@dataclass(frozen=True)
class Grid:
    """Cells of equal width over the range that each number of the codes has in training data.

    ``low`` and ``width`` are ``[q]``, float64. A number that never changes has the width 0.
    """

    low: Tensor
    width: Tensor
    cells: int

    @classmethod
    def over(cls, codes: Tensor, bits: int) -> Grid:
        """Return the grid of ``2^bits`` cells over ``codes`` ``[n, q]``."""
        low, high = codes.amin(0), codes.amax(0)
        return cls(low, (high - low) / 2**bits, 2**bits)

    def symbols(self, codes: Tensor) -> Tensor:
        """Return the cell of each number ``[n, q]``, int64; one outside gets the nearest."""
        place = torch.where(self.width > 0, (codes - self.low) / self.width, 0.0)
        return place.floor().clamp(0, self.cells - 1).to(torch.int64)

    def centres(self, symbols: Tensor) -> Tensor:
        """Return the middle of each cell ``[n, q]``, float64."""
        return self.low + (symbols + 0.5) * self.width


def code_size(evidence: Evidence, bits: int) -> Score:
    """Return the mean length of a test example's code over its number of values, bits.

    The tables of the coder are counted on training data, a table for each number of the code, as
    if numbers were independent; so the length is one that can be reached. The details hold the
    length without entropy coding, what the data takes as it is, and the squared error of decoded
    codes at ``bits`` and coarser.
    """
    model, data = evidence.model, evidence.dataset
    if not isinstance(model, Encoder):
        return unscored("does not encode")
    if bits > _MOST_BITS:
        raise ValueError(f"expected at most {_MOST_BITS} bits, got {bits}")
    if len(data.test) < 2 or len(data.train) < 2:
        least = min(len(data.test), len(data.train))
        return unscored(f"needs at least 2 training and test examples, got {least}")
    learnt = _codes(evidence, model, data.train.first(_MOST))
    codes = _codes(evidence, model, data.test)
    if model.alphabet is None:
        lengths, details = _of_floats(evidence, model, learnt, codes, bits)
    else:
        symbols, counted = codes.to(torch.int64), learnt.to(torch.int64)
        lengths = code_lengths(symbols, counted, model.alphabet)
        details = {"fixed_length": codes.shape[1] * math.log2(model.alphabet) / data.dimensions}
    per_value = lengths / data.dimensions
    if data.levels:
        details["data"] = math.log2(data.levels)
    details["numbers"] = codes.shape[1]
    return Score(
        float(np.mean(per_value.numpy())), mean_interval(per_value), "exact",
        n_reference=len(codes), details=details, per_example=per_value,
    )  # fmt: skip


def code_lengths(symbols: Tensor, counted: Tensor, alphabet: int) -> Tensor:
    """Return the code length of each row of ``symbols`` ``[n, q]`` in bits ``[n]``, float64.

    A symbol takes -log2 of its share in its column of ``counted`` ``[m, q]``, to which half an
    example of every one of the ``alphabet`` is added.

    >>> every = torch.arange(8)[:, None]
    >>> code_lengths(torch.tensor([[3], [5]]), every, 8)
    tensor([3., 3.], dtype=torch.float64)
    """
    lengths = torch.zeros(len(symbols), dtype=torch.float64)
    for column, seen in zip(symbols.T, counted.T, strict=True):
        counts = torch.bincount(seen, minlength=alphabet).to(torch.float64) + _PRIOR
        lengths -= (counts / counts.sum()).log2()[column]
    return lengths


def _codes(evidence: Evidence, model: Encoder, part: Split) -> Tensor:
    """Return the codes of a split ``[n, q]`` on the CPU: int64, or float64; checked."""
    with torch.no_grad():
        codes = model.encode(part.x.to(evidence.device)).detach().cpu().flatten(1)
    if len(codes) != len(part):
        raise ValueError(f"encode returned {len(codes)} codes of {len(part)} examples")
    alphabet = model.alphabet
    if (alphabet is None) != codes.is_floating_point():
        raise ValueError(
            f"encode returned {codes.dtype} and alphabet is {alphabet}: state the number of "
            "values of integer codes, and None for floats"
        )
    if alphabet is not None:
        if codes.numel() and not 0 <= int(codes.min()) <= int(codes.max()) < alphabet:
            raise ValueError(
                f"expected codes 0 to {alphabet - 1}, got {int(codes.min())} to {int(codes.max())}"
            )
        return codes
    if bad := int((~torch.isfinite(codes)).any(1).sum()):
        raise DivergedError(f"the codes of {bad} of {len(part)} examples are not finite")
    return codes.to(torch.float64)


def _of_floats(
    evidence: Evidence, model: Encoder, learnt: Tensor, codes: Tensor, bits: int
) -> tuple[Tensor, dict[str, Any]]:
    """Return code lengths ``[n]`` at ``bits`` a number, and what these and coarser ones lose."""
    dimensions = evidence.dataset.dimensions
    found, rows = {}, []
    for each in dict.fromkeys((bits, *COARSER)):
        grid = Grid.over(learnt, each)
        symbols = grid.symbols(codes)
        found[each] = code_lengths(symbols, grid.symbols(learnt), grid.cells)
        error = _squared_error(evidence, model, grid.centres(symbols))
        rows.append({"bits": each, "size": float(found[each].mean()) / dimensions, "mse": error})
    details = {
        "fixed_length": codes.shape[1] * bits / dimensions, "rates": rows,
        "mse_of_floats": _squared_error(evidence, model, codes),
    }  # fmt: skip
    return found[bits], details


def _squared_error(evidence: Evidence, model: Encoder, codes: Tensor) -> float:
    x = evidence.reference
    with torch.no_grad():
        shape = model.encode(x[:1].to(evidence.device)).shape[1:]  # decoders may need the places
        given = codes.to(evidence.device, torch.float32).view(len(codes), *shape)
        raw = model.decode_codes(given).detach().cpu()
    found, _ = in_units(raw, len(x), evidence.dataset)
    return float(((found.to(torch.float64) - x.to(torch.float64)) ** 2).mean())
