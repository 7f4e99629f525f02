"""Precision, accumulation and budgets in FLOPs: what they change, and that nothing else does."""

import dataclasses

import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from ranked import TARGET
from torch import nn

from gengauge import Budget, FitRun, provenance, train
from gengauge.choosing import ranks
from gengauge.cli.acceleration import launched
from gengauge.errors import DivergedError, UnsupportedError, UsageError
from gengauge.trial import Trial

X = torch.randn(512, 4, generator=torch.Generator().manual_seed(0))
STEP = 2 * 2 * 4  # operations an example: the product, and its gradient by the weights


def fit(budget="20 steps", x=X, spoil=None, **options):
    asked = {k: options.pop(k) for k in ("precision", "accumulation") if k in options}
    run = FitRun(0, Budget.parse(budget), **asked)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = nn.Linear(4, 1)
    seen = {}

    def loss(x, generator):
        out = module(x)
        seen[module.training] = out.dtype
        value = (out.squeeze(1) - x @ TARGET).pow(2).mean()
        return value * float("nan") if spoil is not None and run.steps >= spoil else value

    train(run, module, loss, (x,), validation=(x[:50],), lr=0.1, **options)
    return module, run, seen


@pytest.mark.parametrize(("n", "size", "parts"), [(512, 32, 4), (50, 17, 3), (512, 5, 7)])
def test_accumulated_batches_are_one_large_batch(n, size, parts):
    whole, run, _ = fit(x=X[:n], batch_size=min(n, size * parts))
    cut, other, _ = fit(x=X[:n], batch_size=size, accumulation=parts)
    assert torch.allclose(whole.weight, cut.weight, atol=1e-5)
    assert (run.steps, run.examples) == (other.steps, other.examples)
    assert run.curve[-1]["train_loss"] == pytest.approx(other.curve[-1]["train_loss"], rel=1e-4)


def test_an_accumulated_step_is_not_one_of_a_small_batch():
    small, _, _ = fit(batch_size=32)
    large, _, _ = fit(batch_size=32, accumulation=4)
    assert not torch.allclose(small.weight, large.weight, atol=1e-4)


def test_a_batch_too_small_to_be_cut_is_refused():
    with pytest.raises(UnsupportedError, match=r"3 examples cannot be cut into 4 parts"):
        fit(x=X[:3], accumulation=4)


def test_bfloat16_is_for_the_loss_in_training_alone():
    module, _, seen = fit("200 steps", precision="bf16")
    exact, _, plain = fit("200 steps")
    assert seen == {True: torch.bfloat16, False: torch.float32}
    assert plain == {True: torch.float32, False: torch.float32}
    assert module.weight.dtype == torch.float32
    assert not torch.equal(module.weight, exact.weight)
    assert torch.allclose(module.weight[0], TARGET, atol=0.1)


@pytest.mark.parametrize("how", [{"precision": "bf16"}, {"accumulation": 3}])
def test_a_loss_that_is_not_finite_is_reported_however_it_is_trained(how):
    with pytest.raises(DivergedError, match=r"nan at step \d+"):
        fit("200 steps", spoil=20, **how)


@pytest.mark.parametrize("parts", [1, 4])
def test_a_budget_in_flops_buys_the_steps_it_pays_for(parts):
    cost = STEP * 128
    _, run, _ = fit(f"{7.9 * cost} flops", batch_size=128 // parts, accumulation=parts)
    assert (run.steps, run.flops) == (7, 7 * cost)
    assert run.curve[-1]["step"] == 7
    assert run.fraction == pytest.approx(7 / 7.9)


def test_counting_changes_nothing_that_is_learnt():
    counted, _, _ = fit(f"{20 * STEP * 128} flops")
    assert torch.equal(counted.weight, fit("20 steps")[0].weight)


def test_a_step_without_products_has_no_flops():
    weight = nn.ParameterList([nn.Parameter(torch.zeros(4))])
    with pytest.raises(UnsupportedError, match="no matrix product"):
        train(FitRun(0, Budget(1e6, "flops")), weight,
              lambda x, generator: (x - weight[0]).pow(2).mean(), (X,))  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "why"),
    [({"precision": "bf16"}, "no bf16"), ({"accumulation": 2}, "no gradient accumulation")],
)
def test_a_loop_of_its_own_says_what_it_does_not_heed(asked, why):
    with pytest.raises(UnsupportedError, match=why):
        FitRun(0, Budget(3, "steps"), **asked).spend(1, 1)
    with pytest.raises(UnsupportedError, match="FLOPs are not counted"):
        FitRun(0, Budget(3, "flops")).spend(1, 1)
    with pytest.raises(UnsupportedError, match="FLOPs are not counted"):
        Budget(3, "flops").steps(10)


def test_another_accelerator_of_this_process_is_left_alone():
    AcceleratorState._reset_state(reset_partial_state=True)
    theirs = Accelerator(cpu=True, mixed_precision="no", gradient_accumulation_steps=5)
    fit(precision="bf16", accumulation=2)
    assert theirs.mixed_precision == "no"
    assert theirs.gradient_accumulation_steps == 5
    AcceleratorState._reset_state(reset_partial_state=True)


def test_flops_are_read_in_their_usual_units():
    assert Budget.parse("2 GFLOPs") == Budget.parse("2e9flops") == Budget(2e9, "flops")
    assert str(Budget.parse("1.5tflops")) == "1.5e+12 flops"
    assert Budget.parse(str(Budget.parse("1.5tflops"))).amount == 1.5e12
    with pytest.raises(UsageError, match="1e12flops"):
        Budget.parse("3 flips")


def test_keys_tell_how_a_model_was_trained_and_usual_ones_stay():
    usual = Trial("vae", "vae", (), "code", "digits", "f", 0, "10 steps", "cpu")
    old = {k: v for k, v in dataclasses.asdict(usual).items()
           if k not in ("precision", "accumulation")}  # fmt: skip
    assert usual.key == provenance.content_hash(old)
    others = ({"precision": "bf16"}, {"accumulation": 2}, {"accumulation": 3})
    assert len({usual.key, *(dataclasses.replace(usual, **how).key for how in others)}) == 4


def test_processes_that_were_launched_are_counted_and_forgotten(monkeypatch):
    for name, value in {"RANK": 1, "WORLD_SIZE": 2, "LOCAL_WORLD_SIZE": 2}.items():
        monkeypatch.setenv(name, str(value))
    assert launched() == (1, 2)
    assert launched() == (0, 1)
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    with pytest.raises(UsageError, match="several machines"):
        launched()


def test_processes_are_asked_for_that_can_be_had(monkeypatch):
    cpu, card = torch.device("cpu"), torch.device("cuda")
    assert ranks(None, 1, cpu, None) == 1
    assert ranks(None, 2, cpu, None) == 2
    with pytest.raises(UsageError, match="torchrun --nproc-per-node 2"):
        ranks(2, 1, cpu, None)
    with pytest.raises(UsageError, match="give one of both"):
        ranks(3, 2, cpu, None)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert ranks(2, 1, card, None) == 2
    with pytest.raises(UsageError, match="has 2 CUDA"):
        ranks(4, 1, card, None)
    with pytest.raises(UsageError, match="one GPU"):
        ranks(2, 1, torch.device("cuda:1"), None)
    with pytest.raises(UsageError, match="one at a time"):
        ranks(2, 1, card, 3)
