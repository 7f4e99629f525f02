"""Alignment on cases whose answer is known."""

from dataclasses import dataclass, replace

import pytest
import torch
from standins import StandIn

from gengauge import Dataset, Evidence, Split
from gengauge.errors import UnsupportedError
from gengauge.registry import load_target
from gengauge_suites.alignment import gengauge_metrics
from gengauge_suites.alignment.accuracy import attribute_accuracy, class_accuracy
from gengauge_suites.alignment.clip import clip_r_precision, clip_score
from gengauge_suites.alignment.prompts import PAPER, meanings, prefix_of

METRICS = {spec.id: spec for spec in gengauge_metrics()}


class Obedient(StandIn):
    """Gives each condition its number, as points: (label or place of the caption, index)."""

    def __init__(self, answers):
        self.answers = answers

    def sample(self, n, condition, generator):
        return self.answers[:n]


@dataclass
class Judge:
    """Sees a sample ``[d]`` as it is, and a caption as the numbers written in it."""

    id: str = "judge"
    sha256: str = "1"
    prefix: str = ""

    def features(self, x):
        return x

    def text(self, captions):
        self.heard = list(captions)
        return torch.tensor([[float(v) for v in c.split()[-2:]] for c in captions])

    def classes(self, x):
        return torch.nn.functional.one_hot(x[:, 0].long(), 3).float()

    def attributes(self, x):
        return x.long()


class Words:
    """Captions end in two numbers, whatever stands before them."""

    names = ("first", "second")
    values = (("0", "1"), ("0", "1"))

    def attributes(self, caption):
        return tuple(map(float, caption.split()[-2:]))

    def agreement(self, caption, found):
        """A number that is -1 is not claimed."""
        said = self.attributes(caption)
        return tuple(None if s < 0 else float(s == f) for s, f in zip(said, found, strict=True))

    def combinations(self, attributes):
        return (tuple(attributes),)


def asked(samples, captions=None, labels=None, *, model=None, grammar=None, **more):
    """Return evidence of a model that gives ``samples`` for the test conditions."""
    test = Split(torch.zeros_like(samples), labels, captions, more.get("attributes"))
    empty = Split(samples[:0])
    data = Dataset(
        "made", "points", empty, empty, test, class_names=("a", "b", "c"), grammar=grammar
    )
    model = model or Obedient(samples)
    return Evidence(data, model, test.x, 0, conditions=more.get("conditions", ("class", "caption")))


UP, DOWN, ASIDE = [1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]


def test_the_score_is_clamped_image_by_image():
    score = clip_score(asked(torch.tensor([UP, DOWN]), ("1 0", "2 0")),
                       Judge(), "auto")  # fmt: skip
    assert score.value == 1.25  # not 0, which clamping the mean would give
    assert score.per_example.tolist() == [2.5, 0.0]
    assert score.raw.tolist() == [1.0, -1.0]
    assert score.details["mean_cosine"] == 0
    assert score.details["share_clamped"] == 0.5


def test_the_score_knows_no_lengths():
    given = torch.tensor([UP, ASIDE, DOWN, [3.0, 4.0]])
    captions = ("1 0", "1 1", "1 2", "5 0")
    one = clip_score(asked(given, captions), Judge(), "auto")
    other = clip_score(asked(given * 7, captions), Judge(), "auto")
    torch.testing.assert_close(one.per_example, other.per_example)
    cosines = [1, 0.5**0.5, -(0.2**0.5), 0.6]
    torch.testing.assert_close(one.raw, torch.tensor(cosines, dtype=torch.float64))
    assert one.value == pytest.approx(2.5 * (1 + 0.5**0.5 + 0 + 0.6) / 4)


def test_captions_are_prefixed_as_the_paper_does_unless_the_embedder_knows_better():
    class Plain:
        id = "plain"

    assert prefix_of(Plain(), "auto") == PAPER == "A photo depicts"
    assert prefix_of(Judge(), "auto") == ""
    assert prefix_of(Plain(), "a drawing of") == "a drawing of"
    judge = Judge(prefix="Look at ")
    score = clip_score(asked(torch.tensor([UP, ASIDE]), ("1 0", "0 1")), judge, "auto")
    assert judge.heard == ["Look at 1 0", "Look at 0 1"]
    assert score.protocol == {"prefix": "Look at "}
    assert score.value == 2.5


def test_images_of_one_caption_count_once_in_the_interval():
    x = torch.randn(40, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    captions = tuple(f"{a} {b}" for a, b in x.flip(0).tolist())
    plain = clip_score(asked(x, captions), Judge(), "auto")
    four = clip_score(asked(x.repeat(4, 1), captions * 4), Judge(), "auto")
    assert four.value == pytest.approx(plain.value)
    assert four.interval.standard_error == pytest.approx(plain.interval.standard_error)
    assert four.details["prompts"] == 40


def test_paraphrases_mean_the_same():
    captions = ["a 1 0", "that is 1 0", "A 1 0", "0 1"]
    assert meanings(captions, Words()).tolist() == [0, 0, 0, 1]
    assert meanings(captions, None).tolist() == [0, 1, 0, 2]


def circle(n):
    """Return ``n`` directions all around and the captions that say them."""
    angle = torch.arange(n, dtype=torch.float64) * (2 * torch.pi / n)
    x = torch.stack([angle.cos(), angle.sin()], 1)
    return x, tuple(f"{a!r} {b!r}" for a, b in x.tolist())


def test_a_perfect_model_is_always_retrieved():
    x, captions = circle(150)
    score = clip_r_precision(asked(x, captions), Judge(), 100)
    assert score.value == 1
    assert score.interval.low > 0.95
    assert score.details["chance"] == 0.01


def test_a_deaf_model_is_retrieved_by_chance():
    x, captions = circle(1000)
    order = torch.randperm(1000, generator=torch.Generator().manual_seed(0))
    for candidates in (100, 10):
        score = clip_r_precision(asked(x[order], captions), Judge(), candidates)
        assert score.interval.low <= 1 / candidates <= score.interval.high
        assert score.interval.high < 3 / candidates


def test_a_judge_that_tells_nothing_apart_guesses():
    x = torch.ones(120, 2)
    captions = tuple(f"caption {i} 1 1" for i in range(120))
    score = clip_r_precision(asked(x, captions), Judge(), 100)
    assert score.value == pytest.approx(0.01)


def test_captions_that_mean_the_same_are_no_rivals():
    x, captions = circle(120)
    twice = tuple(f"{before} {c}" for before in ("this is", "that is") for c in captions)
    score = clip_r_precision(asked(x.repeat(2, 1), twice, grammar=Words()), Judge(), 100)
    assert score.value == 1
    assert clip_r_precision(asked(x.repeat(2, 1), twice), Judge(), 100).value < 1


def test_retrieval_needs_enough_captions():
    x, captions = circle(60)
    score = clip_r_precision(asked(x, captions), Judge(), 100)
    assert score.value is None
    assert "needs 99 test captions of other meaning, there are 59" in score.reason
    assert clip_r_precision(asked(x, captions), Judge(), 60).value == 1


def test_rivals_are_the_same_for_every_model():
    x, captions = circle(500)
    near = x.roll(
        1, 0
    )  # each image lies at its neighbour's caption: right unless that one is drawn
    one, two = (clip_r_precision(asked(near, captions), Judge(), 100) for _ in range(2))
    assert torch.equal(one.per_example, two.per_example)
    drawn = 99 / 499
    assert one.value == pytest.approx((1 - drawn) * (1 - drawn / 2), abs=0.05)


LABELS = torch.tensor([0] * 4 + [1] * 4 + [2] * 2)
FOUND = torch.tensor([0, 0, 0, 1, 1, 1, 2, 0, 2, 2])  # 3 of 4, 2 of 4, 2 of 2


def test_class_accuracy_reads_the_confusion():
    score = class_accuracy(asked(FOUND[:, None].float(), labels=LABELS), Judge())
    assert score.value == 0.7
    assert score.details["by_class"] == {"a": 0.75, "b": 0.5, "c": 1.0}
    assert score.details["judge_on_real"] == 0.4  # the test examples are all zeros
    assert score.per_example.tolist() == (FOUND == LABELS).double().tolist()
    assert score.interval.low < 0.5 < 0.85 < score.interval.high


SAID = torch.tensor([[0, 0], [0, 1], [1, 0], [1, 1]])
SHOWN = torch.tensor([[0.0, 0.0], [0, 1], [1, 1], [0, 0]])


def written(said):
    return tuple(f"{a} {b}" for a, b in said.tolist())


def test_attribute_accuracy_wants_all_of_them():
    given = asked(SHOWN, written(SAID), attributes=SAID, grammar=Words())
    score = attribute_accuracy(given, Judge())
    assert score.value == 0.5
    assert score.per_example.tolist() == [1, 1, 0, 0]
    assert score.details["by_attribute"] == {"first": 0.75, "second": 0.5}
    assert score.details["claimed"] == {"first": 4, "second": 4}
    assert score.details["judge_on_real"] == 0.25  # the test examples are all zeros
    assert "unseen_combinations" not in score.details  # nothing was trained on


def test_what_is_not_claimed_is_not_judged():
    said = torch.tensor([[0, -1], [0, 1], [-1, 0], [-1, 1]])
    score = attribute_accuracy(asked(SHOWN, written(said), grammar=Words()), Judge())
    assert score.per_example.tolist() == [1, 1, 0, 0]
    assert score.details["by_attribute"] == {"first": 1.0, "second": 1 / 3}
    assert score.details["claimed"] == {"first": 2, "second": 3}


def test_chance_is_what_the_captions_of_others_reach():
    n = 4000
    said = torch.randint(2, (n, 2), generator=torch.Generator().manual_seed(0))
    given = asked(said.float(), written(said), attributes=said, grammar=Words())
    given.dataset.__dict__["test"] = replace(given.dataset.test, x=said.float())
    details = attribute_accuracy(given, Judge()).details
    assert details["judge_on_real"] == 1
    assert details["chance"] == pytest.approx(1 / 4, abs=0.05)
    assert details["chance_by_attribute"] == {
        "first": pytest.approx(1 / 2, abs=0.05), "second": pytest.approx(1 / 2, abs=0.05)
    }  # fmt: skip


def test_combinations_that_training_lacks_are_counted_apart():
    given = asked(SHOWN, written(SAID), attributes=SAID, grammar=Words())
    train = Split(SHOWN[:0], attributes=torch.tensor([[0, 1], [1, 1], [0, 1]]))
    given.dataset.__dict__["train"] = train
    details = attribute_accuracy(given, Judge()).details
    assert details["seen_combinations"] == {"share": 0.5, "n": 2}
    assert details["unseen_combinations"] == {"share": 0.5, "n": 2}
    given.dataset.__dict__["train"] = Split(SHOWN, attributes=SAID)
    given.shared.clear()
    assert "unseen_combinations" not in attribute_accuracy(given, Judge()).details


def test_captions_outside_the_language_are_not_judged():
    class Half(Words):
        def agreement(self, caption, found):
            return (None, None) if caption == "1 1" else super().agreement(caption, found)

    score = attribute_accuracy(asked(SHOWN, written(SAID), grammar=Half()), Judge())
    assert score.value is None
    assert score.reason == "the data's grammar does not understand 1 of its captions"


def reason(measure, *arguments):
    try:
        return measure(*arguments).reason
    except UnsupportedError as error:
        return str(error)


def test_every_refusal_has_its_words():
    x, captions = circle(4)
    labels = torch.tensor([0, 1, 2, 0])
    deaf = asked(x, captions, labels, conditions=())
    assert reason(clip_score, deaf, Judge(), "") == "takes no caption condition"
    assert reason(class_accuracy, deaf, Judge()) == "takes no class condition"
    assert "no caption" in reason(clip_score, asked(x), Judge(), "")
    assert "no class" in reason(class_accuracy, asked(x), Judge())
    assert "no grammar" in reason(attribute_accuracy, asked(x, captions), Judge())
    alike = asked(x, ("1 0",) * 4, attributes=torch.zeros(4, 2), grammar=Words())
    assert "at least 2 different captions" in reason(clip_score, alike, Judge(), "")
    assert "at least 2 different captions" in reason(attribute_accuracy, alike, Judge())
    nothing = asked(0 * x, captions)
    assert reason(clip_score, nothing, Judge(), "") == (
        "the features of 4 of 4 images have no direction"
    )
    four = asked(x.abs(), captions, labels)
    four.dataset.__dict__["class_names"] = tuple("abcd")
    assert "tells 3 classes and the data has 4" in reason(class_accuracy, four, Judge())

    class Blind:
        id, sha256 = "blind", "0"

        def features(self, x):
            return x

    assert "embeds no text" in reason(clip_score, asked(x, captions), Blind(), "")
    assert "tells no classes" in reason(class_accuracy, four, Blind())
    assert "tells no attributes" in reason(attribute_accuracy, asked(x, captions), Blind())


def test_images_are_drawn_and_seen_once_for_all_metrics():
    x, captions = circle(150)

    class Counting(Judge):
        seen = 0

        def features(self, x):
            self.seen += len(x)
            return x

    class Once(Obedient):
        drawn = 0

        def sample(self, n, condition, generator):
            self.drawn += n
            return super().sample(n, condition, generator)

    model, judge = Once(x), Counting()
    evidence = asked(x, captions, model=model)
    clip_score(evidence, judge, "auto")
    clip_r_precision(evidence, judge, 100)
    assert (model.drawn, judge.seen) == (150, 150)


@pytest.mark.parametrize("spec", METRICS.values(), ids=METRICS)
def test_every_spec_keeps_its_promises(spec):
    code = load_target(spec.target).__code__
    first = ("evidence", "embedder") if spec.embedded else ("evidence",)
    assert code.co_varnames[: code.co_argcount] == (*first, *(p.name for p in spec.parameters))
    assert spec.summary.endswith(".")
    assert "lind to" in spec.summary
    assert bool(spec.condition) == (spec.id != "joint_agreement")  # which is asked for nothing
    assert "https://" in spec.reference
