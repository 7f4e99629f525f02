"""The laws catch models that break them, and say so."""

import math
import re
import time
from pathlib import Path

import pytest
import torch

from gengauge import Dataset, ModelSpec, Split, check_training
from gengauge.testing import LAWS, Verdict, behaviour, check_model, laws_of

X = torch.randn(400, 2, generator=torch.Generator().manual_seed(0))
Y = (X[:, 0] > 0).long()
DATA = Dataset(
    "x", "points", *(Split(X[s], Y[s]) for s in map(slice, (0, 200, 300), (200, 300, 400)))
)


class Normal:
    """A standard normal that obeys every law."""

    def fit(self, data, run):
        check_training(data, "normal")
        run.spend(1, len(data.train))
        self.shift = torch.zeros(2)

    def sample(self, n, condition, generator):
        return torch.randn(n, 2, generator=generator) + self.shift

    def log_prob(self, x):
        return -0.5 * (x.double() - self.shift).pow(2).sum(1) - math.log(2 * math.pi)

    def save(self, folder: Path):
        folder.mkdir()
        (folder / "shift").write_text(" ".join(str(float(v)) for v in self.shift))

    def load(self, folder: Path, device):
        self.shift = torch.tensor([float(v) for v in (folder / "shift").read_text().split()])


class Unnormalised(Normal):
    def log_prob(self, x):
        return super().log_prob(x) + 0.2


class Batchy(Normal):
    def log_prob(self, x):
        return super().log_prob(x - x.mean(0))


class Forgetful(Normal):
    def fit(self, data, run):
        super().fit(data, run)
        self.shift = data.train.x[0]

    def load(self, folder, device):
        self.shift = torch.zeros(2)


class Peeking(Normal):
    def fit(self, data, run):
        super().fit(data, run)
        self.shift = data.test.x.mean(0) if len(data.test) else torch.zeros(2)


class Unseeded(Normal):
    def sample(self, n, condition, generator):
        return torch.randn(n, 2)


class Greedy(Normal):
    def fit(self, data, run):
        super().fit(data, run)
        run.spend(1000, 1000)


class Drifting(Normal):
    def sample(self, n, condition, generator):
        self.shift = self.shift + 0.1
        return super().sample(n, condition, generator)


class Infinite(Normal):
    def sample(self, n, condition, generator):
        return super().sample(n, condition, generator) / 0


class Trusting(Normal):
    """Learns from whatever it is given."""

    def fit(self, data, run):
        run.spend(1, len(data.train))
        self.shift = torch.zeros(2)


class Mute(Normal):
    """Refuses, and does not say why."""

    def fit(self, data, run):
        if not len(data.train) or not bool(data.train.x.isfinite().all()):
            raise ValueError("no")
        super().fit(data, run)


class Shrinking(Normal):
    """Has a variance of zero where a value never varies."""

    def fit(self, data, run):
        super().fit(data, run)
        self.deviation = data.train.x.std(0, correction=0)

    def log_prob(self, x):
        return super().log_prob(x / self.deviation) - self.deviation.double().log().sum()


class Obliging(Normal):
    """Answers for a class of which it has seen nothing."""

    def sample(self, n, condition, generator):
        return super().sample(n, None, generator)


class Deaf(Normal):
    """Gives one sample, however many labels it is asked for."""

    def sample(self, n, condition, generator):
        return super().sample(n if condition is None else 1, None, generator)


class Sided(Normal):
    """Twice the normal on the side that a label names."""

    spare = 0.0

    def log_prob_given(self, x, labels):
        mine = (x[:, 0] > 0) == labels.bool()
        return (self.log_prob(x) + math.log(2) + self.spare).masked_fill(~mine, -math.inf)


class Overfull(Sided):
    spare = 0.1


class FirstLabel(Sided):
    """Scores all examples of a batch under the first one's label."""

    def log_prob_given(self, x, labels):
        return super().log_prob_given(x, labels[:1].expand(len(x)))


class Absent(Normal):
    """Forgets on the way to the disk what its labels mean."""

    def fit(self, data, run):
        super().fit(data, run)
        self.signs = torch.tensor([-1.0, 1.0])

    def load(self, folder, device):
        super().load(folder, device)
        self.signs = torch.zeros(2)

    def sample(self, n, condition, generator):
        x = super().sample(n, None, generator)
        return x if condition is None else x.abs() * self.signs[condition][:, None]


class Scribbling(Normal):
    """Writes on the training data while it samples."""

    def fit(self, data, run):
        super().fit(data, run)
        self.x = data.train.x

    def sample(self, n, condition, generator):
        if hasattr(self, "x"):
            self.x += 1
        return super().sample(n, condition, generator)


class Moving(Normal):
    """Goes to the device that it is loaded onto, with all it has."""

    def fit(self, data, run):
        super().fit(data, run)
        self.scale = torch.ones(2)

    def load(self, folder, device):
        super().load(folder, device)
        self.shift, self.scale = self.shift.to(device), torch.ones(2, device=device)

    def log_prob(self, x):
        return super().log_prob(x / self.scale)


class HalfMoving(Moving):
    """Leaves one tensor where it was."""

    def load(self, folder, device):
        super().load(folder, device)
        self.scale = torch.ones(2)


class Torn(Normal):
    """Has a network of which a part stays behind."""

    def load(self, folder, device):
        super().load(folder, device)
        self.network = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2))
        self.network[0].to(device)


class Crashing(Normal):
    def fit(self, data, run):
        raise RuntimeError("no such thing")


class Fickle(Normal):
    """Learns something else each time."""

    fits = 0

    def fit(self, data, run):
        super().fit(data, run)
        Fickle.fits += 1
        self.shift = torch.full((2,), float(Fickle.fits))


class Dawdling(Normal):
    """Does not look at the clock."""

    def fit(self, data, run):
        super().fit(data, run)
        if run.budget.unit == "seconds":
            time.sleep(0.5)


class Overpainting(Normal):
    """Fills in what was known as well."""

    def inpaint(self, x, known, generator):
        return self.sample(len(x), None, generator)


def verdicts(name: str, **changes) -> dict[str, str]:
    return {v.law: v.outcome for v in found(name, **changes)}


def found(name: str, **changes) -> list[Verdict]:
    return check_model(about(name, **changes), DATA)


def about(name: str, **changes) -> ModelSpec:
    options = {"capabilities": ("density",), **changes}
    return ModelSpec(id="m", summary="a normal", target=f"{__name__}:{name}", family="f",
                     modalities=("points",), **options)  # fmt: skip


def test_a_lawful_model_breaks_nothing():
    outcomes = verdicts("Normal")
    assert "broken" not in outcomes.values()
    assert outcomes["mass_sums_to_one"] == "skipped"


@pytest.mark.parametrize(
    ("name", "law"),
    [
        ("Unnormalised", "density_integrates_to_one"),
        ("Batchy", "likelihood_ignores_the_batch"),
        ("Forgetful", "saving_keeps_the_model"),
        ("Unseeded", "samples_follow_the_generator"),
        ("Unseeded", "global_randomness_is_untouched"),
        ("Greedy", "budget_in_steps_is_obeyed"),
        ("Drifting", "sampling_changes_nothing"),
        ("Infinite", "samples_look_like_data"),
        ("Infinite", "poor_data_is_survived"),
        ("Trusting", "broken_data_is_refused"),
        ("Mute", "broken_data_is_refused"),
        ("Shrinking", "poor_data_is_survived"),
    ],
)
def test_a_broken_model_is_caught(name, law):
    assert verdicts(name)[law] == "broken"


@pytest.mark.parametrize(("name", "outcome"), [("Deaf", "broken"), ("Absent", "broken")])
def test_conditional_samples_are_held_to_account(name, outcome):
    law = "conditional_samples_answer_their_conditions"
    assert verdicts(name, conditions=("class",))[law] == outcome
    assert verdicts("Normal", conditions=("class",))[law] == "held"
    assert verdicts("Normal")[law] == "skipped"


def test_a_class_without_examples_must_not_be_answered():
    law = "poor_data_is_survived"
    assert verdicts("Obliging", conditions=("class",))[law] == "broken"
    assert verdicts("Obliging")[law] == "held"


def test_controls_show_data_as_it_is():
    outcomes = verdicts("Trusting", control=True)
    assert outcomes["broken_data_is_refused"] == outcomes["poor_data_is_survived"] == "skipped"


SIDED = {"capabilities": ("density", "class-density"), "conditions": ("class",)}


def test_a_likelihood_within_a_class_is_held_to_account():
    laws = ("class_likelihood_sums_to_one", "labels_go_with_their_rows")
    found = {name: verdicts(name, **SIDED) for name in ("Sided", "Overfull", "FirstLabel")}
    outcomes = {name: [verdict[law] for law in laws] for name, verdict in found.items()}
    assert outcomes["Sided"] == ["held", "held"]
    assert outcomes["Overfull"] == ["broken", "held"]
    assert outcomes["FirstLabel"] == ["held", "broken"]
    assert [verdicts("Normal")[law] for law in laws] == ["skipped", "skipped"]


def test_a_control_that_reads_the_test_split_is_caught():
    assert verdicts("Peeking", control=True)["held_back_split_is_not_read"] == "broken"


def test_an_undeclared_capability_is_caught():
    assert verdicts("Normal", capabilities=())["capabilities_are_declared"] == "broken"


@pytest.mark.parametrize(
    ("name", "law"),
    [
        ("Scribbling", "training_data_is_left_alone"),
        ("HalfMoving", "loading_goes_to_the_device"),
        ("Torn", "loading_goes_to_the_device"),
        ("Unnormalised", "density_integrates_to_one"),
        ("Batchy", "likelihood_ignores_the_batch"),
        ("Greedy", "budget_in_steps_is_obeyed"),
        ("Trusting", "broken_data_is_refused"),
        ("Mute", "broken_data_is_refused"),
    ],
)
def test_a_broken_model_breaks_one_law_and_no_other(name, law):
    assert [other for other, outcome in verdicts(name).items() if outcome == "broken"] == [law]


def test_values_that_were_known_must_stay():
    found = verdicts("Overpainting", capabilities=("density", "inpainter"))
    assert [law for law, outcome in found.items() if outcome == "broken"] == ["known_values_stay"]


def test_a_fit_that_differs_from_time_to_time_is_caught():
    assert verdicts("Fickle")["fit_is_deterministic"] == "broken"


def test_a_fit_that_does_not_look_at_the_clock_is_caught(monkeypatch):
    monkeypatch.setattr(behaviour, "_SECONDS", 0.05)
    monkeypatch.setattr(behaviour, "_SLACK", 0.2)
    found = [law for law, outcome in verdicts("Dawdling").items() if outcome == "broken"]
    assert found == ["budget_in_seconds_is_obeyed"]


def test_every_law_is_broken_by_some_model():
    here = Path(__file__).parent
    texts = "".join(path.read_text() for path in here.glob("test_[tr]es*.py"))
    assert [law.__name__ for law in LAWS if law.__name__ not in texts] == []


def test_a_model_that_moves_whole_is_held():
    assert verdicts("Moving")["loading_goes_to_the_device"] == "held"
    assert verdicts("Normal")["loading_goes_to_the_device"] == "skipped"


def test_a_broken_law_says_what_was_expected_what_came_and_what_to_do():
    [broken] = [v for v in found("Unnormalised") if v.outcome == "broken"]
    assert broken.says.startswith("A planar density sums to one")
    assert broken.expected == "a density that integrates to 1 within 5 %"
    assert broken.came.startswith("1.2")
    assert broken.advice in broken.message


def test_a_crash_names_the_line_of_the_plugin():
    [first, *_] = found("Crashing")
    assert (first.law, first.outcome) == ("it_can_be_fitted", "broken")
    assert first.came == "RuntimeError: no such thing"
    assert re.fullmatch(r"look at test_testing\.py:\d+", first.advice)


def test_laws_of_one_description_are_tests(pytester_like):
    ids, results = pytester_like("Unnormalised")
    assert ids[0] == "model m on x: it_can_be_fitted"
    assert set(results.values()) == {"held", "skipped", "failed"}
    assert [name for name, r in results.items() if r == "failed"] == [
        "model m on x: density_integrates_to_one"
    ]


@pytest.fixture
def pytester_like():
    """Call the tests that ``laws_of`` made, as pytest would."""

    def outcome(tests, law, subject):
        try:
            tests(law, subject)
        except pytest.skip.Exception as reason:
            return "skipped" if len(str(reason)) > 10 else "without a reason"
        except pytest.fail.Exception as failure:
            return "failed" if "expected" in str(failure) else "without a word"
        return "held"

    def run(name):
        tests = laws_of(about(name), DATA)
        [mark] = tests.pytestmark
        ids = mark.kwargs["ids"]
        pairs = zip(ids, mark.args[1], strict=True)
        return ids, {id_: outcome(tests, *pair) for id_, pair in pairs}

    return run
