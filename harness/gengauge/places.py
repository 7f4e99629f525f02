"""Where gengauge keeps files on this machine, and whether it may use the network."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_cache_dir

OFFLINE = "GENGAUGE_OFFLINE"
_NO = ("", "0", "no", "false", "off")


def cache_folder() -> Path:
    """Return the folder for what can be made again: ``$GENGAUGE_CACHE_DIR`` or the user's own."""
    return Path(os.environ.get("GENGAUGE_CACHE_DIR") or user_cache_dir("gengauge"))


def offline() -> bool:
    """Return whether ``--offline`` or ``$GENGAUGE_OFFLINE`` forbids the network."""
    return os.environ.get(OFFLINE, "").strip().lower() not in _NO


def go_offline() -> None:
    """Forbid the network to this process, to those it starts and to the Hugging Face hub."""
    os.environ[OFFLINE] = os.environ["HF_HUB_OFFLINE"] = "1"
