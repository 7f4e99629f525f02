"""A folder that diffusers saved: the same samples as its own pipelines, and clear errors."""

import json

import pytest
import torch
from diffusers import DDIMPipeline, DDIMScheduler, DDPMPipeline, DDPMScheduler, UNet2DModel

from gengauge import Budget, Dataset, FitRun, Split
from gengauge.errors import UnsupportedError, UsageError
from gengauge_plugins.diffusion.ddpm import DDPM

RUN = Budget.parse("5 steps")


def pictures(side=8, levels=256):
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(levels, (20, 1, side, side), generator=generator, dtype=torch.uint8)
    return Dataset("noise", "image", Split(x), Split(x[:4]), Split(x[:4]), levels=levels)


def unet(**more):
    torch.manual_seed(0)
    return UNet2DModel(
        sample_size=8, in_channels=1, out_channels=1, block_out_channels=(8, 16),
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"), layers_per_block=1, norm_num_groups=4,
        **more,
    ).eval()  # fmt: skip


PIPELINES = {
    "ddim": (DDIMPipeline, DDIMScheduler(num_train_timesteps=100)),
    "ddim, v": (DDIMPipeline, DDIMScheduler(num_train_timesteps=100, clip_sample=False,
                                            prediction_type="v_prediction")),
    "ddpm": (DDPMPipeline, DDPMScheduler(num_train_timesteps=100)),
    "ddpm, x0": (DDPMPipeline, DDPMScheduler(num_train_timesteps=100, prediction_type="sample",
                                             beta_schedule="squaredcos_cap_v2")),
}  # fmt: skip


@pytest.fixture(params=PIPELINES)
def saved(request, tmp_path):
    kind, scheduler = PIPELINES[request.param]
    pipeline = kind(unet=unet(), scheduler=scheduler)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.save_pretrained(tmp_path / "made")
    return pipeline, tmp_path / "made"


def fitted(folder, data, **parameters):
    model, run = DDPM(pretrained=str(folder), **parameters), FitRun(0, RUN)
    model.fit(data, run)
    return model, run


def test_samples_are_those_of_its_pipeline(saved, tmp_path):
    pipeline, folder = saved
    wanted = pipeline(
        4, generator=torch.Generator().manual_seed(3), num_inference_steps=10, output_type="np"
    ).images
    model, run = fitted(folder, pictures(), steps=10)
    got = model.sample(4, None, torch.Generator().manual_seed(3))
    wanted = torch.from_numpy(wanted).permute(0, 3, 1, 2)
    # a pipeline's picture is in 0 .. 1; ours is where the level 255 times that has its bin
    torch.testing.assert_close((got * 256 - 0.5).clamp(0, 255), wanted * 255, atol=0.05, rtol=0)
    assert run.steps == 0
    assert model.evaluations_per_sample == 10
    model.save(tmp_path / "again")
    loaded = DDPM(steps=10)
    loaded.load(tmp_path / "again", torch.device("cpu"))
    assert torch.equal(loaded.sample(4, None, torch.Generator().manual_seed(3)), got)
    assert torch.equal(loaded.alphas_cumprod(), pipeline.scheduler.alphas_cumprod.double())


def test_its_guesses_are_those_of_the_network_at_its_own_steps(saved):
    pipeline, folder = saved
    model, _ = fitted(folder, pictures())
    x, t = torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(0)), 37
    with torch.no_grad():
        answer = pipeline.unet(x, t).sample
        found, _ = model.predict(x, torch.full((3,), t))
    alpha = pipeline.scheduler.alphas_cumprod[t].sqrt()
    sigma = (1 - alpha**2).sqrt()
    meaning = pipeline.scheduler.config.prediction_type
    wanted = {"epsilon": (x - sigma * answer) / alpha, "sample": answer,
              "v_prediction": alpha * x - sigma * answer}[meaning]  # fmt: skip
    torch.testing.assert_close(found, wanted.clamp(-1, 1), atol=1e-4, rtol=1e-4)


def test_other_samplers_go_around_it(saved):
    _, folder = saved
    model, _ = fitted(folder, pictures(), sampler="heun", steps=4)
    x = model.sample(2, None, torch.Generator().manual_seed(0))
    assert model.evaluations_per_sample == 7
    assert bool(torch.isfinite(x).all())


def test_pictures_of_another_size_are_refused(saved):
    with pytest.raises(UnsupportedError, match=r"\[1, 8, 8\].*\[1, 4, 4\]"):
        fitted(saved[1], pictures(side=4))
    with pytest.raises(UnsupportedError, match="conditional=false"):
        fitted(saved[1], pictures(), conditional=True)


def test_wrong_folders_are_refused(tmp_path):
    with pytest.raises(UsageError, match="no folder of diffusers"):
        fitted(tmp_path / "nothing", pictures())
    index = tmp_path / "model_index.json"
    index.write_text("[")
    with pytest.raises(UsageError, match="no folder of diffusers"):
        fitted(tmp_path, pictures())
    index.write_text(json.dumps({"unet": ["diffusers", "UNet2DConditionModel"]}))
    with pytest.raises(UsageError, match="no UNet2DModel"):
        fitted(tmp_path, pictures())
    index.write_text(json.dumps({"unet": ["diffusers", "UNet2DModel"],
                                 "scheduler": ["diffusers", "DDPMScheduler"]}))  # fmt: skip
    with pytest.raises(UsageError, match="is not whole"):
        fitted(tmp_path, pictures())


def test_networks_of_another_kind_are_refused(tmp_path):
    pipeline = DDPMPipeline(unet=unet(num_class_embeds=3), scheduler=DDPMScheduler())
    pipeline.save_pretrained(tmp_path)
    index = json.loads((tmp_path / "unet" / "config.json").read_text())
    assert index["num_class_embeds"] == 3
    with pytest.raises(UsageError, match="take no classes"):
        fitted(tmp_path, pictures())


@pytest.mark.parametrize("saved", ["ddim"], indirect=True)
def test_weights_in_a_pickle_are_read_with_trust_alone(saved, monkeypatch):
    """And then as tensors alone: diffusers asks torch for no more."""
    monkeypatch.setenv("GENGAUGE_TRUST", "")
    pipeline, folder = saved
    wanted = fitted(folder, pictures())[0].sample(3, None, torch.Generator().manual_seed(0))
    for path in (folder / "unet").glob("*.safetensors"):
        path.unlink()
    pipeline.unet.save_pretrained(folder / "unet", safe_serialization=False)
    with pytest.raises(UsageError, match=r"a pickle \(diffusion_pytorch_model.bin\).*--trust"):
        fitted(folder, pictures())
    monkeypatch.setenv("GENGAUGE_TRUST", "1")
    made = fitted(folder, pictures())[0].sample(3, None, torch.Generator().manual_seed(0))
    assert torch.equal(made, wanted)


@pytest.mark.parametrize("saved", ["ddim"], indirect=True)
def test_a_scheduler_is_none_but_a_scheduler(saved):
    _, folder = saved
    index = json.loads((folder / "model_index.json").read_text())
    index["scheduler"] = ["diffusers", "DiffusionPipeline"]
    (folder / "model_index.json").write_text(json.dumps(index))
    with pytest.raises(UsageError, match="there is no scheduler DiffusionPipeline"):
        fitted(folder, pictures())
