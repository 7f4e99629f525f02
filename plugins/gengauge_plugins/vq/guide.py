"""The embedder that steers pictures towards captions: looked up, checked, and shown pictures."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from gengauge import seeds
from gengauge.errors import UsageError, unknown
from gengauge.loading import load_embedder
from gengauge.metric import Embedder, EmbedsText, KnowsLevels, Steers, Unready
from gengauge.registry import Registry

_SIDES = (32, 64, 224, 336)  # of the pictures that guides take, where not those of the data
_BYTE = 256  # levels that an embedder of pictures expects unless it is told others


class Guide:
    """An embedder of pictures and captions, through which gradients flow.

    Pictures that it does not take as they are, are shown to it in colour and at its own size.
    ``UsageError`` for one that is not known, not ready here, or cannot steer.
    """

    def __init__(self, id_: str, shape: tuple[int, ...], levels: int, device: torch.device) -> None:
        self.id, self.device = id_, device
        found = _loaded(id_, device)
        self.top = (levels if isinstance(found, KnowsLevels) else _BYTE) - 1
        self.embedder = found.for_levels(levels) if isinstance(found, KnowsLevels) else found
        self.sha256 = found.sha256
        self.shape = self._taken(shape)

    def _taken(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of pictures that the embedder takes, which it is asked by trying."""
        for tried in (shape, *((3, side, side) for side in _SIDES)):
            try:
                self._embedded(torch.zeros(1, *tried, device=self.device))
            except (ValueError, RuntimeError):
                continue
            return tried
        raise UsageError(
            f"guide '{self.id}' takes pictures neither of the data's shape {list(shape)} nor of "
            f"3 x s x s with s among {', '.join(map(str, _SIDES))}; take another guide"
        )

    def _embedded(self, x: Tensor) -> Tensor:
        assert isinstance(self.embedder, Steers)
        return self.embedder.embed(x)

    def meant(self, captions: list[str]) -> Tensor:
        """Return the directions ``[n, d]`` of captions, of length one."""
        assert isinstance(self.embedder, EmbedsText)
        # a copy: gradients cannot pass what was made in inference mode
        return F.normalize(self.embedder.text(captions).clone().to(self.device), dim=1)

    def seen(self, unit: Tensor, moves: Tensor) -> Tensor:
        """Return the directions ``[n, d]`` of pictures ``[n, *shape]`` in [0, 1], moved a little.

        ``moves`` ``[n, 3]``: which share of the side is cut off, and whither the rest is looked at
        from the middle, -1 to 1 across and down; beyond its edge a picture goes on as it ends.
        """
        cut, across, down = moves.unbind(1)
        theta = torch.zeros(len(unit), 2, 3, device=unit.device)
        theta[:, 0, 0] = theta[:, 1, 1] = 1 - cut
        theta[:, 0, 2], theta[:, 1, 2] = cut * across, cut * down
        size = [len(unit), unit.shape[1], *self.shape[1:]]
        grid = F.affine_grid(theta, size, align_corners=False)
        view = F.grid_sample(unit, grid, padding_mode="border", align_corners=False)
        if view.shape[1] != self.shape[0]:
            view = view.mean(1, keepdim=True).expand(-1, self.shape[0], -1, -1)
        return F.normalize(self._embedded(view * self.top), dim=1)


def _loaded(id_: str, device: torch.device) -> Embedder:
    known = Registry().embedders
    choices = [name for name, spec in known.items() if "text" in spec.gives]
    if id_ not in known:
        raise unknown("guide", id_, choices)
    with seeds.global_seed(0):  # networks are built with random weights before theirs are read
        found = load_embedder(known[id_], device)
    if isinstance(found, Unready):
        raise UsageError(f"guide '{id_}' is not ready: {found.reason}")
    if not isinstance(found, Steers) or not isinstance(found, EmbedsText):
        raise UsageError(
            f"guide '{id_}' cannot steer: it must embed captions, and pictures with a gradient; "
            f"choose from {', '.join(choices)}"
        )
    return found
