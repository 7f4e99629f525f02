"""Several processes that train one model: they agree with one, and none is waited for in vain."""

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import torch
from ranked import Line

from gengauge import Budget, FitRun, seeds
from gengauge.data import Dataset, Split
from gengauge.errors import DivergedError
from gengauge.ranks import Order, beside

DRAWN = torch.Generator().manual_seed(0)
DATA = Dataset(
    id="line", modality="points", train=Split(torch.randn(256, 4, generator=DRAWN)),
    validation=Split(torch.randn(32, 4, generator=DRAWN)),
    test=Split(torch.randn(32, 4, generator=DRAWN)),
)  # fmt: skip


def fitted(ranks: int, steps: int = 24, accumulation: int = 1, **parameters) -> tuple[Line, FitRun]:
    run = FitRun(3, Budget(steps, "steps"), accumulation=accumulation)
    order = Order(
        "ranked:Line", parameters, DATA, 3, run.budget, "cpu", "fp32", accumulation, ranks
    )
    with seeds.global_seed(3), beside(order):
        model = Line(**parameters)
        model.fit(DATA, run)
    return model, run


def test_two_processes_learn_what_one_learns():
    alone, run = fitted(1)
    model, together = fitted(2, accumulation=3, batch=21)  # 63 examples in six uneven parts
    one, _ = fitted(1, batch=63)
    assert torch.allclose(model.network.weight, one.network.weight, atol=1e-5)
    assert not torch.equal(model.network.weight, alone.network.weight)
    assert (run.ranks, together.ranks, together.steps, together.examples) == (1, 2, 24, 24 * 63)
    held_out = [point["validation_loss"] for point in together.curve]
    assert held_out == pytest.approx([p["validation_loss"] for p in fitted(1, batch=63)[1].curve])
    assert not torch.distributed.is_initialized()
    assert "WORLD_SIZE" not in os.environ


def test_what_ends_another_process_is_told():
    with pytest.raises(RuntimeError, match="rank 1: ValueError: the second has had enough"):
        fitted(2, fault="raises")
    assert not torch.distributed.is_initialized()


def test_a_process_that_is_killed_is_not_waited_for():
    with pytest.raises(RuntimeError, match="rank 1 ended with SIGKILL"):
        fitted(2, fault="killed")


def test_a_loss_that_is_not_finite_in_one_process_ends_all():
    with pytest.raises(DivergedError, match="nan at step"):
        fitted(2, fault="nan")
    assert not [p for p in psutil.Process().children() if "gengauge.ranks" in " ".join(p.cmdline())]


def benchmark(folder: Path, *launcher: str, extra: tuple[str, ...] = ()) -> list[dict]:
    """Run a flow and a GAN through the command line; return their records, GAN first."""
    asked = "run quick -m flow -m gan -d points/moons -s likelihood -s fidelity --seeds 0 -j 1"
    command = [sys.executable, *launcher, "-m", "gengauge", *asked.split(), "--budget", "40steps",
               "--samples", "200", "-o", str(folder), *extra]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    lines = (folder / "records.jsonl").read_text().splitlines()
    return sorted(map(json.loads, lines), key=lambda record: record["model"]["id"] != "gan")


def check(alone: list[dict], together: list[dict]) -> None:
    """Check that two ways to train have led to the same records, each written once."""
    assert [r["trial"] for r in together] == [r["trial"] for r in alone]
    assert [r["status"] for r in together] == ["ok", "ok"]
    (adversarial, flow), (_, lonely) = together, alone
    assert (flow["training"]["ranks"], lonely["training"]["ranks"]) == (2, 1)
    for one, other in zip(flow["scores"], lonely["scores"], strict=True):
        assert (one["value"] is None) == (other["value"] is None)
        if one["metric"] == "nll":
            assert one["value"] == pytest.approx(other["value"], rel=1e-4)
    # a loop of a model's own is repeated by each, and the first one's model is kept
    assert adversarial["model"]["checkpoint_sha256"] == alone[0]["model"]["checkpoint_sha256"]


@pytest.mark.slow
def test_launched_processes_leave_the_records_of_one(tmp_path):
    cpu = ("--device", "cpu")
    launcher = ("-m", "torch.distributed.run", "--nproc-per-node", "2")
    check(benchmark(tmp_path / "one", extra=cpu), benchmark(tmp_path / "two", *launcher, extra=cpu))


@pytest.mark.gpu
def test_two_cards_leave_the_records_of_one(tmp_path):
    if torch.cuda.device_count() < 2:
        pytest.skip("needs two CUDA devices")
    alone = benchmark(tmp_path / "one", extra=("--device", "cuda"))
    together = benchmark(tmp_path / "two", extra=("--device", "cuda", "--gpus", "2"))
    assert [r["status"] for r in together] == ["ok", "ok"]
    assert together[1]["training"]["ranks"] == 2
    values = [next(s["value"] for s in r["scores"] if s["metric"] == "nll")
              for r in (alone[1], together[1])]  # fmt: skip
    assert values[0] == pytest.approx(values[1], rel=1e-2)
