"""Pipelines that diffusers saved, run as they are: every way to call them, and what is refused."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import (
    AutoencoderKL,
    CMStochasticIterativeScheduler,
    ConsistencyModelPipeline,
    DDIMPipeline,
    DDIMScheduler,
    DDPMPipeline,
    DDPMScheduler,
    DiTPipeline,
    DiTTransformer2DModel,
    LatentConsistencyModelPipeline,
    LCMScheduler,
    LDMPipeline,
    PNDMPipeline,
    PNDMScheduler,
    RePaintPipeline,
    RePaintScheduler,
    StableDiffusionPipeline,
    UNet2DConditionModel,
    UNet2DModel,
    VQModel,
)

from gengauge import Dataset, FitRun, Split
from gengauge.budget import Budget
from gengauge.cli import _run
from gengauge.errors import UnsupportedError, UsageError
from gengauge.identity import code_of
from gengauge.model import CountsNFE, TakesSteps
from gengauge.plan import parse_choices
from gengauge.registry import Registry
from gengauge.testing import LAWS, Case, judge
from gengauge.trust import UntrustedError
from gengauge_plugins.brought.pipelines import Pipeline

STEPS = 20
KINDS = ("ddpm", "ddim", "pndm", "consistency", "dit", "ldm", "text", "latent-consistency")
WEIGHTS = "unet/diffusion_pytorch_model.safetensors"


def unet(channels: int = 1, size: int = 8, **more: Any) -> UNet2DModel:
    return UNet2DModel(
        sample_size=size, in_channels=channels, out_channels=channels, layers_per_block=1,
        block_out_channels=(8,), norm_num_groups=4, down_block_types=("DownBlock2D",),
        up_block_types=("UpBlock2D",), **more,
    )  # fmt: skip


def vae(channels: int) -> AutoencoderKL:
    return AutoencoderKL(
        in_channels=channels, out_channels=channels, block_out_channels=(4, 4), norm_num_groups=2,
        latent_channels=2, down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2, sample_size=8,
    )  # fmt: skip


def dit() -> DiTPipeline:
    network = DiTTransformer2DModel(
        num_attention_heads=2, attention_head_dim=4, in_channels=2, out_channels=2, sample_size=4,
        patch_size=2, num_layers=1, num_embeds_ada_norm=1000,
    )  # fmt: skip
    return DiTPipeline(network, vae(1), DDIMScheduler(num_train_timesteps=STEPS))


def ldm() -> LDMPipeline:
    stage = VQModel(
        in_channels=1, out_channels=1, block_out_channels=(4,), norm_num_groups=2,
        latent_channels=2, num_vq_embeddings=8, down_block_types=("DownEncoderBlock2D",),
        up_block_types=("UpDecoderBlock2D",),
    )  # fmt: skip
    return LDMPipeline(stage, unet(2), DDIMScheduler(num_train_timesteps=STEPS))


def from_captions(kind: Any, scheduler: Any, folder: Path, **more: Any) -> Any:
    """A pipeline from captions, with a CLIP of two dozen words to read them."""
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    words = ["<|startoftext|>", "<|endoftext|>", *"abcdefghijklmnopqrstuvwxyz"]
    words += [f"{letter}</w>" for letter in words[2:]]
    (folder / "vocab.json").write_text(json.dumps({w: i for i, w in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"))
    tokenizer.model_max_length = 16
    reader = CLIPTextModel(CLIPTextConfig(
        vocab_size=len(words), hidden_size=8, intermediate_size=16, num_hidden_layers=1,
        num_attention_heads=2, max_position_embeddings=16, bos_token_id=0, eos_token_id=1,
        pad_token_id=1,
    ))  # fmt: skip
    network = UNet2DConditionModel(
        sample_size=4, in_channels=2, out_channels=2, layers_per_block=1, block_out_channels=(8,),
        norm_num_groups=4, down_block_types=("CrossAttnDownBlock2D",), attention_head_dim=4,
        up_block_types=("CrossAttnUpBlock2D",), cross_attention_dim=8, **more,
    )  # fmt: skip
    return kind(
        vae(3), reader, tokenizer, network, scheduler,
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of small pipelines, one of each kind."""
    folder = tmp_path_factory.mktemp("pipelines")
    torch.manual_seed(0)
    noise = DDPMScheduler(num_train_timesteps=STEPS)
    made = {
        "ddpm": DDPMPipeline(unet(), noise),
        "colour": DDPMPipeline(unet(3), noise),
        "large": DDPMPipeline(unet(1, 16), noise),
        "ddim": DDIMPipeline(unet(), DDIMScheduler(num_train_timesteps=STEPS)),
        "consistency": ConsistencyModelPipeline(
            unet(num_class_embeds=10), CMStochasticIterativeScheduler(num_train_timesteps=10)
        ),
        "dit": dit(), "ldm": ldm(), "text": from_captions(
            StableDiffusionPipeline, DDIMScheduler(num_train_timesteps=STEPS), folder
        ),
        "latent-consistency": from_captions(
            LatentConsistencyModelPipeline, LCMScheduler(), folder, time_cond_proj_dim=8
        ),
        "pndm": PNDMPipeline(unet(), PNDMScheduler(num_train_timesteps=STEPS)),
    }  # fmt: skip
    for name, pipeline in made.items():
        pipeline.save_pretrained(folder / name)
    DDPMPipeline(unet(), noise).save_pretrained(folder / "bin", safe_serialization=False)
    RePaintPipeline(unet(), RePaintScheduler()).save_pretrained(folder / "repaint")
    return folder


def pictures(channels: int = 1, levels: int = 256, classes: int = 3) -> Dataset:
    stream = torch.Generator().manual_seed(0)
    x = torch.randint(levels, (120, channels, 8, 8), generator=stream).to(torch.uint8)
    labels = torch.arange(120) % classes
    captions = tuple(f"a {'abc'[i % 3]}" for i in range(120))
    parts = [
        Split(x[s], labels[s], captions[s]) for s in (slice(60), slice(60, 90), slice(90, 120))
    ]
    return Dataset("pictures", "image", *parts, levels=levels)


def fitted(path: Path, data: Dataset, **options: Any) -> Pipeline:
    model = Pipeline(str(path), **{"steps": 2, "batch": 4, **options})
    model.fit(data, FitRun(0, Budget.parse("1 steps")))
    return model


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_pipeline_is_called_as_it_wants_to_be(kind: str, saved: Path) -> None:
    texts = kind in ("text", "latent-consistency")
    channels, more = (3 if texts else 1), {"dit": {"guidance": 1.0}, "pndm": {"steps": 5}}
    data = pictures(channels)
    model = fitted(saved / kind, data, **more.get(kind, {}))
    x = model.sample(6, None, seeded())
    assert x.shape == (6, channels, 8, 8)
    assert not x.is_floating_point()
    assert (int(x.min()), int(x.max())) >= (0, 0)
    assert int(x.max()) <= 255
    assert torch.equal(x, model.sample(6, None, seeded()))
    assert not torch.equal(x, model.sample(6, None, seeded(1)))
    assert model.n_parameters > 100
    takes = "caption" if texts else "class" if kind in ("consistency", "dit") else ""
    assert tuple(model.taken_conditions) == tuple(filter(None, [takes]))
    assert isinstance(model, CountsNFE | TakesSteps)
    # two steps, and one of a decoder; guidance of text doubles the rows
    expected = {"dit": 3, "ldm": 3, "text": 5, "latent-consistency": 3, "pndm": 14}.get(kind, 2)
    assert model.evaluations_per_sample == expected


def test_pictures_are_those_of_the_pipeline_itself(saved: Path) -> None:
    model = fitted(saved / "ddpm", pictures(), batch=3)
    pipe = DDPMPipeline.from_pretrained(saved / "ddpm")
    pipe.set_progress_bar_config(disable=True)
    stream, again = seeded(5), seeded(5)
    torch.randint(2**62, (1,), generator=again)  # what seeds the global streams
    own = pipe(batch_size=3, generator=again, num_inference_steps=2).images
    assert model.sample(3, None, stream)[:, 0].tolist() == [list(map(list, _rows(p))) for p in own]
    grey = fitted(saved / "ddpm", pictures(levels=17), batch=3).sample(3, None, seeded(5))
    assert int(grey.max()) <= 16
    assert (
        grey * 255 / 16 - model.sample(3, None, seeded(5))
    ).abs().max() <= 8.5  # half a level each


def _rows(picture: Any) -> list[list[int]]:
    width, height = picture.size
    return [[picture.getpixel((i, j)) for i in range(width)] for j in range(height)]


def test_labels_and_captions_are_asked_for_in_their_order(saved: Path) -> None:
    data = pictures()
    model = fitted(saved / "consistency", data, steps=1)
    labels = torch.tensor([0, 1, 2, 0, 1, 2])
    once, other = (model.sample(6, asked, seeded()) for asked in (labels, (labels + 1) % 3))
    assert not torch.equal(once, other)
    with pytest.raises(UnsupportedError, match="takes no caption"):
        model.sample(2, ["a", "b"], seeded())
    text = fitted(saved / "text", pictures(3))
    once, other = (text.sample(2, asked, seeded()) for asked in (["a b", "c"], ["c", "a b"]))
    assert not torch.equal(once, other)
    with pytest.raises(UnsupportedError, match="takes no class"):
        text.sample(2, labels[:2], seeded())
    with pytest.raises(ValueError, match="expected 3 conditions"):
        text.sample(3, ["a"], seeded())


def test_what_nobody_asked_for_is_drawn_as_often_as_the_data_has_it(saved: Path) -> None:
    model = fitted(saved / "consistency", pictures())
    model.known["classes"] = [0, 30, 10]
    drawn = torch.bincount(model.usual_labels(4000, seeded()), minlength=3) / 4000
    assert drawn[0] == 0
    assert abs(float(drawn[1]) - 0.75) < 0.03
    model.known["classes"] = []
    assert set(model.usual_labels(400, seeded()).tolist()) == set(range(10))


def test_settings_reach_the_pipeline(saved: Path) -> None:
    data = pictures()
    few = fitted(saved / "ddpm", data, scheduler="DDIM", steps=4)
    assert type(few.pipe.scheduler) is DDIMScheduler
    assert few.sample_in(2, 3, None, seeded())[1] == 2
    assert few.sample_in(4, 3, None, seeded())[1] == 4
    assert few.step_choices == [1, 2, 4]
    whole = fitted(saved / "ddpm", data, steps=0)
    whole.sample(1, None, seeded())
    assert whole.evaluations_per_sample == STEPS  # never more than the scheduler knows
    half = fitted(saved / "ddpm", data, dtype="bf16")
    assert {p.dtype for p in half.pipe.unet.parameters()} == {torch.bfloat16}
    near, far = (fitted(saved / "text", pictures(3), guidance=g) for g in (1.0, 9.0))
    assert (near.sample(2, None, seeded()) - far.sample(2, None, seeded())).abs().max() > 0
    assert near.evaluations_per_sample == 3


@pytest.mark.parametrize("rule", ["bicubic", "bilinear", "box", "nearest"])
def test_another_size_is_resized_by_a_named_rule_alone(rule: str, saved: Path) -> None:
    with pytest.raises(UsageError, match=r"\[1, 16, 16\].*\[1, 8, 8\].*resize=bicubic"):
        fitted(saved / "large", pictures()).sample(1, None, seeded())
    whole = fitted(saved / "large", pictures(), resize=rule).sample(2, None, seeded())
    assert whole.shape == (2, 1, 8, 8)


@pytest.mark.parametrize(
    ("path", "options", "said"),
    [
        ("repaint", {}, "is a RePaintPipeline, which is called with image and mask_image"),
        ("colour", {}, "pictures of 3 channels, and those of pictures have 1"),
        ("ddpm", {"scheduler": "DDIMM"}, "did you mean 'DDIMScheduler'?"),
        ("ddpm", {"guidance": 2.0}, "takes no guidance_scale; leave guidance away"),
        ("ddpm", {"variant": "fp16"}, "cannot be loaded"),
    ],
)
def test_what_cannot_be_is_said(path: str, options: dict[str, Any], said: str, saved: Path) -> None:
    with pytest.raises(UsageError, match=said):
        fitted(saved / path, pictures(), **options).sample(2, None, seeded())


def test_more_classes_than_the_pipeline_has_are_refused(saved: Path) -> None:
    with pytest.raises(UsageError, match="knows 10 classes, and pictures has 12"):
        fitted(saved / "consistency", pictures(classes=12))


def spoiled(change: Callable[[dict[str, Any]], None]) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        index = json.loads((folder / "model_index.json").read_text())
        change(index)
        (folder / "model_index.json").write_text(json.dumps(index))

    return spoil


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda f: (f / "model_index.json").unlink(), "holds no model_index.json"),
        (lambda f: (f / "model_index.json").write_text("{"), "cannot be read"),
        (lambda f: (f / "model_index.json").write_text("[]"), "holds no table"),
        (lambda f: shutil.rmtree(f / "unet"), "has no folder 'unet' of its UNet2DModel"),
        (lambda f: (f / "unet/config.json").unlink(), "cannot be loaded"),
        (lambda f: (f / WEIGHTS).write_bytes(b"no"), "cannot be loaded"),
        (spoiled(lambda i: i.update(_class_name=["mine", "Mine"])), "brings code of its own"),
        (spoiled(lambda i: i.update(_class_name="MyPipeline")), "which diffusers .* has not"),
        (spoiled(lambda i: i.update(_class_name="UNet2DModel")), "which diffusers .* has not"),
        (spoiled(lambda i: i.update(unet=["os", "system"])), "takes system from 'os'"),
        (spoiled(lambda i: i.update({"../unet": ["diffusers", "X"]})), "has no folder '../unet'"),
        (lambda f: (f / "unet/diffusers.py").write_text("open('ran', 'w')"), "code of its own"),
    ],
)  # fmt: skip
def test_a_folder_that_is_not_whole_or_brings_code_is_refused(
    spoil: Callable[[Path], None], said: str, saved: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    shutil.copytree(saved / "ddpm", tmp_path / "spoilt")
    spoil(tmp_path / "spoilt")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=said):
        fitted(tmp_path / "spoilt", pictures())
    assert not (tmp_path / "ran").exists()


class Evil:
    """A pickle that creates a file where it is read."""

    def __reduce__(self) -> tuple[Any, ...]:
        return open, ("ran", "w")


def test_weights_in_a_pickle_are_refused_and_do_not_run(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(saved / "bin", "evil")
    file = Path("evil/unet/diffusion_pytorch_model.bin")
    torch.save({"weight": Evil()}, file)
    asked = ["run", "-m", "diffusers:evil", "-d", "digits", "--no-isolate"]
    assert _run(asked) == 2
    said = capsys.readouterr().err
    assert "diffusion_pytorch_model.bin" in said
    assert "--trust" in said
    assert said.count("\n") == 1
    assert not Path("ran").exists()
    assert not Path("runs").exists()
    file.write_bytes(pickle.dumps(Evil()))
    assert _run(asked) == 2
    with pytest.raises(UntrustedError):
        fitted(tmp_path / "evil", pictures())
    assert not Path("ran").exists()
    shutil.copytree(saved / "ddpm", "beside")
    shutil.copy(file, "beside/scheduler/state.pt")
    with pytest.raises(UntrustedError):  # in any of its parts
        fitted(tmp_path / "beside", pictures())
    monkeypatch.setenv("GENGAUGE_TRUST", "1")
    assert fitted(saved / "bin", pictures()).sample(2, None, seeded()).shape == (2, 1, 8, 8)


LAWFUL = ("ddpm", "consistency", "text")


@pytest.mark.parametrize("kind", LAWFUL)
def test_laws(kind: str, saved: Path) -> None:
    spec = Registry().find("models", f"diffusers:{saved / kind}")
    case = Case(spec, pictures(3 if kind == "text" else 1), {"steps": 1}, n=6)  # type: ignore[arg-type]
    held = [v for v in (judge(law, case) for law in LAWS) if v.outcome != "skipped"]
    assert [v.message for v in held if v.outcome == "broken"] == []
    assert {"samples_look_like_data", "saving_keeps_the_model", "samples_follow_the_generator",
            "global_randomness_is_untouched"} <= {v.law for v in held}  # fmt: skip
    asked = "conditional_samples_answer_their_conditions" in {v.law for v in held}
    assert asked == (kind != "ddpm")


def test_an_edited_checkpoint_is_another_trial_and_a_moved_one_is_not(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(saved / "ddpm", "mine")

    def code() -> str:
        [choice] = parse_choices("diffusers:mine[steps=2]", Registry())
        return code_of(choice.spec, choice.parameters)

    before = code()
    Path("mine/notes.md").write_text("beside the parts")
    assert code() == before
    shutil.move("mine", "elsewhere")
    shutil.copytree("elsewhere", "mine")
    assert code() == before
    weights = Path("mine") / WEIGHTS
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    assert code() != before


def cached(home: Path, pipeline: Path) -> None:
    """Put a pipeline where the hub's cache has it."""
    place = home / "models--owner--name"
    (place / "refs").mkdir(parents=True)
    (place / "refs/main").write_text("f" * 40)
    shutil.copytree(pipeline, place / "snapshots" / ("f" * 40))


def test_an_id_is_read_from_the_hubs_cache_and_offline_says_what_is_missing(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from huggingface_hub import constants

    from gengauge_plugins.brought import folders

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("GENGAUGE_OFFLINE", "1")
    folders._snapshot.cache_clear()
    asked = ["run", "-m", "diffusers:owner/name[steps=2]", "-d", "digits", "--no-isolate", "-o",
             "run", "-s", "fidelity", "--samples", "64"]  # fmt: skip
    assert _run(asked) == 2
    said = capsys.readouterr().err
    assert "'owner/name' is no folder here, and the hub's cache has no copy of it; --off" in said
    assert said.count("\n") == 1
    cached(tmp_path / "hub", saved / "ddpm")
    shutil.rmtree(tmp_path / "hub/models--owner--name/snapshots" / ("f" * 40) / "unet")
    assert _run(asked) == 2
    assert "has no unet of it" in capsys.readouterr().err
    shutil.rmtree(tmp_path / "hub")
    cached(tmp_path / "hub", saved / "ddpm")
    assert _run(asked) == 0
    [line] = Path("run/records.jsonl").read_text().splitlines()
    record = json.loads(line)
    assert record["status"] == "ok"
    assert record["model"]["parameters"]["path"] == "owner/name"
    assert record["model"]["n_parameters"] > 100
    assert {s["metric"] for s in record["scores"] if s["value"] is not None} >= {"fd"}
    folders._snapshot.cache_clear()


def test_what_is_not_cached_is_fetched_without_its_pickles(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub
    from huggingface_hub.errors import LocalEntryNotFoundError

    from gengauge_plugins.brought import folders

    asked: list[dict[str, Any]] = []

    def snapshot(name: str, **options: Any) -> str:
        asked.append({"name": name, **options})
        if options["local_files_only"] or name == "owner/none":
            raise LocalEntryNotFoundError("there is\nno such thing")
        return str(saved / "ddpm")

    monkeypatch.setenv("GENGAUGE_OFFLINE", "")
    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    folders._snapshot.cache_clear()
    assert folders.folder_of("owner/name@v1") == saved / "ddpm"
    assert [a["local_files_only"] for a in asked] == [True, False]
    assert (asked[1]["name"], asked[1]["revision"]) == ("owner/name", "v1")
    assert "*.safetensors" in asked[1]["allow_patterns"]
    assert not [p for p in asked[1]["allow_patterns"] if p.endswith((".bin", ".py", ".pt", "*"))]
    with pytest.raises(UsageError, match=r"the hub gave no copy of it: there is no such thing;"):
        folders.folder_of("owner/none")
    folders._snapshot.cache_clear()


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("nowhere", "there is no folder 'nowhere'"),
        ("a/b/c", "there is no folder 'a/b/c'"),
        ("file.safetensors", "is a file; give the folder"),
    ],
)
def test_a_path_that_is_none_ends_at_once(
    path: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    Path("file.safetensors").write_bytes(b"x")
    assert _run(["run", "-m", f"diffusers:{path}", "-d", "digits"]) == 2
    assert said in capsys.readouterr().err
    assert not Path("runs").exists()


@pytest.mark.gpu
@pytest.mark.parametrize("kind", ["ddpm", "dit", "text"])
def test_on_a_graphics_card(kind: str, saved: Path, tmp_path: Path) -> None:
    model = Pipeline(str(saved / kind), steps=2, batch=4, dtype="bf16", guidance=-1.0)
    data = pictures(3 if kind == "text" else 1)
    model.fit(data, FitRun(0, Budget.parse("1 steps"), torch.device("cuda")))
    stream = torch.Generator("cuda")
    x, again = (model.sample(6, None, stream.manual_seed(1)) for _ in range(2))
    assert x.device.type == "cpu"
    assert x.shape == (6, *data.event_shape)
    assert torch.equal(x, again)
