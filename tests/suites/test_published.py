"""The loading code of published networks, on random weights in the published formats."""

from __future__ import annotations

import json
import math
import pickle
import warnings
from pathlib import Path

import networks
import numpy as np
import pytest
import torch
from PIL import Image
from tests_support import Cli
from torch.nn import functional as F

from gengauge.errors import NotReadyError, UnsupportedError, UsageError
from gengauge.registry import load_target
from gengauge.specs import WeightsFile
from gengauge_suites.embedders.dinov2 import Dinov2Embedder, resampled
from gengauge_suites.embedders.images import as_bytes, squashed, stretched
from gengauge_suites.embedders.inception import InceptionEmbedder
from gengauge_suites.embedders.openai_clip import ArchiveAtPath, ClipEmbedder
from gengauge_suites.embedders.published import published

pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit:FutureWarning")
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory):
    with pytest.MonkeyPatch.context() as patch:
        made = tmp_path_factory.mktemp("weights")
        patch.setenv("GENGAUGE_WEIGHTS", str(made))
        yield made


@pytest.fixture(scope="module")
def inception(folder: Path) -> InceptionEmbedder:
    return InceptionEmbedder(networks.save_inception(folder))


@pytest.fixture(scope="module")
def clip_file(folder: Path) -> WeightsFile:
    return networks.save_clip(folder)


@pytest.fixture(scope="module")
def dinov2(folder: Path) -> Dinov2Embedder:
    return Dinov2Embedder("vit_small_patch14_dinov2", networks.save_dinov2(folder))


def images(n: int, height: int = 32, width: int = 32, channels: int = 3) -> torch.Tensor:
    """Smooth pictures: noise at an eighth of the size, enlarged."""
    generator = torch.Generator().manual_seed(n)
    small = torch.rand(n, channels, height // 8, width // 8, generator=generator)
    large = F.interpolate(small, (height, width), mode="bicubic").clamp(0, 1)
    return (255 * large).round().to(torch.uint8)


def test_levels_are_spread_over_bytes_and_grey_is_repeated() -> None:
    x = torch.arange(17).view(1, 1, 1, 17)
    shown = as_bytes(x, 17)
    assert shown.shape == (1, 3, 1, 17)
    assert shown.dtype == torch.uint8
    assert (shown[0, 0].flatten().double() - x.flatten() * 255 / 16).abs().max() <= 0.5
    assert torch.equal(as_bytes(images(2), 256), images(2))
    assert torch.equal(as_bytes(images(2).double() / 255, None), images(2))
    assert as_bytes(torch.tensor([-1.0, 2.0]).view(1, 1, 1, 2), None)[0, 0].tolist() == [[0, 255]]
    with pytest.raises(ValueError, match=r"take images \[n, 1 or 3, h, w\], not \[4, 2\]"):
        as_bytes(torch.zeros(4, 2), None)


def test_resizing_rules() -> None:
    x = images(2, 48, 64)
    assert squashed(x, 224).shape == stretched(x, 224).shape == (2, 3, 224, 224)
    same = stretched(x[:, :, :, :48], 48)
    assert torch.equal(same, x[:, :, :, :48].float() / 255)  # nothing to resize: nothing changes
    # Pillow rounds after either direction, to half a grey level each, and clamps
    assert (stretched(x, 224) * 255).clamp(0, 255).sub(squashed(x, 224)).abs().max() < 1.5


def test_inception_features_are_those_of_torch_fidelity(inception: InceptionEmbedder) -> None:
    from torch_fidelity.utils import create_feature_extractor

    x = images(3)
    theirs = create_feature_extractor(
        "inception-v3-compat", ["2048", "logits_unbiased"], cuda=False, verbose=False,
        feature_extractor_weights_path=str(inception.path),
    )  # fmt: skip
    pool, logits = theirs(x)
    assert torch.equal(inception.features(x), pool)
    assert torch.allclose(inception.classes(x), logits, rtol=1e-5, atol=1e-6)
    alone = inception.features(x[1:2])
    assert torch.allclose(alone, pool[1:2], rtol=1e-4, atol=1e-5)
    assert float(pool.std(0).mean()) > 1e-3  # the made network tells images apart


def test_sfid_features_are_seven_channels_of_mixed_6d(inception: InceptionEmbedder) -> None:
    """mixed_6/conv of the TensorFlow graph, by guided-diffusion's evaluator."""
    from torch_fidelity.interpolate_compat_tensorflow import (
        interpolate_bilinear_2d_like_tensorflow1x as resize,
    )

    x, network = images(2), inception.network
    layers = ("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "MaxPool_1", "Conv2d_3b_1x1",
              "Conv2d_4a_3x3", "MaxPool_2", "Mixed_5b", "Mixed_5c", "Mixed_5d", "Mixed_6a",
              "Mixed_6b", "Mixed_6c")  # fmt: skip
    h = (resize(x.float(), size=(299, 299), align_corners=False) - 128) / 128
    for name in layers:
        h = getattr(network, name)(h)
    expected = network.Mixed_6d.branch1x1(h)[:, :7]
    assert expected.shape == (2, 7, 17, 17)
    passes = []
    hook = network.Conv2d_1a_3x3.register_forward_hook(lambda *pass_: passes.append(1))
    assert torch.equal(inception.spatial(x), expected.flatten(1))
    pool = inception.features(x)
    assert len(passes) == 1  # the same pass gave both
    assert torch.equal(inception.features(x), pool)
    assert len(passes) == 2  # what was fetched is not kept a second time
    assert inception.for_levels(17).features(x // 16).shape == (2, 2048)
    assert torch.equal(inception.spatial(x), expected.flatten(1))
    assert len(passes) == 3
    hook.remove()


def test_earlier_layers_go_by_another_name(inception: InceptionEmbedder, folder: Path) -> None:
    file = networks.described(inception.path)
    early = InceptionEmbedder(file, layer="64")
    assert early.id == "inception/64"
    assert early.features(images(2)).shape == (2, 64)
    with pytest.raises(UnsupportedError, match="ends before"):
        early.spatial(images(2))


def test_levels_share_one_network_and_give_the_same_features(inception: InceptionEmbedder) -> None:
    coarse = inception.for_levels(2)
    x = (images(2, channels=1) > 127).to(torch.uint8)
    assert torch.equal(coarse.features(x), inception.features(x.expand(-1, 3, -1, -1) * 255))
    assert coarse.network is inception.network
    assert coarse.sha256 == inception.sha256
    assert inception.levels == 256


def test_the_hash_names_weights_and_preprocessing(folder: Path, clip_file: WeightsFile) -> None:
    crop = ClipEmbedder("clip/ViT-B-32", file=clip_file)
    stretch = ClipEmbedder("clip/ViT-B-32", stretch=True, file=clip_file)
    assert crop.sha256 != stretch.sha256
    assert crop.sha256 == ClipEmbedder("clip/ViT-B-32", file=clip_file).sha256


class Bomb:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_a_file_with_a_wrong_hash_is_never_opened(folder: Path, inception, tmp_path: Path) -> None:
    """Loading a pickle runs what it says, so the hash is looked at first."""
    mark = tmp_path / "it ran"
    bomb = folder / "weights-inception-2015-12-05-6726825d.pth"
    bomb.write_bytes(pickle.dumps(Bomb(mark)))
    with pytest.raises(NotReadyError, match="is not the published"):
        InceptionEmbedder()
    assert not mark.exists()
    bomb.unlink()


def test_clip_features_are_those_of_another_implementation(clip_file: WeightsFile) -> None:
    """torch-fidelity's copy of OpenAI's vision transformer, fed the same prepared images."""
    from torch_fidelity.feature_extractor_clip import build_model

    embedder, x = ClipEmbedder("clip/ViT-B-32", file=clip_file), images(3, 32, 48)
    archive = torch.jit.load(embedder.path)
    visual = build_model(archive.state_dict(), torch.float32).float().eval()
    with torch.no_grad():
        expected = visual.visual(embedder.prepared(x))
    found = embedder.features(x)
    assert found.shape == (3, 32)
    assert torch.allclose(found, expected, rtol=1e-4, atol=1e-4)
    assert float(found.std(0).mean()) > 1e-2
    assert not embedder.network.training


def test_clip_prepares_images_as_openai_does(clip_file: WeightsFile) -> None:
    embedder, x = ClipEmbedder("clip/ViT-B-32", file=clip_file), images(1, 32, 48)
    picture = Image.fromarray(x[0].permute(1, 2, 0).numpy()).resize((96, 64), Image.BICUBIC)
    cut = torch.from_numpy(np.array(picture.crop((16, 0, 80, 64)))).permute(2, 0, 1) / 255
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (MEAN, STD))
    assert torch.allclose(embedder.prepared(x)[0], (cut - mean) / std, atol=1e-5)


def test_clip_prepares_images_as_the_reference_of_cmmd_does(clip_file: WeightsFile) -> None:
    embedder = ClipEmbedder("clip/ViT-L-14-336", stretch=True, file=clip_file)
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (MEAN, STD))
    x = images(2, 32, 48)
    expected = (F.interpolate(x / 255, (64, 64), mode="bicubic", antialias=True) - mean) / std
    assert torch.allclose(embedder.prepared(x), expected, atol=1e-5)


def test_captions_are_embedded_in_the_space_of_images(clip_file: WeightsFile) -> None:
    embedder = ClipEmbedder("clip/ViT-B-32", file=clip_file)
    captions = ["a small red circle", "a large blue square", "word " * 200]
    with pytest.warns(UserWarning, match="reads 77 tokens.*what 1 of 3 captions say after them"):
        found = embedder.text(captions)
    assert found.shape == (3, 32)
    assert torch.allclose(found[1:2], embedder.text(captions[1:2]), atol=1e-5)
    assert float((found[0] - found[1]).abs().max()) > 1e-3
    assert not found.requires_grad


def test_captions_that_say_nothing_are_refused(clip_file: WeightsFile) -> None:
    embedder = ClipEmbedder("clip/ViT-B-32", file=clip_file)
    with pytest.raises(ValueError, match="no captions were given"):
        embedder.text([])
    with pytest.raises(ValueError, match="caption 1 is empty"):
        embedder.text(["a dog", "  "])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        embedder.text(["word " * 75])  # with the first and the last token it fits


@pytest.mark.parametrize(("stretch", "size", "apart"), [
    (False, (32, 48), 1e-2), (False, (96, 80), 1e-2),  # Pillow rounds to bytes, torch does not
    (False, (64, 64), 1e-5), (True, (32, 48), 1e-5),  # nothing is resized; torch resizes both
])  # fmt: skip
def test_what_steers_equals_the_features(clip_file: WeightsFile, stretch, size, apart) -> None:
    embedder = ClipEmbedder("clip/ViT-B-32", stretch=stretch, file=clip_file)
    x = images(4, *size)
    found, expected = embedder.embed(x.float()), embedder.features(x)
    assert found.requires_grad is False  # the network's weights are frozen
    assert float((found - expected).norm() / expected.norm()) < apart
    grey = (images(4, *size, channels=1) // 16).float()
    coarse = embedder.for_levels(16)
    near = (coarse.embed(grey) - coarse.features(grey.to(torch.uint8))).norm()
    assert float(near / expected.norm()) < 1e-2


def test_the_gradient_passes_the_resizing(clip_file: WeightsFile) -> None:
    """Beside the difference quotient of the same network in double precision."""
    embedder = ClipEmbedder("clip/ViT-B-32", file=clip_file)
    embedder.network.double()
    x = (0.5 * images(2, 40, 48).double() + 60).requires_grad_()  # away from black and white
    along = torch.randn(x.shape, generator=torch.Generator().manual_seed(0)).double()

    def value(step: float) -> torch.Tensor:
        return embedder.embed(x + step * along).square().sum()

    (gradient,) = torch.autograd.grad(value(0.0), x)
    with torch.no_grad():
        quotient = float(value(1e-3) - value(-1e-3)) / 2e-3
    assert float((gradient * along).sum()) == pytest.approx(quotient, rel=1e-5)


def test_a_file_at_a_path_is_known_by_its_content(
    folder: Path, clip_file: WeightsFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The canonical file by any name has the hash of the published embedder.

    One that is not is a program of somebody's, and needs trust.
    """
    path = folder / clip_file.name
    with pytest.raises(UsageError, match=r"none that OpenAI has published.*--trust"):
        ArchiveAtPath(str(path))
    monkeypatch.setenv("GENGAUGE_TRUST", "1")
    mine, published = ArchiveAtPath(str(path)), ClipEmbedder("clip/ViT-B-32", file=clip_file)
    assert mine.id == f"openai:{path}"
    assert mine.sha256 == published.sha256
    assert torch.equal(mine.features(images(2)), published.features(images(2)))
    with pytest.raises(UsageError, match="there is no such file"):
        ArchiveAtPath(str(folder / "none.pt"))


def by_the_authors(state: dict, x: torch.Tensor) -> torch.Tensor:
    """The forward pass of facebookresearch/dinov2, written out; six heads as in ViT-S."""
    width, heads = state["norm.weight"].shape[0], 6

    def norm(h, name):
        return F.layer_norm(h, (width,), state[f"{name}.weight"], state[f"{name}.bias"], 1e-6)

    def linear(h, name):
        return F.linear(h, state[f"{name}.weight"], state[f"{name}.bias"])

    h = F.conv2d(x, state["patch_embed.proj.weight"], state["patch_embed.proj.bias"], stride=14)
    h = torch.cat([state["cls_token"].expand(len(x), -1, -1), h.flatten(2).transpose(1, 2)], 1)
    h = h + by_their_interpolation(state["pos_embed"])
    for i in range(12):
        qkv = linear(norm(h, f"blocks.{i}.norm1"), f"blocks.{i}.attn.qkv")
        q, k, v = qkv.view(len(x), -1, 3, heads, width // heads).permute(2, 0, 3, 1, 4)
        weights = (q @ k.transpose(-2, -1) * (width // heads) ** -0.5).softmax(-1)
        mixed = linear((weights @ v).transpose(1, 2).flatten(2), f"blocks.{i}.attn.proj")
        h = h + mixed * state[f"blocks.{i}.ls1.gamma"]
        inner = F.gelu(linear(norm(h, f"blocks.{i}.norm2"), f"blocks.{i}.mlp.fc1"))
        h = h + linear(inner, f"blocks.{i}.mlp.fc2") * state[f"blocks.{i}.ls2.gamma"]
    return norm(h, "norm")[:, 0]


def by_their_interpolation(position: torch.Tensor) -> torch.Tensor:
    """``interpolate_pos_encoding`` for 224 pixels, step by step."""
    n, dim = position.shape[1] - 1, position.shape[2]
    w0 = 224 // 14 + 0.1
    patches = F.interpolate(
        position[:, 1:].reshape(1, int(math.sqrt(n)), int(math.sqrt(n)), dim).permute(0, 3, 1, 2),
        scale_factor=(w0 / math.sqrt(n), w0 / math.sqrt(n)), mode="bicubic",
    )  # fmt: skip
    patches = patches.permute(0, 2, 3, 1).view(1, -1, dim)
    return torch.cat((position[:, 0].unsqueeze(0), patches), dim=1)


def test_dinov2_features_are_those_of_the_authors_code(dinov2: Dinov2Embedder) -> None:
    x = images(2, 32, 48)
    mean, std = torch.tensor((0.485, 0.456, 0.406)), torch.tensor((0.229, 0.224, 0.225))
    shown = [
        np.array(Image.fromarray(i.permute(1, 2, 0).numpy()).resize((224, 224), Image.BICUBIC))
        for i in x
    ]
    batch = torch.stack(
        [((torch.from_numpy(s) / 255 - mean) / std).permute(2, 0, 1) for s in shown]
    )
    expected = by_the_authors(torch.load(dinov2.path), batch)
    found = dinov2.features(x)
    assert found.shape == (2, 384)
    assert torch.allclose(found, expected, rtol=1e-3, atol=1e-4)
    assert float((found[0] - found[1]).std()) > 1e-2


def test_position_embeddings_keep_the_class_token_and_the_grid() -> None:
    position = torch.randn(1, 1 + 37 * 37, 8, generator=torch.Generator().manual_seed(0))
    found = resampled(position, 16)
    assert found.shape == (1, 257, 8)
    assert torch.equal(found[:, 0], position[:, 0])
    assert torch.allclose(found, by_their_interpolation(position), atol=1e-6)
    flat = resampled(torch.ones(1, 1 + 37 * 37, 8), 16)
    assert torch.allclose(flat, torch.ones_like(flat), atol=1e-5)


def test_loading_leaves_the_global_random_numbers_alone(folder: Path, clip_file) -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    ClipEmbedder("clip/ViT-B-32", file=clip_file).features(images(1))
    assert torch.equal(torch.rand(2), expected)


@pytest.mark.parametrize("spec", [*published()], ids=lambda s: s.id)
def test_every_published_embedder_waits_for_its_weights(spec, folder: Path) -> None:
    with pytest.raises(NotReadyError, match=f"gengauge weights fetch {spec.id}"):
        load_target(spec.target)(**spec.arguments)
    assert all(len(file.sha256) == 64 and file.size > 9e7 for file in spec.weights)


def test_they_are_listed_and_known_to_the_weights_verb(cli: Cli) -> None:
    rows = {r["id"]: r for r in json.loads(cli("weights", "status", "--format", "json").stdout)}
    assert rows["digits"]["status"] == "ready"
    for spec in published():
        assert rows[spec.id]["sha256"] == spec.weights[0].sha256
        assert rows[spec.id]["url"].startswith("https://")
        assert rows[spec.id]["licence"]


def test_show_tells_what_an_embedder_needs(cli: Cli) -> None:
    shown = json.loads(cli("show", "dinov2", "--format", "json").stdout)
    [file] = shown["weights"]
    assert file["name"] == "dinov2_vitl14_pretrain.pth"
    assert file["sha256"] in cli("show", "dinov2").stdout


def test_a_run_without_the_weights_says_so_once_and_scores_the_rest(cli: Cli, folder) -> None:
    words = "run quick -d digits -m noise -s fidelity --samples 60 --offline"
    asked = ("--embedder", "inception", "--embedder", "digits", "--weights-dir", folder)
    done = cli(*words.split(), *asked)
    assert done.returncode == 0, done.stderr
    [line] = [line for line in done.stderr.splitlines() if line.startswith("warning: ")]
    assert "weights-inception-2015-12-05-6726825d.pth" in line
    assert "Traceback" not in done.stderr
    rows = json.loads(cli("report", "runs/quick", "--format", "json").stdout)
    fid = next(r for r in rows if r["metric"] == "fid")
    assert (fid["embedder"], fid["value"]) == ("inception", None)
    assert "gengauge weights fetch inception" in fid["reason"]
    fd = next(r for r in rows if r["metric"] == "fd")
    assert (fd["embedder"], fd["reason"]) == ("digits", None)
    assert fd["value"] > 100


@pytest.mark.slow
def test_dinov2_at_its_full_size(folder: Path) -> None:
    file = networks.save_dinov2(folder, width=1024, depth=24)
    assert file.size == pytest.approx(1_217_586_395, rel=1e-4)
    assert Dinov2Embedder(file=file).features(images(2)).shape == (2, 1024)
    (folder / file.name).unlink()


B_32 = {"image": 224, "width": 768, "layers": 12, "text_width": 512, "text_layers": 12}
L_14 = {"image": 336, "width": 1024, "layers": 24, "text_width": 768, "text_layers": 12}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "size", "more", "d"),
    [
        ("clip/ViT-B-32", 353_976_522, {**B_32, "embed": 512}, 512),
        ("clip/ViT-L-14-336", 934_088_680, {**L_14, "patch": 14, "embed": 768}, 768),
    ],
)
def test_clip_at_its_full_size(folder: Path, tmp_path: Path, name, size, more, d) -> None:
    file = networks.save_clip(folder, **more)
    # OpenAI's archives keep the token embedding whole and hold some code besides
    assert file.size == pytest.approx(size, rel=0.01)
    embedder = ClipEmbedder(name, stretch=name.endswith("336"), file=file)
    assert embedder.features(images(2)).shape == (2, d)
    assert embedder.text(["a dog"]).shape == (1, d)
    (folder / file.name).unlink()
