"""What fake_executors names."""

import queue
import sys
import threading

from gengauge import InTurn


class Backwards:
    """Runs the last trial first, in a thread of its own."""

    workers = 1

    def __init__(self, shift, shout=False):
        self.shift, self.shout, self.said = shift, shout, queue.Queue()

    def run(self, listener):
        thread = threading.Thread(target=self._work, args=(listener,), daemon=True)
        thread.start()
        while (one := self.said.get()) is not None:
            yield one
        thread.join()

    def _work(self, listener):
        for task in reversed(self.shift.tasks):
            if self.shout:
                print(f"NOW {task.trial.label}", file=sys.stderr)
            for one in InTurn([task], self.shift.setting).run(listener):
                self.said.put(one)
        self.said.put(None)

    def close(self):
        pass


class BreaksOff:
    """Gives the first record twice, and then there are no machines any more."""

    def __init__(self, shift):
        self.turns = InTurn(shift.tasks, shift.setting)

    def run(self, listener):
        first = next(self.turns.run(listener))
        yield first
        yield first
        raise RuntimeError("the machines are gone")

    def close(self):
        pass
