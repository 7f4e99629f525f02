"""Every family that trains for more than moments goes on where it was killed, bit by bit."""

from functools import cache

import pytest
import torch

from gengauge import Dataset, Split
from gengauge.parameters import Value
from gengauge.registry import Registry, load_target
from gengauge.testing import Case, judge
from gengauge.testing.killed import training_goes_on

REGISTRY = Registry()
CASES: tuple[tuple[str, dict[str, Value], str], ...] = (
    ("autoencoder", {}, "pair"),
    ("vae", {"conditional": True}, "pair"),
    ("flow", {}, "pair"),
    ("continuous-flow", {}, "points/moons"),
    ("gan", {"loss": "hinge", "spectral_norm": True}, "points/moons"),
    ("joint-gan", {}, "pair"),
    ("autoregressive", {}, "pair"),
    ("ddpm", {"conditional": True}, "points/moons"),
    ("flow-matching", {}, "points/moons"),
    ("latent-diffusion", {"first_stage": "vq"}, "digits"),
    ("vqgan", {"condition": "class", "refined": 0.4}, "digits"),
)
EM: tuple[tuple[str, dict[str, Value], str], ...] = (
    ("gmm", {"components": 0, "conditional": True}, "pair"),
    ("gmm", {"covariance": "tied", "engine": "torch"}, "points/moons"),
    ("gmm", {"covariance": "tied", "engine": "sklearn"}, "points/moons"),
    ("gmm", {"covariance": "full", "engine": "sklearn"}, "points/moons"),
    ("mixture-of-categoricals", {"components": 5}, "digits"),
)
MORE: tuple[tuple[str, dict[str, Value], str], ...] = (
    ("iwae", {"k": 3}, "pair"),
    ("flow", {"noise": "variational"}, "pair"),
    ("flow", {"kind": "glow", "width": 8}, "digits"),
    ("gan", {"loss": "wgan-gp"}, "points/moons"),
    ("cgan", {"condition": "caption", "hidden": 32}, "pair"),
    ("autoregressive", {"kind": "pixelcnn"}, "pair"),
    ("ddpm", {"conditional": True, "guidance_kind": "classifier", "hidden": 64}, "digits"),
    ("ddpm-lora", {"hidden": 32}, "digits"),
    ("schroedinger-bridge", {}, "points/moons"),
    (
        "vqgan-clip",
        {"steps": 2, "candidates": 32, "guide": "clip/shapes", "codebook": 16, "width": 4},
        "squares",
    ),
)


def named(case: tuple[str, dict[str, Value], str]) -> str:
    return "-".join([case[0], *(f"{k}={v}" for k, v in case[1].items())])


def told(x: torch.Tensor, words: tuple[str, ...], levels: int) -> Dataset:
    labels = torch.arange(len(x)) % len(words)
    captions = tuple(words[i] for i in labels.tolist())
    parts = [Split(x[s], labels[s], captions[s]) for s in (slice(0, 200), slice(200, 250))]
    return Dataset("told", "image", *parts, parts[1], levels=levels)


@cache
def dataset(id_: str) -> Dataset:
    generator = torch.Generator().manual_seed(0)
    if id_ == "pair":
        x = torch.randint(5, (250, 1, 1, 2), generator=generator).byte()
        return told(x, ("from here to there", "from there to here"), 5)
    if id_ == "squares":
        x = torch.randint(5, (250, 3, 8, 8), generator=generator).byte()
        return told(x, ("a red circle", "a blue star"), 5)
    return load_target(REGISTRY.datasets[id_].target)(REGISTRY.datasets[id_])


@pytest.mark.parametrize(
    "asked",
    [*CASES, *EM, *(pytest.param(case, marks=pytest.mark.slow) for case in MORE)],
    ids=lambda case: named(case),
)
def test_killed_at_each_checkpoint_it_ends_as_if_it_had_not_been(asked):
    model, parameters, data = asked
    budget = "120 steps" if asked in EM else "12 steps"  # EM takes five sweeps at a time
    case = Case(REGISTRY.models[model], dataset(data), parameters, budget)
    verdict = judge(training_goes_on, case)
    assert verdict.outcome == "held", verdict.message
