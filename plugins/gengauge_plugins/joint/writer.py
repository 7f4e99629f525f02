"""Writes captions: a recurrent network that says one word after the other."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_END, _UNKNOWN = 0, 1  # tokens of :class:`gengauge_plugins.networks.captions.Vocabulary`
_CLOSING = ".,;:!?)"  # signs that no space stands before
_INNER = 96


class Writer(nn.Module):
    """Codes ``[n, code]`` to captions, p(words | code) as a chain over the words.

    Arguments:
        code: Numbers of a code.
        tokens: How many tokens there are, the end and the unknown word among them.
        length: Words of the longest caption.

    References:
        | Show and Tell: A Neural Image Caption Generator (Vinyals et al., 2014), equations 3 to 5
        | https://arxiv.org/abs/1411.4555

    Example:
        >>> writer = Writer(code=4, tokens=6, length=3)
        >>> said = writer.say(torch.zeros(5, 4), torch.Generator().manual_seed(0))
        >>> said.shape, bool((said[:, 0] > 1).all())
        (torch.Size([5, 3]), True)
    """

    def __init__(self, code: int, tokens: int, length: int) -> None:
        super().__init__()
        self.length = length
        self.vectors = nn.Embedding(tokens + 1, _INNER)  # the last stands before the first word
        self.about = nn.Linear(code, _INNER)
        self.start = nn.Linear(code, _INNER)
        self.chain = nn.GRU(2 * _INNER, _INNER, batch_first=True)
        self.next = nn.Linear(_INNER, tokens)

    def _heard(self, codes: Tensor, before: Tensor) -> Tensor:
        about = self.about(codes)[:, None].expand(-1, before.shape[1], -1)
        return torch.cat([self.vectors(before), about], 2)

    def _first(self, n: int, device: torch.device) -> Tensor:
        return torch.full((n, 1), self.vectors.num_embeddings - 1, device=device)

    def loss(self, codes: Tensor, tokens: Tensor) -> Tensor:
        """Return -log p(tokens | code) in nats a caption, the mean over ``tokens`` ``[n, length]``.

        The end counts as a word, but for captions as long as the longest.
        """
        before = torch.cat([self._first(len(tokens), tokens.device), tokens[:, :-1]], 1)
        begun = self.start(codes).tanh()[None].contiguous()
        logits = self.next(self.chain(self._heard(codes, before), begun)[0])
        said = torch.cat([torch.ones_like(tokens[:, :1]), tokens[:, :-1]], 1) > 0
        nats = F.cross_entropy(logits.transpose(1, 2), tokens, reduction="none")
        return (nats * said).sum(1).mean()

    @torch.no_grad()
    def say(self, codes: Tensor, generator: torch.Generator) -> Tensor:
        """Return tokens ``[n, length]`` drawn word by word; at least one word, none unknown."""
        state = self.start(codes).tanh()[None].contiguous()
        last, said = self._first(len(codes), codes.device), []
        over = torch.zeros(len(codes), 1, dtype=torch.bool, device=codes.device)
        for place in range(self.length):
            h, state = self.chain(self._heard(codes, last), state)
            logits = self.next(h[:, 0])
            logits[:, _UNKNOWN] = -torch.inf
            if place == 0:
                logits[:, _END] = -torch.inf
            shares = logits.softmax(1).to(generator.device)
            last = torch.multinomial(shares, 1, generator=generator).to(codes.device)
            last = last.masked_fill(over, _END)
            over |= last == _END
            said.append(last)
        return torch.cat(said, 1)


def sentence(said: list[str]) -> str:
    """Return words and signs as one text.

    >>> sentence(["small", "red", "circle", ",", "top", "left"])
    'small red circle, top left'
    """
    spaced = (word if word in _CLOSING else f" {word}" for word in said)
    return "".join(spaced).strip()
