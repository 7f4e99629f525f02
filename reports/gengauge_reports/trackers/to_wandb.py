"""Sends trials to Weights & Biases: a run each, whose id is the key of its trial."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import wandb

from gengauge.tracker import Tracked


class WandB:
    """Tells W&B, or writes what `wandb sync` sends; a trial that comes again goes on in its run."""

    def __init__(self, folder: Path, project: str, entity: str, mode: str, dir: str) -> None:
        self._about: dict[str, Any] = {
            "project": project, "entity": entity or None, "mode": mode or None, "dir": dir or None,
        }  # fmt: skip

    def send(self, trial: Tracked) -> None:
        """Write one trial, its curve and its pictures."""
        run = wandb.init(
            **self._about, id=trial.key, name=trial.name, group=trial.group or None,
            job_type=str(trial.parameters.get("model", "")), resume="allow",
            reinit="create_new", config={**trial.parameters, "gengauge": dict(trial.facts)},
            allow_val_change=True, tags=[trial.status],
            settings=wandb.Settings(
                silent=True, console="off", disable_git=True, x_disable_stats=True
            ),
        )  # fmt: skip
        try:
            for step, values in trial.points if trial.trained else ():
                run.log(values, step=step)
            pictures = {p.stem: wandb.Image(str(p)) for p in trial.pictures}
            if pictures:
                run.log(pictures)
            run.summary.update(trial.numbers)
            run.summary.update({f"{score.name}.about": score.about for score in trial.scores})
        finally:
            run.finish(exit_code=0 if trial.ok else 1)

    def close(self) -> None:
        """Do nothing: each run is finished once it is sent."""
