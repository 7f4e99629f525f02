"""Sampling through gengauge beside the bare diffusers pipeline, same network, same steps, in turn.

python benchmarks/sampling.py [--device cuda] [--batch 64] [--steps 20] [--rounds 5]

The U-Net has random weights: what it draws is noise, what it costs is not.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from diffusers import DDPMPipeline, DDPMScheduler, UNet2DModel
from torch import Tensor

from gengauge import Budget, Dataset, FitRun, Split
from gengauge_plugins.diffusion.ddpm import DDPM

SIDE = 28


def save_pipeline(folder: Path) -> None:
    torch.manual_seed(0)
    network = UNet2DModel(
        sample_size=SIDE, in_channels=1, out_channels=1, block_out_channels=(32, 64, 64),
        down_block_types=("DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D"), norm_num_groups=8,
    )  # fmt: skip
    DDPMPipeline(network, DDPMScheduler(clip_sample=False)).save_pretrained(folder)


def ours(folder: Path, steps: int, device: torch.device) -> Callable[[int], Tensor]:
    x = torch.randint(256, (4, 1, SIDE, SIDE), dtype=torch.uint8)
    data = Dataset("noise", "image", Split(x), Split(x), Split(x), levels=256)
    model = DDPM(pretrained=str(folder), steps=steps)
    model.fit(data, FitRun(0, Budget.parse("1 steps"), device=device))
    return lambda n: model.sample(n, None, torch.Generator(device).manual_seed(0))


def bare(folder: Path, steps: int, device: torch.device) -> Callable[[int], Tensor]:
    pipeline = DDPMPipeline.from_pretrained(folder).to(device)
    pipeline.set_progress_bar_config(disable=True)
    return lambda n: pipeline(
        batch_size=n, generator=torch.Generator(device).manual_seed(0), num_inference_steps=steps,
        output_type="np",
    ).images  # fmt: skip


def seconds(call: Callable[[int], Tensor], n: int, device: torch.device) -> float:
    started = time.perf_counter()
    call(n)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu", type=torch.device)
    parser.add_argument("--batch", default=64, type=int)
    parser.add_argument("--steps", default=20, type=int)
    parser.add_argument("--rounds", default=5, type=int)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        save_pipeline(Path(name))
        calls = [make(Path(name), asked.steps, asked.device) for make in (ours, bare)]
        for call in calls:
            call(asked.batch)  # warms up
        pairs = [
            [seconds(call, asked.batch, asked.device) for call in calls]
            for _ in range(asked.rounds)
        ]
    rates = [asked.batch / statistics.median(times) for times in zip(*pairs, strict=True)]
    ratios = [theirs / mine for mine, theirs in pairs]
    verdict = "ok" if statistics.median(ratios) >= 1 else "FAIL"
    print(
        f"{asked.device}: gengauge {rates[0]:.1f}, diffusers {rates[1]:.1f} images/s; "
        f"{statistics.median(ratios):.3f} x ({min(ratios):.3f} to {max(ratios):.3f} over "
        f"{asked.rounds} pairs; promised at least 1) {verdict}"
    )


if __name__ == "__main__":
    main()
