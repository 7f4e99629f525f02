"""Laws of decoders, bounds, diffusions and flows: what the likelihood suite builds upon."""

from __future__ import annotations

import torch
from torch import Tensor

from gengauge.likelihood import (
    DiffusionDecoder,
    GaussianDiffusion,
    LatentDecoder,
    LatentVariable,
    ObservationModel,
    ProbabilityFlow,
    VariationalBound,
)
from gengauge.testing.case import Case, NotApplicable, require
from gengauge.testing.probability import outcomes

_DRAWS = 4096
_UNSEEN = 0.2  # share of p(x) that importance weights may miss
_LATENTS = 8  # latents at which a decoder's distribution is summed


def _stream(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _shaped(values: Tensor, shape: tuple[int, ...], what: str) -> None:
    require(tuple(values.shape) == shape, f"{what} of shape {shape}", str(tuple(values.shape)),
            "see gengauge.likelihood for the shapes")  # fmt: skip
    require(bool(torch.isfinite(values.double()).all()), f"finite {what}", "nan or inf",
            "clamp what overflows")  # fmt: skip


def decoder_is_a_distribution(case: Case) -> None:
    """A decoder's prior is the density of its draws, and p(x | z) sums to one."""
    model, n = case.model, case.n
    if not isinstance(model, LatentDecoder):
        raise NotApplicable("the model has no decoder with a prior")
    z = model.draw_prior(_DRAWS, _stream()).detach()
    require(z.ndim == 2 and len(z) == _DRAWS, f"latents [{_DRAWS}, q]", str(tuple(z.shape)),
            "draw_prior must return [n, q]")  # fmt: skip
    _check_prior(model, z)
    few = z[:n].clone().requires_grad_()
    decoded = model.decode(few)
    _shaped(decoded, (n, *case.dataset.event_shape), "decode")
    require(decoded.requires_grad, "a decode that is differentiable in z", "no gradient",
            "leave out torch.no_grad there")  # fmt: skip
    if isinstance(model, ObservationModel):
        _check_observation(model, few, case)


def _check_prior(model: LatentDecoder, z: Tensor) -> None:
    """By Stein's identity E[d log p / dz] = 0 and E[z d log p / dz] = -1 for each latent."""
    z = z.clone().requires_grad_()
    values = model.log_prior(z)
    _shaped(values, (_DRAWS,), "log_prior")
    if not values.requires_grad:
        return  # a uniform prior is flat, and the identities know nothing of its edges
    [slope] = torch.autograd.grad(values.sum(), z)
    slope, z = slope.double(), z.detach().double()
    if not bool(slope.any()):
        return
    for moment, expected in ((slope, 0.0), (slope * z, -1.0)):
        error = moment.std(0) / _DRAWS**0.5
        far = float(((moment.mean(0) - expected).abs() / error.clamp_min(1e-9)).max())
        require(far < 6, "a log_prior that is the density of draw_prior",
                f"moments {far:.1f} standard errors away",
                "log_prior and draw_prior must be one distribution")  # fmt: skip


def _check_observation(model: ObservationModel, z: Tensor, case: Case) -> None:
    x = model.draw_observation(z.detach(), _stream(2))
    _shaped(x, (len(z), *case.dataset.event_shape), "draw_observation")
    fit = model.log_observation(x, z)
    _shaped(fit, (len(z),), "log_observation")
    require(fit.requires_grad, "a log_observation that is differentiable in z", "no gradient",
            "leave out torch.no_grad there")  # fmt: skip
    alone = model.log_observation(x[:3], z[:3])
    require(bool(torch.allclose(alone, fit[:3], rtol=1e-4, atol=1e-4)),
            "the same log_observation in any batch", "another",
            "evaluate in eval mode, and sum nothing over the batch")  # fmt: skip
    try:
        every = outcomes(case.dataset)
    except NotApplicable:
        return
    for latent in z[:_LATENTS].detach():
        with torch.no_grad():
            mass = model.log_observation(every, latent.expand(len(every), -1)).double().exp()
        total = float(mass.sum())
        require(abs(total - 1) < 1e-4, "p(x | z) that sums to 1 over x", f"{total:.6f}",
                "normalise over the levels, tails included")  # fmt: skip


def decoder_agrees_with_inference(case: Case) -> None:
    """Averaging p(x | z) over the prior gives what importance weights give."""
    model = case.model
    if not (isinstance(model, ObservationModel) and isinstance(model, LatentVariable)):
        raise NotApplicable("the model has not both a decoder and an inference network")
    every = outcomes(case.dataset)
    z = model.draw_prior(_DRAWS, _stream(3))
    with torch.no_grad():
        plain = torch.stack([
            model.log_observation(x.expand(_DRAWS, *x.shape), z).double().exp() for x in every
        ], 1)  # fmt: skip
        weights = model.log_weights(every, _DRAWS, _stream(4)).double().exp()
    # where a few weights outweigh all others, their standard error says nothing
    even = torch.stack([w.sum(0) ** 2 / (w**2).sum(0) for w in (plain, weights)]).amin(0)
    if not bool((even > _DRAWS / 20).any()):
        raise NotApplicable("the importance weights are too uneven to compare")
    error = (plain.var(0) / len(plain) + weights.var(0) / len(weights)).sqrt()
    # what an encoder that is too narrow misses of p(x) shows in no standard error of its weights
    more = weights.mean(0) - plain.mean(0)
    gap = torch.maximum(more, -more - _UNSEEN * plain.mean(0))
    distance = gap / error.clamp_min(1e-9)
    far = float(distance[even > _DRAWS / 20].max())
    require(far < 6, "one p(x) from the prior and from the inference network",
            f"{far:.1f} standard errors between them",
            "log_weights must use the prior and p(x | z) of the decoder")  # fmt: skip


def bound_stays_below_one(case: Case) -> None:
    """The exponential of a lower bound on log p(x), summed over all x, is at most one."""
    model = case.model
    if not isinstance(model, VariationalBound):
        raise NotApplicable("the model has no variational bound of its own")
    every = outcomes(case.dataset)
    with torch.no_grad():
        drawn = torch.stack([model.bound(every, _stream(i)).double() for i in range(64)])
    _shaped(drawn, (64, len(every)), "bound")
    mean, error = drawn.mean(0).exp(), drawn.mean(0).exp() * drawn.std(0) / 8
    total, slack = float(mean.sum()), 6 * float(error.pow(2).sum().sqrt())
    require(total < 1 + slack + 1e-6, "bounds whose exponentials sum to at most 1", f"{total:.4f}",
            "a KL term is missing, or has the wrong sign")  # fmt: skip


def diffusion_is_a_chain(case: Case) -> None:
    """A diffusion's schedule falls, its guesses have the data's shape and ignore the batch."""
    model, n = case.model, case.n
    if not isinstance(model, GaussianDiffusion):
        raise NotApplicable("the model is no Gaussian diffusion")
    signal = model.alphas_cumprod().double()
    falls = signal.ndim == 1 and bool((signal.diff() < 0).all())
    require(falls and float(signal.min()) > 0 and float(signal.max()) < 1,
            "alphas_cumprod [T] falling within (0, 1)", str(signal.flatten()[:5].tolist()),
            "return the cumulative product, t = 0 the least noise")  # fmt: skip
    shift, spread = model.scaling()
    x = case.dataset.validation.x[:n]
    scaled = ((x.double() - shift) / spread).float()
    t = torch.arange(n) % len(signal)
    with torch.no_grad():
        guess, log_variance = model.predict(scaled, t)
        alone, _ = model.predict(scaled[:3], t[:3])
    _shaped(guess, tuple(scaled.shape), "predict")
    if log_variance is not None:
        _shaped(log_variance.expand_as(guess), tuple(guess.shape), "log-variance")
    require(bool(torch.allclose(alone, guess[:3], rtol=1e-3, atol=1e-4)),
            "the same guess in any batch", "another", "evaluate in eval mode")  # fmt: skip
    if isinstance(model, DiffusionDecoder):
        _check_last_step(model, case, scaled)


def _check_last_step(model: DiffusionDecoder, case: Case, scaled: Tensor) -> None:
    with torch.no_grad():
        _shaped(model.log_reconstruction(case.dataset.validation.x[: len(scaled)], scaled),
                (len(scaled),), "log_reconstruction")  # fmt: skip
        try:
            every = outcomes(case.dataset)
        except NotApplicable:
            return
        state = scaled[:1].expand(len(every), *scaled.shape[1:])
        total = float(model.log_reconstruction(every, state).double().exp().sum())
    require(abs(total - 1) < 1e-4, "p(x | x_1) that sums to 1 over x", f"{total:.6f}",
            "normalise over the levels")  # fmt: skip


def flow_is_a_field(case: Case) -> None:
    """A flow's velocity has the data's shape, a gradient, and ignores the batch."""
    model, n = case.model, case.n
    if not isinstance(model, ProbabilityFlow):
        raise NotApplicable("the model has no probability flow")
    levels = case.dataset.levels
    x = case.dataset.validation.x[:n].double()
    x = (x if levels is None else (x + 0.5) / levels).requires_grad_()
    t = torch.linspace(0, 1, n, dtype=torch.float64)
    velocity = model.velocity(x, t)
    _shaped(velocity, tuple(x.shape), "velocity")
    with torch.no_grad():
        alone = model.velocity(x[:3], t[:3])
        _shaped(model.log_base(x), (n,), "log_base")
    # single precision in the network, in the units of each column
    scale = velocity.detach().abs().amax(0)
    close = (alone - velocity[:3].detach()).abs() <= 1e-4 * scale + 1e-6
    require(bool(close.all()), "the same velocity in any batch", "another",
            "evaluate in eval mode")  # fmt: skip
    require(velocity.requires_grad, "a velocity that is differentiable in x", "no gradient",
            "leave out torch.no_grad there")  # fmt: skip
