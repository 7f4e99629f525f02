"""What fault_models names: a model that behaves, and one for every way not to."""

import ctypes
import os
import re
import resource
import shutil
import signal
import stat
import sys
import threading
import time
from pathlib import Path

import torch
from fake_targets import Gaussian

from gengauge import Score, train
from gengauge.averaging import PowerAverage


class Healthy(Gaussian):
    pass


class SlowHealthy(Gaussian):
    def fit(self, data, run):
        super().fit(data, run)
        time.sleep(float(os.environ.get("FAULT_SLEEP", "0.2")))


class Learner(Gaussian):
    """Learns its mean step by step, with dropout, a best state and an average on the way."""

    def fit(self, data, run):
        x = data.train.x.float()
        network = torch.nn.Linear(2, 2)
        average = PowerAverage(network, 0.1)
        pause = float(os.environ.get("FAULT_SLEEP", "0.02"))

        def loss(x, generator):
            if network.training:
                self.stepping(run)
                time.sleep(pause / 4)
            noise = torch.randn(x.shape, generator=generator)
            return (network(torch.dropout(noise, 0.5, network.training)) - x).square().mean()

        train(run, network, loss, (x,), validation=(data.validation.x.float(),), batch_size=32,
              lr=0.05, average=average)  # fmt: skip
        found = network.bias + average.network.bias + average.network.weight.sum(1)
        self.mean, self.std = found.detach().double(), torch.tensor(self.scale).double()

    def stepping(self, run):
        pass


class KilledLearner(Learner):
    """Is killed ever later in its training, as often as FAULT_DEATHS says."""

    def stepping(self, run):
        resumed = run.place.resumed
        if resumed < int(os.environ["FAULT_DEATHS"]) and run.steps >= 20 + 5 * resumed:
            os.kill(os.getpid(), signal.SIGKILL)


class Segfault(Gaussian):
    def fit(self, data, run):
        ctypes.string_at(0)


class Abort(Gaussian):
    def fit(self, data, run):
        os.abort()


class ExitsAtOnce(Gaussian):
    def fit(self, data, run):
        print("these are my last words", flush=True)
        os._exit(3)


class RaisesSystemExit(Gaussian):
    def fit(self, data, run):
        sys.exit("I have had enough")


class RaisesKeyboardInterrupt(Gaussian):
    def fit(self, data, run):
        raise KeyboardInterrupt


class _Unprintable(Exception):
    def __str__(self):
        raise RuntimeError("no words")


class RaisesWhatCannotBePrinted(Gaussian):
    def fit(self, data, run):
        raise _Unprintable


class RaisesABook(Gaussian):
    def fit(self, data, run):
        raise ValueError("x" * 10_000_000)


class RecursesForEver(Gaussian):
    def fit(self, data, run):
        self.fit(data, run)


class ThreadBomb(Gaussian):
    def fit(self, data, run):
        for _ in range(6000):
            threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        time.sleep(60)


class ManyChildren(Gaussian):
    def fit(self, data, run):
        sleep = shutil.which("sleep")
        for _ in range(3000):
            os.posix_spawn(sleep, [sleep, "60"], os.environ)
        time.sleep(60)


class ForkBomb(Gaussian):
    def fit(self, data, run):
        end = time.monotonic() + 20
        while time.monotonic() < end:
            os.fork()


class LeavesDaemons(Gaussian):
    def fit(self, data, run):
        for _ in range(3):
            if os.fork() == 0:
                os.setsid()
                if os.fork() == 0:
                    time.sleep(60)
                os._exit(0)
        super().fit(data, run)


class LeavesThreads(Gaussian):
    def fit(self, data, run):
        super().fit(data, run)
        threading.Thread(target=time.sleep, args=(60,)).start()


class PrintsGigabytes(Gaussian):
    def fit(self, data, run):
        print("the beginning")
        block = b"y" * (1 << 20)
        for _ in range(1024):
            os.write(1, block)
        print("the end", flush=True)
        super().fit(data, run)


class LoopsForEver(Gaussian):
    def fit(self, data, run):
        self.where_it_hangs()

    def where_it_hangs(self):
        while True:
            pass


class HoldsTheLock(Gaussian):
    def fit(self, data, run):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        re.match(r"(a+)+$", "a" * 60 + "b")  # one call into C that does not come back


class StopsItself(Gaussian):
    def fit(self, data, run):
        os.kill(os.getpid(), signal.SIGSTOP)


class EatsMemory(Gaussian):
    def fit(self, data, run):
        self.eaten = [bytearray(os.urandom(1 << 16)) * 1024 for _ in range(96)]
        time.sleep(60)


class DrawsNaN(Gaussian):
    def sample(self, n, condition, generator):
        return super().sample(n, condition, generator) * float("nan")


class DrawsWrongShape(Gaussian):
    def sample(self, n, condition, generator):
        return torch.zeros(n, 3)


class DrawsTooFew(Gaussian):
    def sample(self, n, condition, generator):
        return super().sample(n - 1, condition, generator)


class DrawsNoTensor(Gaussian):
    def sample(self, n, condition, generator):
        return [[0.0, 0.0]] * n


class CountsStrangely(Gaussian):
    def fit(self, data, run):
        super().fit(data, run)
        run.steps = {1, 2, 3}


class ClosesItsOutput(Gaussian):
    def fit(self, data, run):
        sys.stdout.close()
        for descriptor in (1, 2):
            os.close(descriptor)
        super().fit(data, run)


class ClosesEverything(Gaussian):
    def fit(self, data, run):
        os.closerange(0, 1024)
        super().fit(data, run)


def _write_into_pipes(junk):
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208
        try:
            if stat.S_ISFIFO(os.fstat(int(name)).st_mode):
                os.write(int(name), junk)
        except OSError:
            continue


class WritesJunkIntoPipes(Gaussian):
    def fit(self, data, run):
        for junk in (b"\x00\xff\x7f", b'[1, 2]\n{}\n{"stage": 7}\nnull\n', b"[" * 30_000):
            _write_into_pipes(junk)
        super().fit(data, run)


class ForgesRecords(Gaussian):
    def fit(self, data, run):
        _write_into_pipes(b'\n{"record": {"trial": "another", "status": "ok", "scores": []}}\n')
        _write_into_pipes(b'\n{"stage": "train", "fraction": NaN}\n{"stage": "dance"}\n')
        super().fit(data, run)


class KillsItself(Gaussian):
    def fit(self, data, run):
        os.kill(os.getpid(), signal.SIGKILL)


class KillsItsParent(Gaussian):
    def fit(self, data, run):
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60)


class RemovesItsFolder(Gaussian):
    def save(self, folder):
        shutil.rmtree(Path(folder).parent)


class ChangesFolder(Gaussian):
    def fit(self, data, run):
        os.chdir("/")
        super().fit(data, run)


class OpensTooManyFiles(Gaussian):
    def fit(self, data, run):
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
        self.files = [open("/dev/null") for _ in range(1000)]  # noqa: PTH123, SIM115


class AsksTheUser(Gaussian):
    def fit(self, data, run):
        input("shall I go on? ")


class ChangesSignals(Gaussian):
    def fit(self, data, run):
        for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
            try:
                signal.signal(number, signal.SIG_IGN)
            except OSError:
                continue
        super().fit(data, run)


def tells_what_is_no_json(evidence):
    return Score(1.0, details={"what": {object()}})


def tells_not_a_number(evidence):
    return Score(1.0, details={"what": float("nan")})


def fine(evidence):
    return Score(1.0)
