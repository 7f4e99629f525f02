"""Runs trials in random order: what depends on the order shows."""

import random

from gengauge import InTurn


class Dice:
    """One by one in this process."""

    workers = 1

    def __init__(self, shift, seed):
        self.shift, self.tasks = shift, list(shift.tasks)
        random.Random(seed).shuffle(self.tasks)

    def run(self, listener):
        """Yield each task with its record and seconds, as they end."""
        yield from InTurn(self.tasks, self.shift.setting).run(listener)

    def close(self):
        """Do nothing: nothing runs beside."""
