"""Over repeated draws the interval of the CLIP score holds the truth as often as it says."""

import numpy as np
import pytest
import torch
from standins import StandIn

from gengauge import Dataset, Evidence, Split
from gengauge_suites.alignment.clip import clip_score

DRAWS = 400


class Angles(StandIn):
    """Answers each caption with an image at the angle that is written in it, more or less."""

    def sample(self, n, condition, generator):
        return torch.randn(n, 1, generator=generator, dtype=torch.float64)


class Judge:
    """Sees a caption straight ahead and its image at its prompt's angle plus its own."""

    id, sha256, prefix = "judge", "1", ""

    def __init__(self, asked):
        self.asked = asked

    def features(self, x):
        angle = self.asked[:, None] + 0.3 * x
        return torch.cat([angle.cos(), angle.sin()], 1)

    def text(self, captions):
        return torch.tensor([[1.0, 0.0]]).expand(len(captions), 2)


def draw(seed, prompts, each):
    generator = torch.Generator().manual_seed(seed)
    angle = 1.2 * torch.rand(prompts, generator=generator, dtype=torch.float64) + 0.6
    names = [f"prompt {i}" for i in range(prompts)]
    x = torch.zeros(prompts * each, 1, dtype=torch.float64)
    test = Split(x, captions=tuple(name for name in names for _ in range(each)))
    data = Dataset("made", "points", Split(x[:0]), Split(x[:0]), test)
    evidence = Evidence(data, Angles(), x, seed, conditions=("caption",))
    return clip_score(evidence, Judge(angle.repeat_interleave(each)), "auto")


@pytest.fixture(scope="module")
def truth():
    generator = torch.Generator().manual_seed(0)
    angle = 1.2 * torch.rand(10**6, generator=generator, dtype=torch.float64) + 0.6
    angle = angle + 0.3 * torch.randn(10**6, generator=generator, dtype=torch.float64)
    return float(2.5 * angle.cos().clamp(min=0).mean())


@pytest.mark.parametrize(("prompts", "each"), [(30, 1), (30, 6), (100, 4)])
def test_the_truth_is_held(prompts, each, truth):
    found = [draw(seed, prompts, each) for seed in range(DRAWS)]
    held = np.mean([s.interval.low <= truth <= s.interval.high for s in found])
    assert 0.9 <= held <= 0.99
    assert np.mean([s.value for s in found]) == pytest.approx(truth, abs=0.03)


def test_taking_images_of_one_prompt_as_independent_would_not_hold_it(truth):
    found = [draw(seed, 30, 6) for seed in range(DRAWS)]
    errors = [s.per_example.std() / len(s.per_example) ** 0.5 for s in found]
    held = [abs(s.value - truth) <= 1.97 * e for s, e in zip(found, errors, strict=True)]
    assert np.mean(held) < 0.8
