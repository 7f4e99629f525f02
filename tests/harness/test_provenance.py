"""What a record says of the machine it was made on."""

import subprocess
import sys

import pytest

PEAK = "from gengauge.provenance import peak_host_memory; print(peak_host_memory())"


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's account of a process's memory")
def test_peak_memory_is_of_the_process_and_not_of_the_one_that_started_it():
    heavy = (
        "import subprocess, sys; held = bytes(range(256)) * (600 << 12);"
        f"subprocess.run([sys.executable, '-c', {PEAK!r}], check=True)"
    )
    out = subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True, check=True)
    assert 1 << 20 < int(out.stdout) < 400 << 20
