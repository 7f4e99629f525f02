"""Writes a line for each trial: status, and every score by name."""

import json


class Lines:
    """A file that lines are added to: of what is told twice the last one counts."""

    def __init__(self, folder, name):
        self.path = folder / name

    def send(self, trial):
        """Write a line."""
        line = {"trial": trial.name, "status": trial.status, **trial.numbers}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def close(self):
        """Do nothing: nothing is held back."""
