"""Steering by a guide: what is moved, whose gradient it is, and who must not judge."""

import pytest
import torch
from standins import evidence

from gengauge import Budget, Dataset, FitRun, Split
from gengauge.errors import UnsupportedError, UsageError
from gengauge.loading import load_embedder
from gengauge.metric import Unready
from gengauge.registry import Registry
from gengauge_plugins.vq import guide as guides
from gengauge_plugins.vq.steering import Steering
from gengauge_plugins.vq.vqgan_clip import VQGANCLIP

CPU = torch.device("cpu")
SMALL = {"guide": "clip/shapes", "codebook": 12, "width": 4, "steps": 3, "candidates": 40}
SAID = ("a dark picture", "a bright picture")


def squares(n=80, size=8):
    y = torch.arange(n) % 2
    x = (40 + 160 * y).view(-1, 1, 1, 1) + torch.randint(
        20, (n, 3, size, size), generator=torch.Generator().manual_seed(0)
    )
    split = Split(x.to(torch.uint8), y, tuple(SAID[k] for k in y.tolist()))
    return Dataset("squares", "image", split, split.first(40), split.first(10), levels=256)


class Bright:
    """A guide that knows dark from bright: features of the mean level, and of the two words."""

    id, sha256 = "bright", "0" * 64

    def features(self, x):
        return self.embed(x.float())

    def embed(self, x):
        mean = x.mean((1, 2, 3)) / 255
        return torch.stack([mean, 1 - mean], 1)

    def text(self, captions):
        with torch.inference_mode():
            said = torch.tensor([[float("bright" in c), float("dark" in c)] for c in captions])
            return said


@pytest.fixture
def bright(monkeypatch):
    monkeypatch.setattr(guides, "_loaded", lambda id_, device: Bright())


def fitted(budget="60 steps", **parameters):
    model = VQGANCLIP(**{**SMALL, **parameters})
    model.fit(squares(), FitRun(0, Budget.parse(budget)))
    return model


def test_pictures_become_what_the_guide_reads(bright):
    model = fitted(steps=40)
    x = model.sample(20, [SAID[i % 2] for i in range(20)], torch.Generator().manual_seed(0))
    mean = x.float().mean((1, 2, 3))
    assert float(mean[1::2].min()) > float(mean[::2].max()) + 40


def test_a_picture_does_not_depend_on_its_batch(bright):
    alone, together = fitted(batch=1), fitted(batch=64)
    asked = [SAID[0], SAID[1], SAID[1]]
    x = [m.sample(3, asked, torch.Generator().manual_seed(3)) for m in (alone, together)]
    assert torch.equal(*x)
    first = together.sample(1, asked[:1], torch.Generator().manual_seed(3))
    assert torch.equal(first, x[0][:1])


def test_it_is_logits_that_are_moved(bright, monkeypatch):
    # codes moved themselves, and rounded straight through, fool the guide and no judge
    model, moved = fitted(), []
    adam = torch.optim.Adam

    def noted(parameters, **settings):
        moved.extend(parameters)
        return adam(parameters, **settings)

    monkeypatch.setattr(torch.optim, "Adam", noted)
    x = model.sample(2, list(SAID), torch.Generator().manual_seed(0))
    assert [tuple(p.shape) for p in moved] == [(2, 12, 4, 4)]
    # what is shown is decoded from entries, whatever mixture the guide has seen on the way
    assert torch.equal(x, model.decode_codes(moved[0].detach().argmax(1)))


def test_the_search_falls_to_one_entry_a_place(bright, monkeypatch):
    model, seen = fitted(steps=12), []
    planes = model.stage.planes
    monkeypatch.setattr(model.stage, "planes", lambda c: seen.append(c.detach()) or planes(c))
    model.sample(4, list(SAID) * 2, torch.Generator().manual_seed(0))
    far = [float((c - model.stage.entries(model.stage.indices(c))).square().mean()) for c in seen]
    assert far[0] == 0  # the look at all candidates
    assert far[12] < 0.2 * far[1]


def test_the_guide_is_shown_pictures_of_its_own_size():
    guide = guides.Guide("clip/shapes", (1, 8, 8), 17, CPU)
    assert guide.shape == (3, 32, 32)
    x = torch.rand(2, 1, 8, 8, requires_grad=True)
    seen = guide.seen(x, torch.tensor([[0.0, 0.0, 0.0], [0.2, 1.0, -1.0]]))
    assert seen.shape == (2, 48)
    torch.testing.assert_close(seen.square().sum(1), torch.ones(2))
    [slope] = torch.autograd.grad(seen[:, 0].sum(), x)
    assert bool(slope.flatten(1).any(1).all())


def test_the_guide_sees_a_whole_picture_as_the_judge_would():
    judge = load_embedder(Registry().embedders["clip/shapes"], CPU)
    x = torch.randint(256, (3, 3, 32, 32), generator=torch.Generator().manual_seed(0)).byte()
    guide = guides.Guide("clip/shapes", (3, 32, 32), 256, CPU)
    seen = guide.seen(x.float() / 255, torch.zeros(3, 3))
    expected = torch.nn.functional.normalize(judge.features(x), dim=1)
    torch.testing.assert_close(seen, expected, rtol=1e-3, atol=1e-4)


def test_moves_look_at_a_part_of_the_picture(bright):
    guide = guides.Guide("bright", (1, 8, 8), 256, CPU)
    x = torch.zeros(2, 1, 8, 8)
    x[:, :, :, 4:] = 1.0
    right, left = guide.seen(x, torch.tensor([[0.5, 1.0, 0.0], [0.5, -1.0, 0.0]]))[:, 0]
    assert float(right) > 0.99
    assert float(left) < 0.2


def test_the_judge_must_not_be_the_guide(bright):
    model = fitted()
    assert model.guides == ("clip/shapes", "0" * 64)
    leak = evidence(model, squares()).leakage(Bright())
    assert "leakage" in leak
    judge = Bright()
    judge.id, judge.sha256 = "other", "1" * 64
    assert evidence(model, squares()).leakage(judge) == ""


def test_a_loaded_model_names_its_guide_before_it_draws(bright, tmp_path):
    model = fitted()
    model.save(tmp_path)
    loaded = VQGANCLIP(**SMALL)
    loaded.load(tmp_path, CPU)
    assert loaded.guides == model.guides
    x = [m.sample(2, None, torch.Generator().manual_seed(1)) for m in (model, loaded)]
    assert torch.equal(*x)


@pytest.mark.parametrize(("id_", "text"), [("clip/shape", "did you mean"), ("digits", "steer")])
def test_a_guide_that_cannot_is_refused_before_training(id_, text):
    with pytest.raises(UsageError, match=text) as error:
        fitted(guide=id_)
    assert "clip/shapes" in str(error.value)


def test_a_guide_that_is_not_ready_says_what_to_do(monkeypatch):
    absent = Unready("clip/shapes", "put the file there")
    monkeypatch.setattr(guides, "load_embedder", lambda spec, device: absent)
    with pytest.raises(UsageError, match="put the file there"):
        fitted()


def test_captions_are_checked(bright):
    model, generator = fitted(budget="6 steps"), torch.Generator()
    with pytest.raises(ValueError, match="no word"):
        model.sample(1, [" "], generator)
    with pytest.warns(UserWarning, match="'green'"):
        model.sample(1, ["a green picture"], generator)
    with pytest.raises(UnsupportedError, match="captions"):
        model.sample(1, torch.zeros(1, dtype=torch.int64), generator)
    bare = Split(squares().train.x)
    with pytest.raises(ValueError, match="has none"):
        VQGANCLIP(**SMALL).fit(Dataset("bare", "image", *[bare] * 3, levels=256),
                               FitRun(0, Budget.parse("2 steps")))  # fmt: skip


def test_every_step_counts():
    model = VQGANCLIP(steps=10, cutouts=3)
    assert model.evaluations_per_sample == 81
    assert model.steering == Steering(10, 0.2, 3, 0.05)
