"""Where a number came from: versions, hardware and source revision."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shlex
import subprocess
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = (
    "gengauge", "torch", "torchvision", "torch-fidelity", "open-clip-torch", "timm", "numpy",
    "scipy", "scikit-learn", "scikit-image", "pandas", "pillow", "pluggy", "zuko", "torchdiffeq",
    "POT", "safetensors", "diffusers", "accelerate", "peft", "transformers", "tokenizers",
    "huggingface-hub", "ray", "submitit", "fsspec", "s3fs",
)  # fmt: skip


def content_hash(content: Any, length: int = 16) -> str:
    """Return a hash of JSON-able ``content`` that does not depend on the order of keys.

    >>> content_hash({"a": 1, "b": 2}) == content_hash({"b": 2, "a": 1})
    True
    """
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:length]


def folder_sha256(folder: Path) -> str:
    """Return a hash over the names and bytes of every file below ``folder``."""
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        digest.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


@cache
def environment(device: str) -> dict[str, Any]:
    """Return the software, hardware and source revision this process runs on."""
    import torch

    gpu = torch.cuda.get_device_name(device) if device.startswith("cuda") else None
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpu": gpu,
        "cuda": torch.version.cuda if gpu else None,
        "memory": memory(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "determinism": determinism(),
        "packages": {name: found for name in PACKAGES if (found := installed(name))},
        "git": git_revision(),
    }


def determinism() -> dict[str, Any]:
    """Return the switches that decide whether the same command gives the same bits again."""
    import torch

    return {
        "cudnn": torch.backends.cudnn.deterministic,
        "cudnn benchmark": torch.backends.cudnn.benchmark,
        "float32 matmul": torch.get_float32_matmul_precision(),
        "cudnn tf32": torch.backends.cudnn.allow_tf32,
        "CUBLAS_WORKSPACE_CONFIG": os.environ.get("CUBLAS_WORKSPACE_CONFIG"),
        "PYTHONHASHSEED": os.environ.get("PYTHONHASHSEED"),
    }


def memory() -> int | None:
    """Return the machine's memory in bytes, None where it is not told."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None


def command_line() -> str:
    """Return the command this process was started with, passwords in addresses left out."""
    program = Path(sys.argv[0]).name if sys.argv else ""
    program = "gengauge" if program == "__main__.py" else program  # python -m gengauge
    line = shlex.join([program, *sys.argv[1:]])
    return re.sub(r"://[^/@\s]*@", "://***@", line)


def hardware(device: str) -> dict[str, Any]:
    """Return the part of the environment that speed depends on."""
    return hardware_in(environment(device))


def hardware_in(found: dict[str, Any]) -> dict[str, Any]:
    """Return the part of an environment that speed depends on."""
    return {k: found[k] for k in ("cpu", "cores", "threads", "gpu")}


def installed(name: str) -> str:
    """Return the installed version of a distribution, or an empty string."""
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


@cache
def cpu_name() -> str:
    """Return the processor's marketing name where the system tells it."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def git_revision() -> dict[str, Any] | None:
    """Return commit and cleanliness of the working folder's repository, or None outside one."""
    try:
        commit = _git("rev-parse", "HEAD")
        return {"commit": commit, "dirty": bool(_git("status", "--porcelain", "-uno"))}
    except (OSError, subprocess.SubprocessError):
        return None


def _git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], capture_output=True, text=True, check=True, timeout=10
    )
    return done.stdout.strip()


def peak_host_memory() -> int:
    """Return the largest resident set of this process so far, in bytes; 0 where unknown.

    Linux is asked for the peak of this program: getrusage starts at what the process that started
    it held.
    """
    if sys.platform == "win32":
        return 0
    status = Path("/proc/self/status")
    if status.exists():
        [line] = [x for x in status.read_text().splitlines() if x.startswith("VmHWM:")]
        return int(line.split()[1]) * 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
