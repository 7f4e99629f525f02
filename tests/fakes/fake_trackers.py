"""A plugin for tests: a tracker that writes down what it is told, and trackers that fail."""

import dataclasses
import json
import time
from pathlib import Path

from gengauge import Parameter, TrackerSpec, hookimpl


@hookimpl
def gengauge_trackers():
    def spec(id_, cls, **more):
        summary = f"A tracker for tests: {id_}"
        return TrackerSpec(id=id_, summary=summary, target=f"fake_trackers:{cls}", **more)

    place = (Parameter("path", "", "file to write"),)
    return [
        spec("diary", "Diary", parameters=place),
        spec("deaf", "Deaf"),
        spec("shut", "Shut"),
        spec("stuck", "Stuck"),
        spec("absent", "Diary", requires=("not_there_at_all",), extras=("moon",)),
    ]


class Diary:
    def __init__(self, folder, path):
        self.path = Path(path or folder / "diary.jsonl")

    def send(self, trial):
        told = {**dataclasses.asdict(trial), "numbers": trial.numbers, "points": trial.points}
        with self.path.open("a") as file:
            file.write(json.dumps(told, default=str) + "\n")

    def close(self):
        with self.path.open("a") as file:
            file.write('"closed"\n')


class Deaf(Diary):
    def __init__(self, folder):
        pass

    def send(self, trial):
        raise ConnectionError("the server\nis gone")

    def close(self):
        raise ConnectionError("and still is")


class Shut(Deaf):
    def __init__(self, folder):
        raise PermissionError("no key")


class Stuck(Deaf):
    def send(self, trial):
        time.sleep(3600)
