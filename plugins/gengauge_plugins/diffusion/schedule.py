"""How much noise there is at each step of a diffusion, and at every time between steps."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

KINDS = ("cosine", "linear")
_FIRST, _LAST = 0.01, 0.005  # noise of the first step, signal of the last, of the cosine schedule
_SLOW, _FAST = 0.1, 20.0  # rates of noise at the ends of the linear schedule


class Schedule(nn.Module):
    """The share ``alphas_cumprod`` ``[T]`` that signal has in the variance after each step.

    Everything else in this package speaks of noise by its *log-ratio* ``log(sigma / alpha)``, half
    the negative log of signal to noise: it has no unit, is a number at any time, and means the
    same to every schedule. States are ``alpha x_0 + sigma eps`` with ``alpha^2 + sigma^2 = 1``.

    References:
        | Denoising Diffusion Probabilistic Models (Ho et al., 2020), section 4: linear
        | https://arxiv.org/abs/2006.11239
        | Improved Denoising Diffusion Probabilistic Models (Nichol & Dhariwal, 2021), eq. 17
        | https://arxiv.org/abs/2102.09672
        | Variational Diffusion Models (Kingma et al., 2021), section 3: time by its noise
        | https://arxiv.org/abs/2107.00630

    Example:
        >>> schedule = Schedule.of("cosine", 4)
        >>> schedule.log_ratios.tolist() == sorted(schedule.log_ratios.tolist())
        True
        >>> schedule.place(schedule.log_ratios[[0, -1]])
        tensor([0., 1.])
    """

    alphas_cumprod: Tensor

    def __init__(self, alphas_cumprod: Tensor | Sequence[float]) -> None:
        super().__init__()
        known = torch.as_tensor(alphas_cumprod, dtype=torch.float64)
        self.register_buffer("alphas_cumprod", known, persistent=False)
        ratios = log_ratio(known.cpu())
        self.least, self.most = float(ratios[0]), float(ratios[-1])

    @classmethod
    def of(cls, kind: str, steps: int) -> Schedule:
        """Return the ``linear`` or ``cosine`` schedule of ``steps`` steps, 2 at least.

        The cosine one moves the angle ``atan(sigma / alpha)`` evenly and ends where a trace of
        signal is left, in place of Nichol & Dhariwal's clipping. The linear one is that of Ho et
        al. as Song et al. 2021 (https://arxiv.org/abs/2011.13456, eq. 33) have it at any ``steps``.
        """
        if kind == "linear":
            u = torch.arange(1, steps + 1, dtype=torch.float64) / steps
            return cls(torch.exp(-_SLOW * u - 0.5 * (_FAST - _SLOW) * u**2))
        angles = torch.linspace(math.asin(_FIRST), math.acos(_LAST), steps, dtype=torch.float64)
        return cls(angles.cos() ** 2)

    @property
    def steps(self) -> int:
        """Steps of the chain."""
        return len(self.alphas_cumprod)

    @property
    def log_ratios(self) -> Tensor:
        """Return the log-ratio of noise to signal ``[T]`` after each step, rising, float64."""
        return log_ratio(self.alphas_cumprod)

    def place(self, log_ratios: Tensor) -> Tensor:
        """Return where ``log_ratios`` ``[n]`` lie between the first step, 0, and the last, 1."""
        width = max(self.most - self.least, 1e-12)
        return ((log_ratios - self.least) / width).clamp(0, 1).float()


def log_ratio(alphas_cumprod: Tensor) -> Tensor:
    """Return ``log(sigma / alpha)`` of signal shares in (0, 1)."""
    return 0.5 * (torch.log1p(-alphas_cumprod) - alphas_cumprod.log())


def alpha_sigma(log_ratios: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
    """Return the weights of signal and noise at ``log_ratios`` ``[n]``, shaped for ``like``.

    Of the type of ``like`` ``[n, *event]``; neither is ever 0.
    """
    ratios = log_ratios.double()
    alpha, sigma = torch.sigmoid(-2 * ratios).sqrt(), torch.sigmoid(2 * ratios).sqrt()
    shape = (-1, *[1] * (like.ndim - 1))
    return alpha.to(like).view(shape), sigma.to(like).view(shape)
