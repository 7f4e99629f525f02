"""The vector-quantised autoencoder with a critic, and a transformer over its codes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gengauge import Dataset, FitRun, seeds, train
from gengauge.model import Condition
from gengauge_plugins.networks import conditions as known
from gengauge_plugins.networks.drawing import refuse_condition, uniform
from gengauge_plugins.networks.stages import stage
from gengauge_plugins.networks.storage import load_network, save_state
from gengauge_plugins.vq.bound import Likelihood
from gengauge_plugins.vq.coding import ROWS, Coding

_DROPPED = 0.1  # share of conditions left out, for what is asked of nothing in particular
_CODES = 32  # a step of the prior
_NOISE = 0.1  # share of the steps after the first stage in which the width of the noise is learned
_PICTURES = 16  # a step of the noise
_LOOKED_AT = 200  # validation pictures by which its best weights are chosen


class VQGAN(Coding):
    """Pictures become codes of a codebook, and a transformer learns which codes are likely.

    Encoder, codebook and decoder learn to reconstruct: by squared error, then also by a critic of
    patches and by likeness in that critic's features (a perceptual loss that needs no network
    trained elsewhere). The critic's weight is such that it pulls as hard as the error does. Then
    a causal transformer over the codes, row by row, learns to draw them; a sample is the decoder's
    picture of a code.

    Its bound is that of a distribution, log p(code of x) + log p(x | code of x): the transformer's
    exact probability, and discretised logistics around the decoder's picture. No other code is
    counted, and the code is chosen for the picture's looks, so the bound is looser than a
    variational autoencoder's; and samples are drawn without its noise, unless ``decode`` is
    ``sample``. The codebook's usage is seen in ``code_size``.

    With ``condition`` the transformer learns labels or captions, a tenth of them left out; asked
    for nothing in particular, it draws as it does for those, and that is what the bound scores.

    Good at: sharp reconstructions from few bits; drawing by caption, a code at a time.
    Breaks at: likelihood; samples whose parts fit their neighbours only; detail smaller than a
    place of the code; words never read in training.

    See Also:
        :class:`gengauge_plugins.networks.codebook.Codebook`
        :class:`gengauge_plugins.vq.critic.Refinement`
        :class:`gengauge_plugins.vq.bound.Likelihood`

    References:
        | Taming Transformers for High-Resolution Image Synthesis (Esser et al., 2020)
        | https://arxiv.org/abs/2012.09841
        | Neural Discrete Representation Learning (van den Oord et al., 2017)
        | https://arxiv.org/abs/1711.00937

    Arguments:
        condition: ``none``, ``class`` or ``caption``.
        codebook: Entries of the codebook; 0 is 256, or 64 for pictures with a side below 16.
        channels: Numbers an entry has; 0 is 4, or 2 for pictures with a side below 16.
        share: Of the budget, spent on encoder, codebook and decoder.
        refined: Share of that with a critic.
        adversarial: Weight of its verdict, over that at which it pulls as hard as the error.
        perceptual: Weight of likeness in its features.
        network: ``dense``, ``conv`` or ``auto``, which convolves pictures from 4 x 4 pixels on.
        width: Channels of the convolutions at half the size; perceptrons are 8 times as wide.
        hidden: Width of the transformer, a multiple of 4.
        layers: Of the transformer.
        dropout: Share of its outputs left out in training.
        mixtures: Logistics of each value around the picture; 0 is one up to 64 levels, else three.
        temperature: Of drawing codes; below 1 the likely is likelier.
        guidance: How far samples lean towards what is asked for; 1 is as far as it says.
        decode: ``picture`` shows the decoder's, ``sample`` draws from the noise around it.
        batch_size: Pictures a step of the first stage; 0 is 16, or 32 of small ones.
        lr: Peak learning rate of encoder, codebook, decoder and noise.
        lr_prior: Peak learning rate of the transformer.

    Raises:
        ValueError: In ``fit``, for data that is empty, continuous, outside its levels or all
            equal, or has not the condition asked for.

    Example:
        >>> from gengauge import Budget, Split
        >>> x = torch.randint(5, (64, 1, 4, 4), generator=torch.Generator().manual_seed(0)).byte()
        >>> data = Dataset("noise", "image", *[Split(x)] * 3, levels=5)
        >>> model = VQGAN(codebook=32, width=4, hidden=16)
        >>> model.fit(data, FitRun(0, Budget.parse("20 steps")))
        >>> model.sample(3, None, torch.Generator().manual_seed(0)).shape
        torch.Size([3, 1, 4, 4])
        >>> model.encode(x[:3]).shape, model.bound(x[:3], torch.Generator()).shape
        (torch.Size([3, 2, 2]), torch.Size([3]))
    """

    name = "vqgan"
    likelihood: Likelihood

    def __init__(
        self,
        condition: str = "none",
        codebook: int = 0,
        channels: int = 0,
        share: float = 0.6,
        refined: float = 0.15,
        adversarial: float = 0.1,
        perceptual: float = 1.0,
        network: str = "auto",
        width: int = 32,
        hidden: int = 64,
        layers: int = 1,
        dropout: float = 0.1,
        mixtures: int = 0,
        temperature: float = 1.0,
        guidance: float = 1.0,
        decode: str = "picture",
        batch_size: int = 0,
        lr: float = 4e-3,
        lr_prior: float = 8e-3,
    ) -> None:
        super().__init__(
            codebook, channels, width, network, refined, adversarial, perceptual, batch_size, lr
        )
        self.condition, self.share = condition, share
        self.sizes = (4 * -(-hidden // 4), layers, dropout, mixtures)
        self.temperature, self.decoding = temperature, decode
        self.guidance, self.lr_prior = guidance, lr_prior
        self.conditions: known.Conditions | None = None

    def fit(self, data: Dataset, run: FitRun) -> None:
        """Train the first stage on ``data.train``, then the transformer on its codes."""
        self.checked(data)
        self.conditions = known.learned(self.condition, data, self.name)
        given, held_out = (
            known.given_by(split, self.conditions) for split in (data.train, data.validation)
        )
        if not len(given[0]):
            raise ValueError(f"no training example of {data.id} has a {self.condition}")
        with stage(run, "first stage", self.share) as part:
            self.train_stage(part, data, given[0], held_out[0])
        with seeds.global_seed(seeds.named_seed(run.seed, "prior")):  # weights and dropout
            self.likelihood = Likelihood(self.stage, self.conditions, *self.sizes)
            self._train_likelihood(run, given, tuple(t[:_LOOKED_AT] for t in held_out))

    def _train_likelihood(
        self, run: FitRun, given: tuple[Tensor, ...], held_out: tuple[Tensor, ...]
    ) -> None:
        """Train the transformer on the codes of all pictures, and then the noise around them."""
        assert self.stage.codebook is not None
        codes = [(self.encode(x).cpu(), *rows) for x, *rows in (given, held_out)]
        self.likelihood.prior.begin_at(self.stage.codebook.weight, codes[0][0])
        with stage(run, "prior", 1 - _NOISE) as part:
            train(part, self.likelihood, self._code_loss, codes[0], validation=codes[1],
                  batch_size=_CODES, lr=self.lr_prior, clip=1.0)  # fmt: skip
        with stage(run, "noise") as part:
            train(part, self.likelihood, self._noise_loss, (given[0], codes[0][0]),
                  validation=(held_out[0], codes[1][0]), batch_size=_PICTURES, lr=self.lr,
                  clip=1.0)  # fmt: skip
        self.likelihood.requires_grad_(False)

    def _code_loss(
        self, codes: Tensor, rows: Tensor | None = None, *, generator: torch.Generator
    ) -> Tensor:
        """Return -log p of codes in nats a place, a tenth of the conditions left out."""
        if rows is not None and self.conditions is not None:
            dropped = uniform((len(rows),), generator, rows.device) < _DROPPED
            mask = dropped.view(-1, *[1] * (rows.ndim - 1))
            rows = torch.where(mask, self.conditions.nothing(rows), rows)
        return -self.likelihood.of_codes(codes, rows).mean() / codes[0].numel()

    def _noise_loss(self, x: Tensor, codes: Tensor, *, generator: torch.Generator) -> Tensor:
        """Return -log p of pictures given their codes, in nats a value."""
        return -self.likelihood.of_pictures(self.stage, x, codes).mean() / x[0].numel()

    def _rows(self, n: int, condition: Condition | None) -> Tensor | None:
        """Return the rows ``[n, ...]`` of what is asked for, None where nothing can be."""
        if self.conditions is None:
            refuse_condition(condition, f"{self.name} with condition=none")
            return None
        if condition is not None:
            return self.conditions.asked(condition, n).to(self.device)
        return self.conditions.blank(n).to(self.device)

    @torch.no_grad()
    def bound(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Return a lower bound on log P(x) in nats ``[n]``, float64; nothing in it is drawn."""
        rows = self._rows(len(x), None)
        parts = [torch.zeros(0, dtype=torch.float64, device=self.device)]
        for start in range(0, len(x), ROWS):
            s = slice(start, start + ROWS)
            asked = None if rows is None else rows[s]
            parts.append(self.likelihood.bound(self.stage, x[s].to(self.device), asked))
        return torch.cat(parts)

    @torch.no_grad()
    def sample(self, n: int, condition: Condition | None, generator: torch.Generator) -> Tensor:
        """Return ``n`` samples ``[n, *event]``, levels, for ``condition`` if it is given."""
        rows = self._rows(n, condition)
        parts = []
        for start in range(0, max(1, n), ROWS):
            size = min(ROWS, n - start)
            asked = None if rows is None else rows[start : start + size]
            parts.append(self._shown(self._drawn(size, asked, generator), generator))
        return torch.cat(parts)

    def _drawn(self, n: int, rows: Tensor | None, generator: torch.Generator) -> Tensor:
        """Return ``n`` codes ``[n, h, w]`` for what is asked in ``rows``."""
        about, against = self.likelihood.about(rows), None
        if rows is not None and self.conditions is not None and self.guidance != 1:
            against = self.likelihood.about(self.conditions.nothing(rows))
        prior, t = self.likelihood.prior, self.temperature
        return prior.draw(n, about, generator, t, self.guidance, against)

    def _shown(self, indices: Tensor, generator: torch.Generator) -> Tensor:
        if self.decoding == "picture":
            return self.decode_codes(indices)
        told = self.likelihood.observation(self.stage, self.stage.entries(indices))
        drawn = self.likelihood.observation.noise.sample(told, generator)
        return drawn.view(len(indices), *self.stage.shape)

    @property
    def evaluations_per_sample(self) -> float:
        """One of the transformer for each place of a code, two when guided; and the decoder's."""
        looks = 2 if self.conditions is not None and self.guidance != 1 else 1
        return float(looks * self.stage.code[1] * self.stage.code[2] + 1)

    @property
    def n_parameters(self) -> int:
        """Weights, biases and entries of all networks but the critic."""
        networks = (self.stage, self.likelihood)
        return sum(p.numel() for network in networks for p in network.parameters())

    def save(self, folder: Path) -> None:
        """Write all networks, shapes and conditions into ``folder``."""
        config: dict[str, Any] = {
            "stage": self.stage.described(),
            "conditions": self.conditions.described() if self.conditions else None,
        }
        both = nn.ModuleDict({"stage": self.stage, "likelihood": self.likelihood})
        save_state(folder, both.state_dict(), config)

    def load(self, folder: Path, device: torch.device) -> None:
        """Restore what ``save`` wrote, on ``device``."""

        def build(config: dict[str, Any]) -> nn.ModuleDict:
            self.stage = self.restored(config["stage"])
            self.conditions = known.restored(config["conditions"], self.name)
            self.likelihood = Likelihood(self.stage, self.conditions, *self.sizes)
            return nn.ModuleDict({"stage": self.stage, "likelihood": self.likelihood})

        load_network(folder, device, build).requires_grad_(False)
