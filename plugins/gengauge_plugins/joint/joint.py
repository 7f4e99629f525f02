"""The joint generative adversarial network of captions and pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from gengauge import Dataset, FitRun, check_training, seeds
from gengauge.model import Condition
from gengauge_plugins.joint.game import JointGame, seen
from gengauge_plugins.joint.networks import Generators, Judge, Sizes
from gengauge_plugins.joint.writer import sentence
from gengauge_plugins.networks.adversarial import alternate
from gengauge_plugins.networks.conditions import Captions, given_by, restored
from gengauge_plugins.networks.drawing import below_one, normal
from gengauge_plugins.networks.storage import load_network, save_state

_ROWS = 1024  # drawn at once: keeps memory flat in the number of samples


class JointGAN:
    """Adversarial learning of p(caption, picture): either from the other, and both from nothing.

    A caption is read into a code e. A picture x is drawn from a code and noise, a code from a
    picture and noise, and a code from noise alone; one discriminator tells pairs (e, x) of the data
    from pairs that any of the three has made, so that in the end all three joint distributions
    agree with the data's. A writer puts codes into words, one after the other, so that it can say
    what no training caption said. Two things steady the game, both learned from real pairs: the
    discriminator finds each other's partner in a batch and guesses captions' words, and the code
    of a picture must be written as its caption. Both have a head start: what is asked for must be
    seen first. What is written of a code of noise, its picture must show. The weights' average is
    kept.

    Good at: captions of pictures, and pictures of captions in one pass; both at once.
    Breaks at: variety among pictures of one caption; scenes of several objects; sentences of joint
    samples, of which one in six says nothing that the grammar of drawn shapes knows.

    See Also:
        :class:`gengauge_plugins.gan.cgan.CGAN`

    References:
        | JointGAN: Multi-Domain Joint Distribution Learning with Generative Adversarial Nets
        | (Pu et al., 2018), https://arxiv.org/abs/1806.02978
        | Adversarially Learned Inference (Dumoulin et al., 2016), https://arxiv.org/abs/1606.00704
        | ALICE: Towards Understanding Adversarial Learning for Joint Distribution Matching
        | (Li et al., 2017), https://arxiv.org/abs/1709.01215
        | Generative Adversarial Text to Image Synthesis (Reed et al., 2016)
        | https://arxiv.org/abs/1605.05396

    Arguments:
        code: Numbers that a caption is read into.
        latent: Dimensions of the standard normal noise of each generator.
        hidden: Width of a picture's features; the painter has an eighth as many channels at half
            the size, or two layers twice as wide.
        network: How pictures are judged: ``dense``, ``conv``, or ``auto``, see
            :func:`gengauge_plugins.networks.conv.convolves`. They are painted likewise.
        matching: Weight of finding each other's partner and of guessing words.
        writing: Weight of writing the captions of real pictures, and of codes, again.
        blur: Standard deviation of noise on those codes.
        r1: Weight of half the squared slope of the discriminator at real pictures.
        r1_every: Steps from one such penalty, that many times as strong, to the next.
        lr: Adam's rate for all that makes pairs.
        lr_discriminator: Adam's rate for the discriminator.
        ema: Width of the average, see :class:`gengauge.averaging.PowerAverage`.
        head_start: Share of the steps, the first, that learn from real pairs alone, as above.
        batch_size: Pairs a step.

    Example:
        >>> from gengauge import Budget, Split
        >>> y = torch.arange(200) % 2
        >>> x = (y * 200).view(-1, 1, 1, 1).expand(-1, 1, 2, 2).to(torch.uint8)
        >>> split = Split(x, captions=tuple("a dark one" if not v else "a light one" for v in y))
        >>> data = Dataset("two", "image", split, split, split, levels=256)
        >>> model = JointGAN(hidden=32)
        >>> model.fit(data, FitRun(0, Budget.parse("150 steps")))
        >>> noise = torch.Generator().manual_seed(0)
        >>> drawn = model.sample(2, ("a light one", "a dark one"), noise)
        >>> drawn.flatten(1).mean(1) > 0.4
        tensor([ True, False])
        >>> model.caption(x[:2], noise)
        ['a dark one', 'a light one']
    """

    name = "joint-gan"
    network: Generators
    captions: Captions

    def __init__(
        self,
        code: int = 64,
        latent: int = 32,
        hidden: int = 256,
        network: str = "auto",
        matching: float = 0.4,
        writing: float = 1.0,
        blur: float = 0.3,
        r1: float = 0.3,
        r1_every: int = 4,
        lr: float = 1e-3,
        lr_discriminator: float = 1e-3,
        ema: float = 0.1,
        head_start: float = 0.4,
        batch_size: int = 32,
    ) -> None:
        self.code, self.latent, self.hidden, self.kind = code, latent, hidden, network
        self.rules = {"matching": matching, "writing": writing, "blur": blur, "r1": r1,
                      "every": r1_every, "head_start": head_start}  # fmt: skip
        self.rates, self.ema, self.batch_size = (lr, lr_discriminator), ema, batch_size
        self.shape: tuple[int, ...] = ()
        self.levels = 0

    def fit(self, data: Dataset, run: FitRun) -> None:
        """Play the game on the pairs of ``data.train``; ``ValueError`` where there are too few."""
        check_training(data, self.name)
        if data.levels is None:
            raise ValueError(f"{self.name} takes pictures of levels, and {data.id} has floats")
        if len(data.train) < 2:
            raise ValueError(
                f"{self.name} needs at least 2 training pairs, and {data.id} has 1: what belongs "
                "together cannot be learned from it"
            )
        self.shape, self.levels = data.event_shape, data.levels
        self.captions = Captions.learned(data, self.name)
        with seeds.global_seed(seeds.named_seed(run.seed, "weights")):
            players = self._players()
        game = JointGame(players, players.judge, self.levels, **self.rules)  # type: ignore[arg-type]
        held_out = given_by(data.validation, self.captions)
        average = alternate(
            run, game, given_by(data.train, self.captions),
            validation=held_out if len(held_out[0]) else None,
            batch_size=self.batch_size, rates=self.rates, width=self.ema,
        )  # fmt: skip
        self.network = cast(Generators, average)

    def _players(self) -> Generators:
        known = self.captions.vocabulary
        sizes = Sizes(self.shape, len(known.known), known.length, self.code, self.latent,
                      self.hidden, self.kind)  # fmt: skip
        return Generators(sizes, Judge(sizes))

    @property
    def _device(self) -> torch.device:
        return next(self.network.parameters()).device

    def _noise(self, n: int, generator: torch.Generator) -> Tensor:
        return normal((n, self.latent), generator, self._device)

    @torch.no_grad()
    def sample(self, n: int, condition: Condition | None, generator: torch.Generator) -> Tensor:
        """Return pictures ``[n, *event]`` in ``[0, 1)``: of captions, or of joint samples."""
        if condition is None:
            return self._painted(self._imagined(n, generator)[1], generator)
        tokens = self.captions.asked(condition, n).to(self._device)
        codes = [self.network.judge.read(part) for part in torch.split(tokens, _ROWS)]
        return self._painted(torch.cat(codes), generator)

    def _painted(self, codes: Tensor, generator: torch.Generator) -> Tensor:
        z = self._noise(len(codes), generator)
        pairs = zip(torch.split(codes, _ROWS), torch.split(z, _ROWS), strict=True)
        return below_one(torch.cat([(self.network.paint(*pair) + 1) / 2 for pair in pairs]))

    @torch.no_grad()
    def sample_pairs(self, n: int, generator: torch.Generator) -> tuple[Tensor, list[str]]:
        """Return joint samples: pictures, those that ``sample`` draws, and what each shows."""
        tokens, codes = self._imagined(n, generator)
        return self._painted(codes, generator), self._sentences(tokens)

    def _imagined(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return the words of joint samples, written of codes of noise, and what is read of them.

        What lies between the codes of captions is written as one of them.
        """
        codes = self.network.imagine(self._noise(n, generator))
        tokens = self.network.writer.say(codes, generator)
        parts = [self.network.judge.read(part) for part in torch.split(tokens, _ROWS)]
        return tokens, torch.cat(parts)

    @torch.no_grad()
    def caption(self, x: Tensor, generator: torch.Generator) -> list[str]:
        """Return a caption of each picture ``x`` ``[n, *event]``, in levels.

        ``ValueError`` for pictures of another shape than those it was trained on.
        """
        if tuple(x.shape[1:]) != self.shape:
            raise ValueError(
                f"{self.name} describes pictures of shape {list(self.shape)}, and "
                f"{list(x.shape[1:])} came; scale them to that size"
            )
        real, z = seen(x.to(self._device), self.levels), self._noise(len(x), generator)
        parts = zip(torch.split(real, _ROWS), torch.split(z, _ROWS), strict=True)
        codes = torch.cat([self.network.name(*part) for part in parts])
        return self._written(codes, generator)

    def _written(self, codes: Tensor, generator: torch.Generator) -> list[str]:
        return self._sentences(self.network.writer.say(codes, generator))

    def _sentences(self, tokens: Tensor) -> list[str]:
        known = self.captions.vocabulary.known
        return [sentence([known[t - 2] for t in row if t > 1]) for row in tokens.tolist()]

    @property
    def evaluations_per_sample(self) -> float:
        """One pass through the painter."""
        return 1.0

    @property
    def n_parameters(self) -> int:
        """Weights and biases of all that is kept, the discriminator among it."""
        return sum(p.numel() for p in self.network.parameters())

    def save(self, folder: Path) -> None:
        """Write networks, shapes and words into ``folder``."""
        config: dict[str, Any] = {"shape": list(self.shape), "levels": self.levels,
                                  "captions": self.captions.described()}  # fmt: skip
        save_state(folder, self.network.state_dict(), config)

    def load(self, folder: Path, device: torch.device) -> None:
        """Restore what ``save`` wrote, on ``device``."""
        self.network = load_network(folder, device, self._restored)

    def _restored(self, config: dict[str, Any]) -> Generators:
        self.shape, self.levels = tuple(config["shape"]), config["levels"]
        found = restored(config["captions"], self.name)
        assert isinstance(found, Captions)
        self.captions = found
        return self._players()
