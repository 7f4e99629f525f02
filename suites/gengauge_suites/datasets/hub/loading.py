"""Loads data sets with the library ``datasets``: its download, its cache, and nothing that runs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gengauge import places, trust
from gengauge.collection import WHOLE
from gengauge.describing import lacking
from gengauge.errors import UsageError, unknown
from gengauge_suites.datasets.sharded import PARTS

_SAID = 200  # characters of what the library says


def parts_of(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the library's data sets by part: all, or train, validation and test.

    ``UsageError`` where the library is missing, where nothing of that name can be had, and where
    splits have other names and none was chosen with ``split=``.
    """
    splits = _loaded(name, options)
    chosen = str(options["split"])
    if chosen:
        if chosen not in splits:
            raise unknown("split", chosen, splits)
        return {WHOLE: splits[chosen]}
    if len(splits) == 1:
        return {WHOLE: next(iter(splits.values()))}
    parts = {PARTS[s.lower()]: data for s, data in splits.items() if s.lower() in PARTS}
    if "test" not in parts and "validation" in parts:
        parts["test"] = parts.pop("validation")
    if not {"train", "test"} <= parts.keys():
        raise UsageError(
            f"its splits are {', '.join(splits)}; choose one with split=, or give it train and test"
        )
    return parts


def _loaded(name: str, options: Mapping[str, Any]) -> Mapping[str, Any]:
    missing = lacking(("datasets",), ("hf",))
    if missing:
        raise UsageError(f"a data set of Hugging Face {missing}")
    if places.offline():
        places.go_offline()  # the library looks at the environment, once
    import datasets

    datasets.disable_progress_bars()
    if places.offline():
        datasets.config.HF_HUB_OFFLINE = datasets.config.HF_DATASETS_OFFLINE = True
    folder = Path(name).expanduser()
    try:
        with trust.no_pickles(f"the data set '{name}'"):
            if _saved(folder):
                found: Any = datasets.load_from_disk(os.fspath(folder))
            else:
                found = datasets.load_dataset(
                    os.fspath(folder) if folder.exists() else name,
                    str(options["config"]) or None, revision=str(options["revision"]) or None,
                )  # fmt: skip
    except UsageError:
        raise
    except Exception as error:  # of the library's many kinds, each says what it lacked
        said = " ".join(str(error).split())[:_SAID] or type(error).__name__
        raise UsageError(_remedy(name, folder, said)) from None
    return found if isinstance(found, Mapping) else {WHOLE: found}


def _saved(folder: Path) -> bool:
    return any((folder / name).is_file() for name in ("dataset_dict.json", "state.json"))


def _remedy(name: str, folder: Path, said: str) -> str:
    if folder.exists():
        do = "give a folder that save_to_disk wrote, or of parquet or csv files"
    elif places.offline():
        do = "it is not in the cache, and --offline forbids to fetch it"
    else:
        do = "write NAME as on the hub, config= if it has several, or the path of a folder"
    return f"'{name}' cannot be loaded ({said}); {do}"
