"""Loads pipelines of diffusers: from safetensors, of classes it has, and without a word."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import diffusers

from gengauge import trust
from gengauge.errors import UsageError, unknown
from gengauge_plugins.brought.folders import INDEX, index_of, parts


def loaded(folder: Path, variant: str) -> Any:
    """Return the pipeline in a folder that was looked at; ``UsageError`` where it cannot be had."""
    index = index_of(folder)
    kind: Any = getattr(diffusers, str(index["_class_name"]), None)
    if not (isinstance(kind, type) and issubclass(kind, diffusers.DiffusionPipeline)):
        raise UsageError(
            f"'{folder / INDEX}' names {index['_class_name']}, which diffusers "
            f"{diffusers.__version__} has not; gengauge runs pipelines that it has"
        )
    _check_libraries(folder, index)
    checker = "safety_checker" in index
    off: dict[str, Any] = {"safety_checker": None, "requires_safety_checker": False}
    try:
        with trust.no_pickles(f"a file in '{folder}'"), quiet():
            return kind.from_pretrained(  # type: ignore[no-untyped-call]
                folder, local_files_only=True, use_safetensors=None if trust.trusted() else True,
                variant=variant or None, low_cpu_mem_usage=False, **(off if checker else {}),
            )  # fmt: skip
    except trust.UntrustedError:
        raise
    except (OSError, ValueError, TypeError, RuntimeError, ImportError) as error:
        said = " ".join(str(error).split())[:300]
        raise UsageError(f"'{folder}' cannot be loaded: {said}; save the pipeline again") from None


def _check_libraries(folder: Path, index: dict[str, Any]) -> None:
    """Raise ``UsageError`` for parts of other libraries: loading imports what they name."""
    for name, (library, class_) in parts(index).items():
        known = library in ("diffusers", "transformers") or (
            library.isidentifier() and hasattr(diffusers.pipelines, library)
        )
        if not known:
            raise UsageError(
                f"'{folder}' takes {class_} from '{library}' for its {name}; gengauge loads parts "
                "of diffusers and transformers: wrap it with python:module:object"
            )


def scheduler_called(name: str) -> Any:
    """Return diffusers' class of schedulers called ``DDIM`` or ``DDIMScheduler``."""
    known = [n for n in dir(diffusers) if n.endswith("Scheduler")]
    wanted = name if name.endswith("Scheduler") else f"{name}Scheduler"
    by_lower = {n.lower(): n for n in known}
    if wanted.lower() not in by_lower:
        raise unknown("scheduler of diffusers", wanted, known)
    return getattr(diffusers, by_lower[wanted.lower()])


@contextmanager
def quiet() -> Iterator[None]:
    """Keep diffusers from telling every trial what it loads and deprecates."""
    log = diffusers.utils.logging
    before, bars = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity_error()
    log.disable_progress_bar()
    try:
        yield
    finally:
        log.set_verbosity(before)
        if bars:
            log.enable_progress_bar()
