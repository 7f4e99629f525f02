"""A plugin that hears of runs: a diary in each run's folder."""

from pathlib import Path

from gengauge import hookimpl

NAME = "diary.txt"
_open: list[Path] = []  # the run that is going on


@hookimpl
def gengauge_run_started(folder, trials):
    """Begin the diary of a run, or go on with it."""
    _open[:] = [Path(folder) / NAME]
    _write(f"a run of {len(trials)} trials began")


@hookimpl
def gengauge_trial_finished(record):
    """Write a line about a trial."""
    scored = sum(score["value"] is not None for score in record["scores"])
    model, dataset = record["model"]["id"], record["dataset"]["id"]
    _write(f"{model} on {dataset}: {record['status']}, {scored} scores")


def _write(line):
    for diary in _open:
        with diary.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
