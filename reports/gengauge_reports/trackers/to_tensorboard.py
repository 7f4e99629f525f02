"""Writes trials as event files for TensorBoard: a folder each, named after trial and key."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image
from torch.utils.tensorboard import SummaryWriter

from gengauge.tracker import Tracked

_FORBIDDEN = re.compile(r"[^\w.=,+ -]+")


class TensorBoard:
    """Writes below a folder; a trial that comes again is added to, or replaced if trained again."""

    def __init__(self, folder: Path, dir: str) -> None:
        self._folder = Path(dir).expanduser() if dir else folder / "tensorboard"

    def send(self, trial: Tracked) -> None:
        """Write one trial, its curve and its pictures."""
        name = f"{_FORBIDDEN.sub('-', trial.name)} {trial.key[:8]}"
        # purging hides what an earlier training of the trial has written
        begun = (self._folder / name).is_dir() and trial.trained
        writer = SummaryWriter(str(self._folder / name), purge_step=0 if begun else None)
        with writer:
            about = {score.name: score.about for score in trial.scores}
            facts = _table({**trial.parameters, **trial.facts, **about})
            writer.add_text("trial", facts, 0)
            for tag, value in trial.numbers.items():
                writer.add_scalar(tag, value, 0)
            for step, values in trial.points if trial.trained else ():
                for tag, value in values.items():
                    writer.add_scalar(tag, value, step)
            for path in trial.pictures:
                with Image.open(path) as picture:
                    pixels = np.asarray(picture.convert("RGB"))
                writer.add_image(path.stem, pixels, 0, dataformats="HWC")

    def close(self) -> None:
        """Do nothing: all is written."""


def _table(facts: Mapping[str, object]) -> str:
    """Return what is known of a trial as the Markdown that TensorBoard shows."""
    rows = [f"| {key} | {str(value).replace('|', '/')} |" for key, value in facts.items()]
    return "\n".join(["| | |", "| :--- | :--- |", *rows])
