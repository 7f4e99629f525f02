"""Builds what a spec describes: data sets, which must be sound, and embedders, which may not be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from gengauge import copies, trust
from gengauge.checks import check_dataset
from gengauge.collection import Collection, dataset_of
from gengauge.data import Dataset
from gengauge.errors import NotReadyError, UsageError
from gengauge.metric import Embedder, Unready
from gengauge.registry import load_target
from gengauge.specs import DatasetSpec, EmbedderSpec


def load_dataset(spec: DatasetSpec, limit: int | None = None) -> Dataset:
    """Return a dataset by its spec, each split cut to ``limit`` examples where one is given.

    In what the user brings, copies between splits are counted.
    """
    try:
        with trust.tensors_only(f"the file of '{spec.id}'"):
            dataset = load_target(spec.target)(spec)
    except UsageError as error:  # a file of the user's: what is wrong with it is in the text
        raise UsageError(f"dataset '{spec.id}': {error}") from None
    except Exception as error:  # a plugin may raise anything
        raise UsageError(
            f"dataset '{spec.id}' cannot be loaded: {type(error).__name__}: {error}"
        ) from error
    if not isinstance(dataset, Dataset):
        raise UsageError(f"{spec.target} returned {type(dataset).__name__}, not a Dataset")
    try:
        check_dataset(dataset)
    except ValueError as error:
        raise UsageError(f"dataset '{spec.id}' cannot be used: {error}") from None
    dataset = dataset if limit is None else dataset.limited(limit)
    return replace(dataset, copies=copies.count(dataset)) if spec.takes_path else dataset


def load_opened(spec: DatasetSpec) -> Dataset:
    """Return the data set in the user's file that ``spec`` opens: the target of such specs."""
    parts = open_parts(spec)
    kind = spec.id.partition(":")[0]  # the salt is no path: what is moved is the same data
    return dataset_of(parts, spec.id, f"{kind} {spec.revision}", spec.revision)


def open_parts(spec: DatasetSpec) -> dict[str, Collection]:
    """Return the examples in the user's file that ``spec`` opens, by part, not yet read."""
    path = Path(str(spec.arguments["path"])).expanduser()
    try:
        parts: dict[str, Collection] = load_target(spec.opens)(path, spec.arguments)
    except OSError as error:
        raise UsageError(f"'{error.filename or path}' cannot be read: {error.strerror}") from None
    return parts


def load_embedder(spec: EmbedderSpec, device: torch.device) -> Embedder:
    """Return an embedder by its spec, or a stand-in that knows why it cannot be built here.

    ``UsageError`` for a file that the user named and that cannot be one.
    """
    try:
        build = load_target(spec.target)
        with trust.no_pickles(f"the file of '{spec.id}'"):
            embedder: Embedder = build(**spec.arguments)
        if hasattr(embedder, "to"):  # a large network goes where the run is
            embedder.to(device)
    except UsageError:  # a path of the user's: better said before anything is trained
        raise
    except NotReadyError as error:
        return Unready(spec.id, str(error))
    except Exception as error:  # a plugin may raise anything; only its own metrics suffer
        return Unready(spec.id, f"the embedder failed: {type(error).__name__}: {error}")
    return embedder
