"""Sends trials to trackio: a run each, named after trial and key."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from gengauge.tracker import Tracked


class Trackio:
    """Tells trackio; a trial that comes again goes on in its run."""

    def __init__(self, folder: Path, project: str, space: str) -> None:
        import trackio  # here: tests collect this module, and their environment lacks it

        self._trackio: Any = trackio
        self._project, self._space = project, space

    def send(self, trial: Tracked) -> None:
        """Write one trial, its curve and its pictures."""
        facts = {f"gengauge.{name}": value for name, value in trial.facts.items()}
        about = {f"{score.name}.about": score.about for score in trial.scores}
        with redirect_stdout(sys.stderr):  # where gengauge writes data, trackio writes news
            self._send(trial, {**trial.parameters, **facts, **about})

    def _send(self, trial: Tracked, config: dict[str, object]) -> None:
        trackio = self._trackio
        trackio.init(
            project=self._project, name=f"{trial.name} {trial.key[:8]}",
            space_id=self._space or None, group=trial.group or None,
            config=config, resume="allow",
        )  # fmt: skip
        try:
            for step, values in trial.points if trial.trained else ():
                trackio.log(values, step=step)
            last = max((step for step, _ in trial.points), default=0)
            pictures = {p.stem: trackio.Image(p) for p in trial.pictures}
            trackio.log({**trial.numbers, **pictures}, step=last + 1)
        finally:
            trackio.finish()

    def close(self) -> None:
        """Do nothing: each run is finished once it is sent."""
