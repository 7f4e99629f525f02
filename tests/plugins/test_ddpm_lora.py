"""The adapted diffusion: what is trained, what is kept apart, and what it forgets."""

import json
import sys
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file

from gengauge import Budget, Dataset, FitRun, Split
from gengauge.cli import doctor, show
from gengauge.cli.list import KINDS
from gengauge.errors import NotReadyError, UnsupportedError, UsageError
from gengauge.model import Adapted
from gengauge.registry import Registry
from gengauge_plugins.diffusion.ddpm import DDPM
from gengauge_plugins.diffusion.lora import DDPMLoRA, new_labels

SMALL = {"hidden": 48, "blocks": 1, "steps": 8, "guidance": 1.0}


def blobs(n=600, classes=3, seed=0):
    """Round clouds at the corners of a polygon of radius 4."""
    y = torch.arange(n) % classes
    angle = 2 * torch.pi * y / classes
    noise = torch.randn(n, 2, generator=torch.Generator().manual_seed(seed))
    x = 0.5 * noise + 4 * torch.stack([angle.cos(), angle.sin()], 1)
    parts = [Split(x[s], y[s]) for s in (slice(0, n // 2), slice(n // 2, None), slice(0, 0))]
    return Dataset("blobs", "points", *parts, class_names=tuple("abc"[:classes]))


def fitted(budget="240 steps", data=None, **parameters):
    model = DDPMLoRA(**{**SMALL, **parameters})
    run = FitRun(3, Budget.parse(budget))
    model.fit(data or blobs(), run)
    return model, run


@pytest.fixture(scope="module")
def trained():
    return fitted("400 steps", rank=4, lr=5e-3, lr_adapter=1e-2, share=0.5)[0]


def drawn(sample, label, n=200):
    return sample(n, torch.full((n,), label), torch.Generator().manual_seed(1))


def centre(label):
    return torch.tensor([4.0, 0.0]) if label == 0 else torch.tensor(
        [4 * torch.cos(torch.tensor(2 * torch.pi * label / 3)),
         4 * torch.sin(torch.tensor(2 * torch.pi * label / 3))]
    )  # fmt: skip


def test_it_learns_the_new_class_that_the_base_does_not_know(trained):
    assert isinstance(trained, Adapted)
    assert trained.new_classes == (2,)
    far = {
        who: float((drawn(sample, 2) - centre(2)).norm(dim=1).mean())
        for who, sample in (("base", trained.sample_base), ("adapted", trained.sample))
    }
    assert far["adapted"] < 2.0 < 4.0 < far["base"]
    assert float((drawn(trained.sample_base, 0) - centre(0)).norm(dim=1).mean()) < 1.5


def test_the_base_answers_for_a_new_class_as_for_none(trained):
    table = trained.base_model.network.denoising.network.context.vectors.weight
    assert torch.equal(table[2], table[3])
    assert not torch.equal(table[0], table[3])


def test_merging_gives_the_same_samples(trained):
    plain = trained.merged()
    names = [name for name, _ in plain.network.named_parameters()]
    assert type(plain) is DDPM
    assert not [name for name in names if "lora" in name]
    wrapper = trained.adapted.network.denoising.network
    wrapper.unmerge_adapter()
    try:
        apart = drawn(trained.sample, 2)
    finally:
        wrapper.merge_adapter()
    torch.testing.assert_close(drawn(plain.sample, 2), apart, rtol=1e-4, atol=1e-4)


def test_a_merged_model_is_a_checkpoint_of_ddpm(trained, tmp_path):
    trained.merged().save(tmp_path)
    again = DDPM(conditional=True, **SMALL)
    again.load(tmp_path, torch.device("cpu"))
    torch.testing.assert_close(drawn(again.sample, 1), drawn(trained.sample, 1), rtol=1e-4,
                               atol=1e-4)  # fmt: skip


def test_an_adapter_in_a_pickle_is_not_read(trained, tmp_path, monkeypatch):
    monkeypatch.setenv("GENGAUGE_TRUST", "")
    trained.save(tmp_path)
    weights = tmp_path / "adapter" / "adapter_model.safetensors"
    weights.rename(weights.with_suffix(".bin"))
    with pytest.raises(UsageError, match=r"a pickle \(adapter_model.bin\).*--trust"):
        DDPMLoRA(**SMALL).load(tmp_path, torch.device("cpu"))
    weights.with_suffix(".bin").unlink()
    with pytest.raises(UsageError, match="holds no adapter"):  # and no hub is asked for one
        DDPMLoRA(**SMALL).load(tmp_path, torch.device("cpu"))


def test_base_and_adapter_are_stored_apart(trained, tmp_path):
    import peft

    trained.save(tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {"base", "adapter", "lora.json"}
    assert {p.name for p in (tmp_path / "adapter").iterdir()} == {
        "adapter_config.json", "adapter_model.safetensors",
    }  # fmt: skip
    stored = load_file(tmp_path / "adapter" / "adapter_model.safetensors")
    assert sum(t.numel() for t in stored.values()) == trained.adapter_parameters
    assert json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())["r"] == 4
    base = DDPM(conditional=True, **SMALL)  # the base alone is a checkpoint of its own family
    base.load(tmp_path / "base", torch.device("cpu"))
    torch.testing.assert_close(drawn(base.sample, 0), drawn(trained.sample_base, 0))
    # and peft itself puts the adapter on it
    wrapper = peft.PeftModel.from_pretrained(base.network.denoising.network, tmp_path / "adapter")
    base.network.denoising.network = wrapper
    torch.testing.assert_close(drawn(base.sample, 2), drawn(trained.sample, 2), rtol=1e-4,
                               atol=1e-4)  # fmt: skip


def test_only_the_adapter_and_the_new_rows_are_trained(trained):
    base = dict(trained.base_model.network.named_parameters())
    after = dict(trained.merged().network.named_parameters())
    table = "denoising.network.context.vectors.weight"
    assert torch.equal(after[table][[0, 1, 3]], base[table][[0, 1, 3]])
    assert not torch.equal(after[table][2], base[table][2])
    kept = [n for n in base if n.endswith("bias") or ".norm" in n]
    assert kept
    assert all(torch.equal(after[name], base[name]) for name in kept)


def test_the_adapter_grows_with_its_rank():
    one, two = (fitted("4 steps", rank=rank)[0].adapter_parameters for rank in (1, 2))
    rows = SMALL["hidden"]  # the row of the new class is there at any rank
    assert two - rows == 2 * (one - rows)


def test_more_rank_forgets_more():
    moved = []
    for rank in (1, 8):
        model, _ = fitted("240 steps", rank=rank, lr=5e-3, lr_adapter=5e-3, share=0.5)
        shift = [(drawn(model.sample, y) - drawn(model.sample_base, y)).norm(dim=1).mean()
                 for y in (0, 1)]  # fmt: skip
        moved.append(float(torch.stack(shift).mean()))
    assert moved[0] < moved[1]


def test_the_budget_is_shared():
    _, run = fitted("40 steps", share=0.75)
    assert run.steps == 40
    steps = [point["step"] for point in run.curve]
    assert steps == sorted(steps)
    assert steps[-1] == 40


def test_a_saved_base_is_adapted_and_not_trained_again(tmp_path):
    whole = blobs()
    old = [Split(s.x[s.labels < 2], s.labels[s.labels < 2]) for s in (whole.train, whole.test)]
    base = DDPM(conditional=True, **SMALL)
    base.fit(Dataset("two", "points", old[0], old[1], old[1]), FitRun(0, Budget.parse("60 steps")))
    base.save(tmp_path)
    model, run = fitted("20 steps", base=str(tmp_path))
    assert run.steps == 20
    # the base had two classes and no room for a third
    torch.testing.assert_close(drawn(model.sample_base, 1), drawn(base.sample, 1))


def test_a_base_that_cannot_be_adapted_is_refused(tmp_path):
    with pytest.raises(UsageError, match="no checkpoint of ddpm"):
        fitted("4 steps", base=str(tmp_path))
    plain = DDPM(**SMALL)
    plain.fit(blobs(), FitRun(0, Budget.parse("2 steps")))
    plain.save(tmp_path)
    with pytest.raises(UsageError, match="knows no classes"):
        fitted("4 steps", base=str(tmp_path))


def test_new_classes_are_asked_for_by_number():
    labels = torch.arange(10)
    assert new_labels("3+1", labels, "it").tolist() == [1, 3]
    assert new_labels("", torch.tensor([0, 1]), "it").tolist() == [1]
    with pytest.raises(UsageError, match="write labels"):
        new_labels("last", labels, "it")
    with pytest.raises(ValueError, match="old classes and of the new"):
        new_labels("12", labels, "it")
    with pytest.raises(ValueError, match="old classes and of the new"):
        new_labels("", torch.tensor([4, 4]), "it")


def test_a_class_without_examples_is_refused(trained):
    with pytest.raises(UnsupportedError):
        drawn(trained.sample, 3)


def test_pictures_are_adapted_through_a_unet():
    y = torch.arange(24) % 3
    x = (80 * y.view(-1, 1, 1, 1) + torch.randint(40, (24, 1, 20, 20))).to(torch.uint8)
    data = Dataset("grey", "image", *[Split(x, y)] * 3, levels=256)
    model, _ = fitted("3 steps", data=data, network="unet", hidden=128, rank=1, steps=2)
    assert model.sample(2, torch.tensor([0, 2]), torch.Generator()).shape == (2, 1, 20, 20)


def test_without_peft_it_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(NotReadyError, match=r"needs peft: pip install 'gengauge\[lora\]'"):
        fitted("4 steps")
    with pytest.raises(NotReadyError, match="needs peft"):
        DDPMLoRA().load(tmp_path, torch.device("cpu"))


def test_without_peft_it_is_listed_as_needing_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    registry = Registry()
    only = SimpleNamespace(models={"ddpm-lora": registry.models["ddpm-lora"]})
    first, row = doctor._targets(only)
    assert (first["found"], row["status"]) == ("0 of 1 can run", "missing")
    assert (row["found"], row["advice"]) == ("needs peft", "pip install 'gengauge[lora]'")
    rows = {row["id"]: row for row in KINDS["models"](registry)}
    assert rows["ddpm-lora"]["missing"] == "needs peft: pip install 'gengauge[lora]'"
    assert rows["ddpm"]["missing"] is None
    [shown] = show._find("ddpm-lora", registry)
    assert shown["missing"].startswith("needs peft")


def test_with_peft_nothing_is_missing():
    assert Registry().models["ddpm-lora"].lacks == ""
