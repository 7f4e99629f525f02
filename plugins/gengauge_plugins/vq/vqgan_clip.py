"""Pictures for captions, by steering a codebook's codes with an embedder of both."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gengauge import Dataset, FitRun
from gengauge.errors import UnsupportedError
from gengauge.model import Condition
from gengauge_plugins.networks.captions import Vocabulary
from gengauge_plugins.networks.drawing import whole
from gengauge_plugins.networks.stages import stage
from gengauge_plugins.networks.storage import load_network, load_state, save_state
from gengauge_plugins.vq.coding import Coding
from gengauge_plugins.vq.guide import Guide
from gengauge_plugins.vq.starts import Starts, learned
from gengauge_plugins.vq.steering import Steering, seeds_of

_KEPT = 2000  # training captions that are remembered, to draw from where none is asked for
_CODED = 20_000  # training pictures that the prior learns the codes of


class VQGANCLIP(Coding):
    """A codebook's autoencoder that is steered towards captions by another network, the guide.

    Encoder, codebook and decoder are trained as those of
    :class:`gengauge_plugins.vq.vqgan.VQGAN`, without captions; then a transformer learns which
    codes are likely, and draws candidates. A sample begins at the one of them that the guide takes
    for the caption, and is found by gradients: the logits of every place's entry move so that the
    guide takes the decoded picture for it. The guide is an embedder of pictures and captions by
    its id, and is never changed.

    Asked for nothing in particular, it draws one of the training captions. What the guide judges
    of it is shown with a caveat and not ranked: leakage.

    Good at: captions of which the guide knows more than any generator here.
    Breaks at: its guide, whose similarity rises above that of real pictures (on drawings of one
    shape .969 against .956) while a judge's does not (.83 against .96): never judge it by that.
    Detail that the codes blur, above all shapes; shapes and colours not seen together in training;
    scenes that the prior does not draw. Speed: every sample is a training of its own. Any
    likelihood.

    See Also:
        :class:`gengauge_plugins.vq.starts.Starts`
        :class:`gengauge_plugins.vq.steering.Steering`

    References:
        | VQGAN-CLIP: Open Domain Image Generation and Editing with Natural Language Guidance
        | (Crowson et al., 2022), https://arxiv.org/abs/2204.08583
        | Taming Transformers for High-Resolution Image Synthesis (Esser et al., 2020)
        | https://arxiv.org/abs/2012.09841

    Arguments:
        guide: Embedder that steers; the judge must be another.
        candidates: Codes that the prior draws for searches to begin from.
        steps: Of the search.
        rate: Of its Adam.
        cutouts: Views of each picture that the guide sees a step.
        augment: Share of a side that is cut off a view at most.
        batch: Pictures sought at once; each is the same whatever the batch.
        share: Share of the budget for the autoencoder; the prior has the rest.
        codebook: Entries of the codebook; 0 is 256, or 64 for pictures with a side below 16.
        channels: Numbers an entry has; 0 is 4, or 2 for pictures with a side below 16.
        refined: Share of the budget with a critic.
        adversarial: Weight of its verdict, over that at which it pulls as hard as the error.
        perceptual: Weight of likeness in its features.
        network: ``dense``, ``conv`` or ``auto``, which convolves pictures from 4 x 4 pixels on.
        width: Channels of the convolutions at half the size; perceptrons are 8 times as wide.
        batch_size: Pictures a training step; 0 is 16, or 32 of small ones.
        lr: Peak learning rate of training.

    Raises:
        ValueError: In ``fit``, for data that is empty, continuous, outside its levels, all equal
            or without captions; in ``sample``, for a caption without a word.
        UsageError: For a guide that is not known, not ready, or cannot steer.

    Example:
        >>> from gengauge import Budget, Split
        >>> x = torch.randint(5, (64, 3, 8, 8), generator=torch.Generator().manual_seed(0)).byte()
        >>> noise = Split(x, captions=("a red circle", "a blue star") * 32)
        >>> data = Dataset("noise", "image", noise, noise, noise, levels=5)
        >>> model = VQGANCLIP(guide="clip/shapes", candidates=8, codebook=16, width=4, steps=2)
        >>> model.fit(data, FitRun(0, Budget.parse("10 steps")))
        >>> model.sample(1, ["a blue circle"], torch.Generator().manual_seed(0)).shape
        torch.Size([1, 3, 8, 8])
    """

    name = "vqgan-clip"

    def __init__(
        self,
        guide: str = "clip/shapes-guide",
        candidates: int = 4096,
        steps: int = 60,
        rate: float = 0.2,
        cutouts: int = 2,
        augment: float = 0.05,
        batch: int = 64,
        share: float = 0.6,
        codebook: int = 0,
        channels: int = 0,
        refined: float = 0.15,
        adversarial: float = 0.1,
        perceptual: float = 1.0,
        network: str = "auto",
        width: int = 32,
        batch_size: int = 0,
        lr: float = 4e-3,
    ) -> None:
        super().__init__(
            codebook, channels, width, network, refined, adversarial, perceptual, batch_size, lr
        )
        self.guided_by, self.batch = guide, batch
        self.candidates, self.share = candidates, share
        self.steering = Steering(steps, rate, cutouts, augment)
        self.captions: tuple[str, ...] = ()
        self.vocabulary = Vocabulary((), 1)
        self.sha256, self._guide = "", None  # type: str, Guide | None

    def fit(self, data: Dataset, run: FitRun) -> None:
        """Train the first stage on ``data.train``; the guide must be there before."""
        levels = self.checked(data)
        if data.train.captions is None:
            raise ValueError(f"{self.name} draws for captions, and {data.id} has none")
        self._guide = Guide(self.guided_by, data.event_shape, levels, run.device)
        self.sha256 = self._guide.sha256
        self.captions = tuple(data.train.captions[:_KEPT])
        self.vocabulary = Vocabulary.of(data.train.captions)
        with stage(run, "first stage", self.share) as part:
            self.train_stage(part, data, data.train.x, data.validation.x)
        self.stage.to(run.device)
        looked_at = (split.x[:_CODED] for split in (data.train, data.validation))
        codes, held_out = (self.encode(x).cpu() for x in looked_at)
        with stage(run, "prior") as part:
            self.starts = learned(part, self.stage, codes, held_out, self.candidates)

    @property
    def guides(self) -> Sequence[str]:
        """The guide's id and the hash of its weights."""
        return (self.guided_by, self.sha256)

    @property
    def _ready(self) -> Guide:
        """The guide, which a loaded model looks up when it first draws."""
        if self._guide is None:
            first = self.stage
            self._guide = Guide(self.guided_by, first.shape, first.levels, self.device)
            self.sha256 = self._guide.sha256
        return self._guide

    def sample(self, n: int, condition: Condition | None, generator: torch.Generator) -> Tensor:
        """Return ``n`` samples ``[n, *event]``, levels, for the captions ``condition``, if any."""
        captions = self._asked(n, condition, generator)
        seeds = seeds_of(n, generator)
        parts = [torch.zeros(0, *self.stage.code[1:], dtype=torch.int64, device=self.device)]
        for start in range(0, n, self.batch):
            s = slice(start, start + self.batch)
            with torch.enable_grad():
                parts.append(self._sought(captions[s], seeds[s]))
        return self.decode_codes(torch.cat(parts))

    def _sought(self, captions: list[str], seeds: list[int]) -> Tensor:
        meant = self._ready.meant(captions)
        return self.steering.found(self.stage, self._ready, self.starts, meant, seeds)

    def _asked(self, n: int, condition: Condition | None, generator: torch.Generator) -> list[str]:
        if condition is None:
            return [self.captions[i] for i in whole((n,), len(self.captions), generator)]
        if isinstance(condition, Tensor):
            raise UnsupportedError(f"{self.name} draws for captions, and takes no labels")
        if len(condition) != n:
            raise ValueError(f"expected {n} captions for {n} samples, got {len(condition)}")
        self.vocabulary.check(condition, self.name)
        return list(condition)

    @property
    def evaluations_per_sample(self) -> float:
        """Decoder and guide, forwards and backwards, at each step, and the decoder at the end."""
        steering = self.steering
        return float(2 * steering.steps * (1 + steering.cutouts) + 1)

    @property
    def n_parameters(self) -> int:
        """Weights, biases and entries of the autoencoder; the guide's are not its own."""
        return sum(p.numel() for p in self.stage.parameters())

    def save(self, folder: Path) -> None:
        """Write the autoencoder, candidates and captions; of the guide its name and hash."""
        config: dict[str, Any] = {
            "stage": self.stage.described(), "captions": list(self.captions),
            "words": list(self.vocabulary.known), "length": self.vocabulary.length,
            "guide": self.guided_by, "sha256": self.sha256,
        }  # fmt: skip
        save_state(folder, self.stage.state_dict(), config)
        starts = {"codes": self.starts.codes, "shares": self.starts.shares}
        save_state(folder / "starts", starts, {})

    def load(self, folder: Path, device: torch.device) -> None:
        """Restore what ``save`` wrote, on ``device``."""
        self.stage = load_network(folder, device, lambda config: self.restored(config["stage"]))
        self.stage.requires_grad_(False)
        config = load_state(folder, device)[1]
        self.captions, self._guide = tuple(config["captions"]), None
        self.vocabulary = Vocabulary(tuple(config["words"]), config["length"])
        self.guided_by, self.sha256 = config["guide"], config["sha256"]
        self.starts = Starts(**load_state(folder / "starts", device)[0])
