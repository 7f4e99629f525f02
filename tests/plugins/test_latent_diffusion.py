"""Latent diffusion: both first stages, captions, folders of diffusers, and what they cost."""

import pytest
import torch

from gengauge import Budget, Dataset, FitRun, Split
from gengauge.errors import UnsupportedError, UsageError
from gengauge_plugins.diffusion.latent import LatentDiffusion
from gengauge_plugins.networks.first_stage import FirstStage
from gengauge_plugins.networks.logistic import scaled

CPU = torch.device("cpu")
SMALL = {"width": 8, "hidden": 64, "blocks": 1, "steps": 8}
SAID = (
    "a dark picture",
    "a bright picture",
    "Bright below, dark above.",
    "dark below, bright above",
)


def pictures(n=300, size=8, levels=17, captioned=True):
    """Pictures whose halves are dark or bright, which class and caption say."""
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(n) % 4
    top = torch.where((y == 1) | (y == 3), levels - 4, 2)
    bottom = torch.where((y == 1) | (y == 2), levels - 4, 2)
    x = torch.empty(n, 1, size, size, dtype=torch.int64)
    x[:, :, : size // 2], x[:, :, size // 2 :] = top.view(-1, 1, 1, 1), bottom.view(-1, 1, 1, 1)
    x = (x + torch.randint(-2, 3, x.shape, generator=generator)).clamp(0, levels - 1)
    captions = tuple(SAID[k] for k in y.tolist()) if captioned else None
    split = Split(x.to(torch.uint8), y, captions)
    return Dataset("halves", "image", split, split.first(100), split.first(0), levels=levels)


def fitted(data=None, budget="240 steps", **parameters):
    model = LatentDiffusion(**{**SMALL, **parameters})
    run = FitRun(1, Budget.parse(budget))
    model.fit(data or pictures(), run)
    return model, run


def halves(x):
    """Return whether the upper and the lower half of pictures are bright ``[n, 2]``."""
    return torch.stack([part.float().mean((1, 2, 3)) for part in x.chunk(2, 2)], 1) > 8


@pytest.mark.parametrize(("kind", "condition"), [("kl", "caption"), ("vq", "class")])
def test_what_is_asked_for_is_answered(kind, condition):
    wanted = torch.tensor([[0, 0], [1, 1], [0, 1], [1, 0]]).bool()
    asked = torch.arange(4).repeat(10)
    model, _ = fitted(first_stage=kind, condition=condition, budget="300 steps")
    given = asked if condition == "class" else tuple(SAID[k] for k in asked.tolist())
    found = halves(model.sample(40, given, torch.Generator().manual_seed(0)))
    assert float((found == wanted[asked]).all(1).float().mean()) > 0.85


def test_the_perceptron_begins_as_pca():
    data = pictures()
    stage = FirstStage(data.event_shape, 17, width=8)
    x = data.train.x
    stage.begin(x)
    y = scaled(x, 17).flatten(1)
    centred = y - y.mean(0)
    _, _, axes = torch.linalg.svd(centred, full_matrices=False)
    nearest = y.mean(0) + centred @ axes[:32].T @ axes[:32]
    torch.testing.assert_close(stage.planes(stage.encode(x)).flatten(1), nearest, rtol=1e-3,
                               atol=1e-3)  # fmt: skip


@pytest.mark.parametrize(("shape", "side"), [((1, 8, 8), 2), ((3, 18, 17), 4)])
def test_convolutions_begin_as_pca_of_patches(shape, side):
    noise = torch.Generator().manual_seed(0)
    x = torch.randint(256, (400, *shape), generator=noise).to(torch.uint8)
    stage = FirstStage(shape, 256, width=8, network="conv")
    stage.begin(x)
    padded = torch.nn.functional.pad(scaled(x, 256), (0, -shape[2] % side, 0, -shape[1] % side),
                                     value=-1.0)  # fmt: skip
    fold = {"kernel_size": side, "stride": side}
    patches = torch.nn.functional.unfold(padded, **fold).movedim(1, 2)
    flat = patches.flatten(0, 1)
    _, _, axes = torch.linalg.svd(flat - flat.mean(0), full_matrices=False)
    kept = axes[: stage.code[0]]
    nearest = flat.mean(0) + (patches - flat.mean(0)) @ kept.T @ kept
    expected = torch.nn.functional.fold(nearest.movedim(1, 2), padded.shape[2:], **fold)
    found = stage.planes(stage.encode(x))
    torch.testing.assert_close(found, expected[:, :, : shape[1], : shape[2]], rtol=1e-2, atol=1e-2)


def test_gradients_pass_the_codebook_straight_through():
    stage = FirstStage((1, 8, 8), 17, "vq", codebook=8).train()
    inner = torch.randn(5, 2, 4, 4, requires_grad=True)
    generator = torch.Generator().manual_seed(0)
    codes, extra = stage.codebook.quantised(inner, generator)
    # forwards an entry, backwards as if the encoder's own answer had been decoded
    torch.testing.assert_close(codes, stage.entries(stage.indices(inner)))
    slope = torch.randn_like(codes)
    [through] = torch.autograd.grad((codes * slope).sum(), inner, retain_graph=True)
    assert torch.equal(through, slope)
    # the entries themselves learn from how far codes are, and from nothing else
    assert torch.autograd.grad(codes.sum(), stage.codebook.weight, retain_graph=True,
                               allow_unused=True)[0] is None  # fmt: skip
    [pull] = torch.autograd.grad(extra, stage.codebook.weight)
    assert float(pull.abs().sum()) > 0


def test_what_diffusion_makes_is_decoded_from_entries():
    # a code between entries is no code: decoded as it comes it would be a picture of nothing
    stage = FirstStage((1, 8, 8), 17, "vq", codebook=8)
    codes = torch.randn(6, 2, 4, 4)
    entries = stage.entries(stage.indices(codes))
    assert torch.equal(stage.decode(codes), stage.decode(entries))
    distances = (codes.movedim(1, -1).unsqueeze(-2) - stage.codebook.weight).square().sum(-1)
    assert torch.equal(stage.indices(codes), distances.argmin(-1))


def test_the_codebook_is_used():
    model, _ = fitted(first_stage="vq", codebook=32, budget="200 steps", share=0.9)
    used = model.encode(pictures().train.x).unique()
    assert model.alphabet == 32
    assert len(used) > 16


def test_codes_are_as_short_as_stated_and_decode():
    x = pictures().train.x[:7]
    for kind, shape in (("kl", (7, 2, 4, 4)), ("vq", (7, 4, 4))):
        model, _ = fitted(first_stage=kind, budget="120 steps", share=0.9)
        codes = model.encode(x)
        assert codes.shape == shape
        assert torch.equal(model.decode_codes(codes), model.reconstruct(x))
        assert float((model.reconstruct(x).float() - x.float()).abs().mean()) < 1.5


def test_evaluations_count_guidance_twice_and_the_decoder():
    model, _ = fitted(budget="4 steps", steps=10)
    assert model.evaluations_per_sample == 11
    guided, _ = fitted(budget="4 steps", steps=10, condition="class", guidance=2.0)
    assert guided.evaluations_per_sample == 21
    assert guided.sample_in(5, 3, None, torch.Generator())[1] == 11
    plain, _ = fitted(budget="4 steps", steps=10, condition="class", guidance=1.0)
    assert plain.evaluations_per_sample == 11
    heun, _ = fitted(budget="4 steps", steps=10, sampler="heun")
    assert heun.evaluations_per_sample == 20


@pytest.mark.parametrize(("budget", "steps"), [("40 steps", 40), ("1280 examples", 10)])
def test_the_budget_is_shared(budget, steps):
    _, run = fitted(budget=budget, share=0.3)
    assert run.steps == steps
    counted = [point["step"] for point in run.curve]
    assert counted == sorted(counted)
    assert counted[-1] == steps


def test_pictures_of_28_pixels_are_cut_back():
    data = pictures(n=40, size=28, levels=256)
    for encoder in ("conv", "dense"):
        model, _ = fitted(data, budget="4 steps", encoder=encoder, steps=2)
        assert model.encode(data.train.x[:3]).shape == (3, 4, 7, 7)
        assert model.sample(3, None, torch.Generator()).shape == (3, 1, 28, 28)
    odd = pictures(n=40, size=30, levels=256)
    model, _ = fitted(odd, budget="4 steps", encoder="conv", steps=2, channels=6)  # a U-Net
    assert model.sample(3, None, torch.Generator()).shape == (3, 1, 30, 30)


def test_what_was_not_learned_is_refused():
    generator = torch.Generator()
    plain, _ = fitted(budget="4 steps")
    with pytest.raises(UnsupportedError, match="condition=None"):
        plain.sample(1, torch.tensor([0]), generator)
    by_caption, _ = fitted(budget="4 steps", condition="caption")
    with pytest.raises(UnsupportedError, match="takes no labels"):
        by_caption.sample(1, torch.tensor([0]), generator)
    with pytest.raises(ValueError, match="expected 2 captions"):
        by_caption.sample(2, ("one",), generator)
    by_class, _ = fitted(budget="4 steps", condition="class")
    with pytest.raises(UnsupportedError, match="class 9 has no training example"):
        by_class.sample(1, torch.tensor([9]), generator)
    with pytest.raises(ValueError, match="learns from captions, and halves has none"):
        fitted(pictures(captioned=False), budget="4 steps", condition="caption")


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A small pipeline with random weights, written by diffusers, and its folder."""
    from diffusers import DDIMScheduler, LDMPipeline, UNet2DModel, VQModel

    torch.manual_seed(0)
    both = {"block_out_channels": (8, 8), "norm_num_groups": 4}
    unet = UNet2DModel(
        sample_size=4, in_channels=3, out_channels=3, layers_per_block=1,
        down_block_types=("DownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "UpBlock2D"),
        **both,
    )  # fmt: skip
    vqvae = VQModel(
        in_channels=1, out_channels=1, latent_channels=3, sample_size=8, num_vq_embeddings=16,
        down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
        **both,
    )  # fmt: skip
    scheduler = DDIMScheduler(clip_sample=False, beta_schedule="scaled_linear")
    pipeline = LDMPipeline(vqvae=vqvae, unet=unet, scheduler=scheduler)
    pipeline.set_progress_bar_config(disable=True)
    folder = tmp_path_factory.mktemp("pipeline")
    pipeline.save_pretrained(folder)
    return pipeline, folder


def test_a_folder_of_diffusers_gives_the_pipelines_own_pictures(saved):
    pipeline, folder = saved
    model, run = fitted(pretrained=str(folder), steps=5)
    assert run.steps == 0
    expected = pipeline(
        batch_size=6, generator=torch.Generator().manual_seed(4), num_inference_steps=5,
        output_type="numpy",
    ).images  # fmt: skip
    levels = (torch.from_numpy(expected).permute(0, 3, 1, 2) * 16).round()
    found = model.sample(6, None, torch.Generator().manual_seed(4))
    assert float((found.float() - levels).abs().max()) <= 1  # a rounding at a level's edge
    assert float((found.float() != levels).float().mean()) < 0.01
    assert model.evaluations_per_sample == 6
    noise = torch.randn(6, 3, 4, 4, generator=torch.Generator().manual_seed(4))
    codes = model.model.denoised(noise, 5, torch.Generator())
    with torch.no_grad():
        planes = (model.model.planes(codes) / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1)
    torch.testing.assert_close(planes, torch.from_numpy(expected), rtol=1e-4, atol=1e-4)


def test_a_loaded_pipeline_is_kept_with_its_checkpoint(saved, tmp_path):
    model, _ = fitted(pretrained=str(saved[1]), steps=3)
    model.save(tmp_path)
    again = LatentDiffusion(**{**SMALL, "steps": 3})
    again.load(tmp_path, CPU)
    one, two = (m.sample(4, None, torch.Generator().manual_seed(0)) for m in (model, again))
    assert torch.equal(one, two)
    x = pictures().train.x[:3]
    assert model.reconstruct(x).shape == x.shape


def test_a_vae_is_loaded_as_well(saved, tmp_path):
    from diffusers import AutoencoderKL

    pipeline, _ = saved
    vae = AutoencoderKL(
        in_channels=1, out_channels=1, latent_channels=3, block_out_channels=(8, 8),
        norm_num_groups=4, down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
    )  # fmt: skip
    vae.save_pretrained(tmp_path / "vae")
    pipeline.unet.save_pretrained(tmp_path / "unet")
    pipeline.scheduler.save_pretrained(tmp_path / "scheduler")
    model, _ = fitted(pretrained=str(tmp_path), steps=2)
    assert model.encode(pictures().train.x[:2]).shape == (2, 3, 4, 4)


def test_a_wrong_folder_is_explained(saved, tmp_path):
    with pytest.raises(UsageError, match=r"unet/config\.json is missing"):
        fitted(pretrained=str(tmp_path))
    with pytest.raises(UsageError, match=r"shape \[1, 8, 8\], and those of halves have \[1, 28"):
        fitted(pictures(n=8, size=28, levels=256), pretrained=str(saved[1]))
    with pytest.raises(UsageError, match="takes no condition"):
        fitted(pretrained=str(saved[1]), condition="class")
    saved[0].scheduler.save_pretrained(tmp_path / "unet")
    (tmp_path / "unet" / "scheduler_config.json").rename(tmp_path / "unet" / "config.json")
    with pytest.raises(UsageError, match="holds a DDIMScheduler; expected a UNet2DModel"):
        fitted(pretrained=str(tmp_path))
