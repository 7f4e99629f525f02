"""How large a network is and how fast it learns, where the user leaves it open."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gengauge.errors import UsageError
from gengauge_plugins.autoregressive.order import Order
from gengauge_plugins.autoregressive.outputs import Output
from gengauge_plugins.autoregressive.pixelcnn import PixelCNN
from gengauge_plugins.autoregressive.transformer import Transformer

_MANY = 256  # values of a picture from which convolutions are the cheaper
Network = Transformer | PixelCNN


@dataclass(frozen=True)
class Settings:
    """The size of a network and of its training steps; 0 where a value is left open.

    Many steps of few examples, and one layer of attention: at equal cost, digits need 2.00 bits a
    value with two layers and 64 examples a step, 1.90 with 32, 1.86 with 16, and 1.84 with one
    layer and 8.
    """

    kind: str
    width: int
    layers: int
    batch_size: int
    heads: int
    dropout: float

    def chosen(self, order: Order, text: bool) -> Settings:
        """Return these settings with nothing left open, for examples in ``order``.

        ``UsageError`` for convolutions of text, and heads that do not divide the width.
        """
        kind = self.kind
        if kind == "auto":
            kind = "pixelcnn" if not text and order.length > _MANY else "transformer"
        if kind == "pixelcnn" and (text or len(order.shape) != 3):
            raise UsageError("pixelcnn convolves pictures; take kind=transformer for text")
        if kind == "pixelcnn":
            width, layers, size = 32, 4, 4
        else:
            width, layers, size = 64, 1, 8
        width = self.width or width
        if kind == "transformer" and width % self.heads:
            raise UsageError(f"{self.heads} heads do not divide a width of {width}; set either")
        return replace(
            self, kind=kind, width=width, layers=self.layers or layers,
            batch_size=self.batch_size or size,
        )  # fmt: skip

    def build(self, order: Order, output: Output, classes: int, text: bool) -> Network:
        """Return an untrained network; its weights come from torch's global stream."""
        if self.kind == "pixelcnn":
            return PixelCNN(order, output, classes, self.width, self.layers, self.dropout)
        return Transformer(
            order, output, classes, self.width, self.layers, self.heads, self.dropout, text
        )
