"""Benchmarks and model choices: every mistake is one line with the nearest right name."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from gengauge import runner
from gengauge.benchmark import Benchmark, parse_benchmark, read_benchmark
from gengauge.budget import Budget
from gengauge.errors import NothingSelectedError, SpecError, UsageError
from gengauge.options import Options, resolve_benchmark
from gengauge.parameters import Parameter
from gengauge.plan import parse_choices, plan
from gengauge.registry import Registry
from gengauge.runner import Run
from gengauge.specs import ModelSpec
from gengauge.store import RunStore

GOOD = '[benchmark]\nname = "mine"\ndatasets = ["digits"]\n'


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry()


def test_a_file_says_what_the_interface_promises() -> None:
    text = GOOD + 'seeds = [0, 1]\nbudget = "2000 steps"\n[models.vae]\nbudget = "30 s"\n'
    found = parse_benchmark(text + '[metrics.fd]\ngate = "5%"\n', "x.toml")
    assert found.seeds == (0, 1)
    assert found.budgets == {"vae": "30 s"}
    assert found.gates == {"fd": "5%"}


def test_the_resolved_file_reads_back_as_itself() -> None:
    nasty = Benchmark(
        'na"me\\', ("digits",), 3, ("vae[latent=2,name=é]",), ("fidelity",), (1, 2), "5 steps", 10,
        {"vae[latent=2]": "3 steps"}, {"fd": "5%"}, {"likelihood.k": "8"}, ("digits",),
        ("gmm[components=2]",), (0.1, 1.0), 500,
    )  # fmt: skip
    assert parse_benchmark(nasty.to_toml(), "x") == nasty


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (GOOD + "sedes = [1]\n", "unknown key 'sedes'; did you mean 'seeds'?"),
        (GOOD + "[modles.vae]\n", "unknown key 'modles'; did you mean 'models'?"),
        (GOOD + '[models.vae]\nbugdet = "1 s"\n', "did you mean 'budget'?"),
        (GOOD + "seeds = 3\n", "'seeds' takes a list of whole numbers, not 3"),
        (GOOD + 'seeds = ["a"]\n', "'seeds' takes a list of whole numbers"),
        (GOOD + 'samples = "many"\n', "'samples' takes a whole number"),
        (GOOD + "samples = true\n", "'samples' takes a whole number"),
        (GOOD + "stages = 0.5\n", "'stages' takes a list of shares above 0 and up to 1, not 0.5"),
        (GOOD + "limit = 3\n", "'limit' takes a whole number of at least 4, not 3"),
        (GOOD + "stages = [0]\n", "'stages' takes a list of shares above 0 and up to 1"),
        (GOOD + "stages = [1.5]\n", "'stages' takes a list of shares above 0 and up to 1"),
        ("[benchmark]\nname = 'x'\n", "needs [benchmark] with name and datasets"),
        ("nonsense", "is not valid TOML"),
    ],
)
def test_mistakes_in_a_file(text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_benchmark(text, "x.toml")
    assert said in str(caught.value)


def test_a_missing_file_is_named(registry: Registry) -> None:
    with pytest.raises(UsageError, match=r"'gone\.toml' does not exist"):
        read_benchmark("gone.toml", registry)
    with pytest.raises(UsageError, match="unknown benchmark 'quik'; did you mean 'quick'"):
        read_benchmark("quik", registry)


def test_a_comma_makes_a_grid(registry: Registry) -> None:
    grid = parse_choices("vae[latent=4,8,beta=1.0,2]", registry)
    assert [c.label for c in grid] == [
        "vae[latent=4,beta=1.0]", "vae[latent=4,beta=2.0]",
        "vae[latent=8,beta=1.0]", "vae[latent=8,beta=2.0]",
    ]  # fmt: skip
    assert grid[3].parameters["latent"] == 8


def test_name_gives_a_variant_its_own_id(registry: Registry) -> None:
    [choice] = parse_choices("vae[latent=32,name=vae-wide]", registry)
    assert choice.label == "vae-wide"
    assert choice.parameters["latent"] == 32


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("gmn", "unknown model 'gmn'; did you mean 'gmm'?"),
        ("vae[latnt=3]", "unknown parameter of vae 'latnt'; did you mean 'latent'?"),
        ("vae[latent=big]", "'latent' takes an int, not 'big'"),
        ("vae[latent=1.5]", "'latent' takes an int, not '1.5'"),
        ("vae[latent=0]", "'latent' must be at least 1"),
        ("gmm[covariance=ful]", "did you mean 'full'?"),
        ("vae[latent=1,latent=2]", "'latent' is given twice"),
        ("vae[3]", "'3' needs a parameter name before it"),
        ("vae[latent=3", "is not understood"),
        ("vae[latent=1,2,name=x]", "name= labels one variant"),
    ],
)
def test_mistakes_in_a_model(registry: Registry, text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_choices(text, registry)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_every_model_that_fits_is_planned(registry: Registry) -> None:
    jobs = plan(Benchmark("x", ("digits", "points/moons")), registry)
    on = {(j.choice.spec.id, j.dataset.id) for j in jobs}
    assert ("truth", "points/moons") in on
    assert ("truth", "digits") not in on
    assert {m for m, d in on if d == "digits"} >= {"gmm", "vae", "flow", "real", "noise"}


def test_variants_come_beside_every_model(registry: Registry) -> None:
    def labels(**options) -> set[str]:
        jobs = plan(Benchmark("x", ("points/moons",), **options), registry)
        return {j.choice.label for j in jobs}

    big = "vae[latent=2,name=big]"
    assert labels(variants=(big,)) == labels() | {"big"}
    assert labels(models=("gmm",), variants=(big,)) == {"gmm", "big"}


def test_nothing_selected_says_why(registry: Registry) -> None:
    with pytest.raises(NothingSelectedError, match="needs a dataset whose density is known"):
        plan(Benchmark("x", ("digits",), models=("truth",)), registry)


def test_a_model_of_captions_needs_them(registry: Registry) -> None:
    about = {"family": "f", "modalities": ("image",), "target": "a:B", "summary": "s"}
    model = ModelSpec(id="painter", conditions=("caption",), needs_captions=True, **about)
    assert model.fits(registry.datasets["digits"]) == "needs captions"
    assert model.fits(registry.datasets["shapes"]) == ""


def test_the_same_name_for_two_models_is_refused(registry: Registry) -> None:
    two = ("vae[latent=2,name=a]", "vae[latent=3,name=a]")
    with pytest.raises(UsageError, match="two models are called 'a'"):
        plan(Benchmark("x", ("digits",), models=two), registry)


def test_settings_reach_the_metrics_they_name(registry: Registry) -> None:
    jobs = plan(Benchmark("x", ("digits",), models=("vae",), settings={"iwae.k": "7"}), registry)
    [iwae] = [m for m in jobs[0].metrics if m.spec.id == "iwae"]
    assert iwae.parameters["k"] == 7
    for key, said in [("iwea.k", "did you mean 'iwae'"), ("iwae.q", "unknown setting 'iwae.q'")]:
        with pytest.raises(UsageError, match=said):
            plan(Benchmark("x", ("digits",), settings={key: "7"}), registry)


def test_budgets_by_model_win_over_the_common_one(registry: Registry) -> None:
    benchmark = Benchmark("x", ("digits",), models=("vae", "flow"), budget="7 steps",
                          budgets={"vae": "9 steps"})  # fmt: skip
    assert [j.budget for j in plan(benchmark, registry)] == ["9 steps", "7 steps"]


def test_stages_are_shares_of_each_budget_the_shortest_first(registry: Registry) -> None:
    benchmark = Benchmark(
        "x", ("digits",), models=("real", "naive-bayes", "gmm", "vae"), seeds=(0, 1),
        budgets={"gmm": "3 steps", "vae": "10 s"}, stages=(1, 0.1, 0.2),
    )  # fmt: skip
    found: dict[tuple[str, int], list[str]] = {}
    for job in plan(benchmark, registry):
        found.setdefault((job.choice.label, job.seed), []).append(job.budget)
    assert found["vae", 0] == found["vae", 1] == ["1 seconds", "2 seconds", "10 seconds"]
    assert found["gmm", 0] == ["1 steps", "3 steps"]  # two of its stages are the same step
    assert found["naive-bayes", 0] == found["real", 0] == ["1 steps"]


def test_a_budget_by_hand_is_the_whole_of_it(registry: Registry, tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_text(GOOD + 'stages = [0.1, 1]\nlimit = 99\n[models.vae]\nbudget = "30 s"\n')
    found = resolve_benchmark(Options(benchmark=str(file), models=("vae",)), registry)
    assert (found.stages, found.limit, found.budgets) == ((0.1, 1), 99, {"vae": "30 s"})
    by_hand = Options(benchmark=str(file), budget="30 steps", limit=9)
    found = resolve_benchmark(by_hand, registry)
    assert (found.stages, found.limit, found.budgets) == ((), 9, {})


@pytest.mark.parametrize(
    "text", ["", "12", "steps", "-5 steps", "0 steps", "5 parsecs", "1e steps"]
)
def test_bad_budgets(text: str) -> None:
    with pytest.raises(UsageError, match="such as 2000steps, 1e5examples or 30s"):
        Budget.parse(text)


def test_a_spec_with_a_double_parameter_is_refused() -> None:
    from gengauge.specs import ModelSpec

    twice = (Parameter("a", 1), Parameter("a", 2))
    with pytest.raises(SpecError, match="named twice"):
        ModelSpec(id="x", family="f", summary="s", target="a:B", modalities=("points",),
                  parameters=twice)  # fmt: skip


def test_data_are_loaded_once_for_all_their_trials(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded, load = [], runner.load_dataset
    monkeypatch.setattr(
        runner, "load_dataset", lambda spec, limit: loaded.append(spec.id) or load(spec, limit)
    )
    text = GOOD.replace("digits", "points/moons") + 'models = ["gmm", "real"]\nseeds = [0, 1]\n'
    benchmark = parse_benchmark(text, "x.toml")
    run = Run(benchmark, registry, RunStore(tmp_path), torch.device("cpu"), limit=100)
    assert len(run.tasks(plan(benchmark, registry))) == 4
    assert loaded == ["points/moons"]
