"""What counting a large text costs: seconds and peak memory of the n-gram model on a long file.

The text is words of the shipped dictionary, drawn by how often they come, so that it has as
many different words as real text and never the same line twice. Each measurement is a process of
its own: memory is the peak of its resident set, torch's 250 MB included.

    python benchmarks/counting.py [--megabytes 100] [--orders 2,5]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from gengauge.provenance import peak_host_memory
from gengauge_suites.datasets.text import SHIPPED


def write_text(path: Path, megabytes: float) -> None:
    """Write about so many millions of bytes of words, a line end after every tenth."""
    words = np.array(SHIPPED.read_text(encoding="ascii").split())
    generator = np.random.default_rng(0)
    with path.open("w", encoding="ascii") as file:
        while file.tell() < megabytes * 1e6:
            lines = words[generator.integers(len(words), size=(10_000, 10))]
            file.write("\n".join(" ".join(line) for line in lines) + "\n")


def child(path: str, order: int) -> dict[str, float]:
    """Train on the file at ``path``; return seconds of loading and fitting, and peak GB."""
    from gengauge import Budget, FitRun
    from gengauge.registry import Registry, load_target
    from gengauge_plugins.bigram.ngram import NGram

    spec = Registry().find("datasets", f"text:{path}")
    started = time.perf_counter()
    data = load_target(spec.target)(spec)
    loaded = time.perf_counter()
    model = NGram(order=order)
    model.fit(data, FitRun(0, Budget.parse("1 steps")))
    done = time.perf_counter()
    bits = -float(model.log_mass(data.test.x[:2000]).mean()) / data.dimensions / np.log(2)
    return {
        "load": loaded - started, "fit": done - loaded, "peak": peak_host_memory() / 1e9,
        "bits": bits, "numbers": float(model.n_parameters),
    }  # fmt: skip


def measure(path: Path, order: int) -> dict[str, float]:
    """Return what ``child`` found in a fresh process."""
    words = [sys.executable, __file__, "--child", str(path), "--orders", str(order)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=float, default=100)
    parser.add_argument("--orders", default="2,5")
    parser.add_argument("--child", default="")
    options = parser.parse_args()
    orders = [int(order) for order in options.orders.split(",")]
    if options.child:
        print(json.dumps(child(options.child, orders[0])))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "words.txt"
        write_text(path, options.megabytes)
        print(f"{path.stat().st_size / 1e6:.1f} MB, one process a row")
        for order in orders:
            m = measure(path, order)
            spent = f"load {m['load']:.1f} s, fit {m['fit']:.1f} s, peak {m['peak']:.2f} GB"
            print(f"order {order}: {spent}, {m['numbers']:,.0f} n-grams, {m['bits']:.3f} bits/byte")


if __name__ == "__main__":
    main()
