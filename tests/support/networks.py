"""Published architectures with random weights, saved in the formats they are published in.

torch-fidelity's Inception is a state dict; OpenAI's CLIP is a TorchScript archive whose weights are
in half precision and which also holds three integers; DINOv2 is a state dict with a mask token and
position embeddings for 518 pixels.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from torch import nn

from gengauge.specs import WeightsFile


def described(path: Path) -> WeightsFile:
    """Return the manifest of a file that was just made."""
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return WeightsFile(path.name, path.stat().st_size, sha256, f"https://example.org/{path.name}")


def save_inception(folder: Path) -> WeightsFile:
    """Save InceptionV3 with weights that keep the size of what flows through it."""
    from torch_fidelity import feature_extractor_inceptionv3 as source

    kind = source.FeatureExtractorInceptionV3
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        kind.load_state_dict = lambda self, state: None  # its constructor always loads
        try:
            empty = folder / "empty.pth"
            torch.save({}, empty)
            network = kind("made", ["2048"], feature_extractor_weights_path=str(empty))
        finally:
            del kind.load_state_dict
            empty.unlink()
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)
            elif isinstance(module, nn.BatchNorm2d):
                nn.init.uniform_(module.bias, -0.2, 0.2)
                nn.init.uniform_(module.weight, 0.8, 1.2)
    path = folder / "weights-inception-made.pth"
    torch.save(network.state_dict(), path)
    return described(path)


class Archive(nn.Module):
    """What OpenAI's archive looks like to a reader: parameters by name and three integers."""

    def __init__(self, network: nn.Module, sizes: dict[str, int]) -> None:
        super().__init__()
        for name, child in network.named_children():
            setattr(self, name, child)
        for name, parameter in network.named_parameters(recurse=False):
            setattr(self, name, parameter)
        for name, value in sizes.items():
            self.register_buffer(name, torch.tensor(value))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


def save_clip(
    folder: Path,
    image: int = 64,
    patch: int = 32,
    width: int = 64,
    layers: int = 2,
    text_width: int = 64,
    text_layers: int = 2,
    embed: int = 32,
) -> WeightsFile:
    """Save a CLIP of OpenAI's architecture; the defaults are a small one."""
    from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg, convert_weights_to_fp16

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = CLIP(
            embed,
            CLIPVisionCfg(layers=layers, width=width, patch_size=patch, image_size=image),
            CLIPTextCfg(width=text_width, heads=text_width // 64, layers=text_layers),
            quick_gelu=True,
        )
    convert_weights_to_fp16(network)
    sizes = {"input_resolution": image, "context_length": 77, "vocab_size": 49408}
    path = folder / "clip-made.pt"
    torch.jit.save(torch.jit.trace(Archive(network, sizes), torch.zeros(1)), path)
    return described(path)


def save_dinov2(folder: Path, width: int = 384, depth: int = 12) -> WeightsFile:
    """Save a DINOv2 ViT; the defaults are ViT-S/14."""
    generator = torch.Generator().manual_seed(0)

    def drawn(*shape: int, scale: float = 0.05) -> torch.Tensor:
        return scale * torch.randn(*shape, generator=generator)

    state = {
        "cls_token": drawn(1, 1, width), "mask_token": drawn(1, width),
        "pos_embed": drawn(1, 1 + 37 * 37, width, scale=0.5),
        "patch_embed.proj.weight": drawn(width, 3, 14, 14),
        "patch_embed.proj.bias": drawn(width),
        "norm.weight": 1 + drawn(width), "norm.bias": drawn(width),
    }  # fmt: skip
    for i in range(depth):
        block = {
            "norm1.weight": 1 + drawn(width), "norm1.bias": drawn(width),
            "attn.qkv.weight": drawn(3 * width, width), "attn.qkv.bias": drawn(3 * width),
            "attn.proj.weight": drawn(width, width), "attn.proj.bias": drawn(width),
            "ls1.gamma": 1 + drawn(width),
            "norm2.weight": 1 + drawn(width), "norm2.bias": drawn(width),
            "mlp.fc1.weight": drawn(4 * width, width), "mlp.fc1.bias": drawn(4 * width),
            "mlp.fc2.weight": drawn(width, 4 * width), "mlp.fc2.bias": drawn(width),
            "ls2.gamma": 1 + drawn(width),
        }  # fmt: skip
        state |= {f"blocks.{i}.{name}": value for name, value in block.items()}
    path = folder / "dinov2-made.pth"
    torch.save(state, path)
    return described(path)
