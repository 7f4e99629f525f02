"""Checkpoints of training: whole, cheap, and never in the way."""

from __future__ import annotations

import math
import os
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from gengauge import Budget, FitRun, packing, train
from gengauge.choosing import checkpoints
from gengauge.errors import UsageError
from gengauge.fitting import clear
from gengauge.resumption import Resumption
from gengauge.training import batches

X = torch.randn(100, 3, generator=torch.Generator().manual_seed(0))
STEPS = Budget(20, "steps")


class Killed(BaseException):
    pass


@dataclass
class Deadly(Resumption):
    """Ends the process, so to speak, at its first checkpoint."""

    def write(self, index: int, state: dict[str, Any] | None = None) -> None:
        super().write(index, state)
        raise Killed


def place(folder: Path, kind: type[Resumption] = Resumption, **more: Any) -> Resumption:
    return kind(folder, **{"every": Budget(7, "steps"), "tell": lambda line: None, **more})


def fit(at: Resumption | None = None, budget: Budget = STEPS, wide: int = 3) -> tuple[Any, FitRun]:
    """Fit with all that can be random: dropout, its own noise, and the global streams."""
    torch.manual_seed(1)
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    module = nn.Sequential(nn.Linear(3, wide), nn.Dropout(), nn.Linear(wide, 3))
    run = FitRun(5, budget, place=at or Resumption())

    def loss(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        scale = 1 + 0.1 * (random.random() + np.random.rand())  # noqa: NPY002
        noise = torch.randn(x.shape, generator=generator)
        return (module(x + noise) - scale * x).square().mean()

    train(run, module, loss, (X,), validation=(X[:20],), batch_size=32, lr=0.05)
    return torch.cat([p.detach().flatten() for p in module.parameters()]), run


def killed(folder: Path, **more: Any) -> None:
    with pytest.raises(Killed):
        fit(place(folder, Deadly), **more)


def losses(run: FitRun) -> list[tuple[float, ...]]:
    return [(p["step"], p["train_loss"], p["validation_loss"]) for p in run.curve]


def test_it_goes_on_with_equal_weights_curve_and_counts(tmp_path: Path) -> None:
    whole, spent = fit()
    for _ in range(2):
        killed(tmp_path)
    found, run = fit(place(tmp_path))
    assert torch.equal(found, whole)
    assert losses(run) == losses(spent)
    assert (run.steps, run.examples, run.place.resumed) == (20, 640, 2)
    assert [n for n, _ in run.laps] == [n for n, _ in spent.laps]
    assert all(a[1] < b[1] for a, b in zip(run.laps, run.laps[1:], strict=False))


def test_the_best_weights_may_lie_before_the_checkpoint(tmp_path: Path) -> None:
    def grown(at: Resumption) -> float:
        module = nn.Linear(1, 1, bias=False)
        nn.init.ones_(module.weight)

        def loss(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
            weight = module.weight.sum()
            return -weight if module.training else weight  # the longer, the worse

        train(FitRun(0, STEPS, place=at), module, loss, (X,), validation=(X,), lr=0.1)
        return float(module.weight.detach())

    best, last = grown(Resumption()), Budget(13, "steps")
    with pytest.raises(Killed):
        grown(place(tmp_path, Deadly, every=last))
    assert grown(place(tmp_path, every=last)) == best
    assert best < 1.8  # a step moves by a tenth


def test_without_the_position_in_the_data_it_would_not_be_equal(tmp_path: Path) -> None:
    """The test above can fail: here one of the parts is forgotten."""
    killed(tmp_path)
    path = tmp_path / "loop-0.safetensors"
    tensors, content = packing.read(path)
    state = packing.unpack(tensors, content["state"])
    state["parts"]["batches"]["next"] = 0
    tensors, content["state"] = packing.pack(state)
    packing.write(path, tensors, content)
    assert not torch.equal(fit(place(tmp_path))[0], fit()[0])


def test_time_that_was_spent_stays_spent(tmp_path: Path) -> None:
    budget = Budget(0.3, "seconds")
    killed(tmp_path, budget=budget)
    path = tmp_path / "loop-0.safetensors"
    tensors, content = packing.read(path)
    state = packing.unpack(tensors, content["state"])
    state["spent"]["seconds"] = 0.29
    tensors, content["state"] = packing.pack(state)
    packing.write(path, tensors, content)
    _, run = fit(place(tmp_path, every=Budget(1e6, "steps")), budget)
    assert run.seconds > 0.29
    assert run.fraction == 1
    assert run.laps[-1][1] >= 0.29


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(bytes(content))


def empty(path: Path) -> None:
    path.write_bytes(b"")


def another(path: Path) -> None:
    save_file({"weights": torch.zeros(3)}, path)


def pickled(path: Path) -> None:
    torch.save({"x": torch.zeros(3)}, path)


def no_state(path: Path) -> None:
    tensors, content = packing.read(path)
    packing.write(path, tensors, {**content, "state": {"tensor": "no such"}})


@pytest.mark.parametrize("damage", [cut, flip, empty, another, pickled, no_state])
def test_a_damaged_checkpoint_is_as_good_as_none(tmp_path: Path, damage: Any) -> None:
    killed(tmp_path)
    damage(tmp_path / "loop-0.safetensors")
    said: list[str] = []
    found, run = fit(place(tmp_path, tell=said.append))
    assert torch.equal(found, fit()[0])
    assert run.place.resumed == 0
    assert len(said) == 1
    assert "loop-0.safetensors is damaged" in said[0]


def test_a_checkpoint_of_other_code_or_torch_is_left_alone(tmp_path: Path, monkeypatch) -> None:
    killed(tmp_path)
    for identity, version in (({"trial": "another"}, torch.__version__), ({}, "2.14.0")):
        said: list[str] = []
        with monkeypatch.context() as patched:
            patched.setattr(torch, "__version__", version)
            at = place(tmp_path, identity=identity, tell=said.append)
            assert at.find(0) is None
        assert said == ["loop-0.safetensors is of other code or versions: this loop trains anew"]
    loop = FitRun(6, STEPS, place=place(tmp_path)).loop({})  # another stage of the fit
    assert (loop.step, loop.place.resumed) == (0, 0)


def test_a_checkpoint_of_another_shape_leaves_everything_as_it_was(tmp_path: Path) -> None:
    killed(tmp_path, wide=4)
    said: list[str] = []
    found, run = fit(place(tmp_path, every=Budget(1e6, "steps"), tell=said.append))
    assert torch.equal(found, fit()[0])
    assert (run.steps, run.place.resumed) == (20, 0)
    assert said[0].startswith("a checkpoint does not fit (")


def test_a_full_disk_is_no_reason_to_stop(tmp_path: Path, monkeypatch) -> None:
    def full(handle: int, content: bytes) -> int:
        raise OSError(28, "No space left on device")

    said: list[str] = []
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        found, _ = fit(place(tmp_path, every=Budget(3, "steps"), tell=said.append))
    assert torch.equal(found, fit()[0])
    assert said == [
        "warning: no checkpoint of the training could be written: [Errno 28] No space left on "
        "device"
    ]
    assert list(tmp_path.iterdir()) == []


def test_a_write_that_fails_keeps_the_checkpoint_before(tmp_path: Path, monkeypatch) -> None:
    killed(tmp_path)
    before = (tmp_path / "loop-0.safetensors").read_bytes()
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", lambda handle: (_ for _ in ()).throw(OSError(5, "broken")))
        fit(place(tmp_path))
    assert (tmp_path / "loop-0.safetensors").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["loop-0.safetensors"]


def test_short_training_writes_nothing_and_a_costly_disk_is_asked_seldom(tmp_path: Path) -> None:
    fit(Resumption(tmp_path / "training"))
    assert not (tmp_path / "training").exists()
    slow = Resumption(tmp_path, every=Budget(1e-9, "seconds"))
    assert slow.due()
    slow._cost = 3600.0  # what the last one took: now there is none for a hundred hours
    assert not slow.due()


@pytest.mark.parametrize(("afresh", "left"), [(False, ["training"]), (True, [])])
def test_what_is_cleared_before_a_trial_is_run_again(
    tmp_path: Path, afresh: bool, left: list[str]
) -> None:
    for name in ("training", "checkpoint"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x").touch()
    (tmp_path / "error.txt").touch()
    clear(tmp_path, also_begun=afresh)
    assert [p.name for p in tmp_path.iterdir()] == left
    clear(tmp_path / "nothing", also_begun=afresh)


@pytest.mark.parametrize("text", ["soon", "5examples", "0s"])
def test_a_wrong_pause_between_checkpoints_says_what_is_right(text: str) -> None:
    with pytest.raises(UsageError, match=f"--checkpoint-every '{text}' is not understood; write a"):
        checkpoints(text)
    assert checkpoints("2m") == Budget(120, "seconds")


def test_a_loop_that_has_ended_is_not_run_again(tmp_path: Path) -> None:
    def both(at: Resumption) -> tuple[list[int], torch.Tensor]:
        calls, weight = [0, 0], nn.Linear(1, 1, bias=False)
        nn.init.zeros_(weight.weight)
        run = FitRun(0, Budget(12, "steps"), place=at)
        for stage in range(2):
            loop = run.loop({"weight": weight})
            while not loop.finished and loop.step < 6:
                calls[stage] += 1
                weight.weight.data.add_(1 + torch.rand(1))
                run.steps += 1
                loop.stepped()
            loop.finish()
            weight.weight.data.mul_(2)  # what comes between loops is done again
        return calls, weight.weight.detach()

    torch.manual_seed(0)
    calls, whole = both(Resumption())
    assert calls == [6, 6]
    torch.manual_seed(0)
    with pytest.raises(Killed):
        both(place(tmp_path, Deadly))
    torch.manual_seed(0)
    at = place(tmp_path, every=Budget(1e6, "steps"))
    calls, found = both(at)
    assert calls == [0, 6]  # the first checkpoint was due when the first loop had ended
    assert torch.equal(found, whole)


def test_batches_go_on_where_they_were() -> None:
    def stream() -> Any:
        return batches((X,), 32, torch.Generator().manual_seed(3))

    whole, some = stream(), stream()
    expected = [next(whole)[0] for _ in range(12)]
    for taken in (0, 2, 3, 7):
        state = None
        some = stream()
        for _ in range(taken):
            next(some)
        state, other = some.state_dict(), stream()
        other.load_state_dict(state)
        assert all(torch.equal(next(other)[0], x) for x in expected[taken:])


def test_packing_keeps_kinds_and_refuses_objects(tmp_path: Path) -> None:
    tree = {
        "a": [1, 2.5, None, True, "x", (math.inf, -math.inf)], 3: torch.zeros(0, 2),
        "b": {"c": torch.tensor(1.5, dtype=torch.bfloat16), "d": torch.ones(3).bool()},
        "t": torch.arange(6.0).view(2, 3).T,
    }  # fmt: skip
    packing.write(tmp_path / "x", *packing.pack(tree))
    found = packing.unpack(*packing.read(tmp_path / "x"))
    assert found["a"] == tree["a"]
    assert torch.equal(found["t"], tree["t"])
    assert found[3].shape == (0, 2)
    assert found["b"]["c"].dtype == torch.bfloat16
    assert found["b"]["d"].all()
    assert set(load_file(tmp_path / "x")) == {"0", "1", "2", "3"}  # readable by anyone
    with pytest.raises(TypeError, match="a object cannot be kept in a checkpoint; keep tensors"):
        packing.pack({"x": object()})
