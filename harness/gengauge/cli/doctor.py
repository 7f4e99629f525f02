"""``gengauge doctor``: what this machine can run, and what is missing for the rest."""

from __future__ import annotations

import os
import platform
import shutil
from typing import Any

import click

from gengauge.cli.output import format_option, open_registry, plugin_option, write_rows


@click.command("doctor")
@format_option
@plugin_option
def command(format_: str, plugins: tuple[str, ...]) -> None:
    """Say what this machine can run, and what is missing for the rest."""
    from gengauge.registry import Registry

    registry: Registry = open_registry(plugins)
    rows = [
        *_machine(), *_packages(), *_plugins(registry), *_targets(registry), *_weights(registry)
    ]  # fmt: skip
    write_rows(rows, format_)


def _row(id_: str, status: str, found: Any, advice: str = "") -> dict[str, Any]:
    return {"id": id_, "status": status, "found": found, "advice": advice}


def _machine() -> list[dict[str, Any]]:
    from gengauge.provenance import cpu_name

    free = shutil.disk_usage(".").free / 2**30
    rows = [
        _row("python", "ok", platform.python_version()),
        _row("cpu", "ok", f"{cpu_name()}, {os.cpu_count()} cores"),
        _row(
            "disk", "ok" if free > 1 else "low", f"{free:.1f} GiB free here",
            "" if free > 1 else "a run of quick needs about 0.1 GiB",
        ),
        _row(
            "write", "ok" if os.access(".", os.W_OK) else "missing", "this folder",
            "" if os.access(".", os.W_OK) else "runs are written to ./runs: give -o",
        ),
    ]  # fmt: skip
    return [*rows, _gpu()]


def _gpu() -> dict[str, Any]:
    try:
        import torch
    except Exception as error:
        return _row("gpu", "missing", f"torch does not import: {error}", "reinstall torch")
    if not torch.cuda.is_available():
        return _row("gpu", "none", "no CUDA device", "not needed; models train on the CPU")
    names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return _row("gpu", "ok", ", ".join(names))


def _packages() -> list[dict[str, Any]]:
    """Import what the suites rest on: a mismatched pair shows only when it is imported."""
    import importlib

    from gengauge.provenance import installed

    rows = []
    modules = {
        "torch": "torch", "torchvision": "torchvision", "torch-fidelity": "torch_fidelity",
        "open-clip-torch": "open_clip", "zuko": "zuko", "POT": "ot", "scikit-learn": "sklearn",
    }  # fmt: skip
    for name, module in modules.items():
        try:
            importlib.import_module(module)
            rows.append(_row(name, "ok", installed(name)))
        except Exception as error:
            advice = (
                "install torch and torchvision together: pip install --upgrade torch torchvision"
            )
            rows.append(_row(name, "missing", f"{type(error).__name__}: {error}", advice))
    return rows


def _weights(registry: Any) -> list[dict[str, Any]]:
    """Look for the published networks; what is measured in a missing one is left unscored."""
    from gengauge import weights

    rows = []
    for spec in registry.embedders.values():
        for file in spec.weights:
            found = weights.find(file)
            status = "missing" if found is None else "wrong" if found.problem else "ok"
            advice = f"gengauge weights fetch {spec.id}" if found is None else found.problem
            shown = (
                found.path if found else f"{file.name} ({weights.amount(file.size)}) is not here"
            )
            rows.append(_row(f"weights {spec.id}", status, str(shown), advice))
    return rows


def _plugins(registry: Any) -> list[dict[str, Any]]:
    rows = [
        _row(f"plugin {p.name}", "broken", p.error, f"see: gengauge show {p.name}")
        for p in registry.broken
    ]
    denied = sum(bool(p.denied) for p in registry.plugins)
    working = len(registry.plugins) - len(registry.broken) - denied
    found = f"{working} working, {len(registry.broken)} broken"
    found += f", {denied} denied" if denied else ""
    return [_row("plugins", "ok", found), *rows]


def _targets(registry: Any) -> list[dict[str, Any]]:
    """Import every model: what cannot be imported cannot be run here."""
    from gengauge.registry import load_target

    rows = []
    for spec in registry.models.values():
        if spec.lacks:
            rows.append(_row(f"model {spec.id}", "missing", *spec.lacks.split(": ", 1)))
            continue
        try:
            load_target(spec.target)
        except Exception as error:
            extras = f"pip install 'gengauge[{','.join(spec.extras)}]'" if spec.extras else ""
            rows.append(
                _row(f"model {spec.id}", "missing", f"{type(error).__name__}: {error}", extras)
            )
    ready = len(registry.models) - len(rows)
    return [_row("models", "ok", f"{ready} of {len(registry.models)} can run"), *rows]
