"""Laws of registration: it is light, and what is registered can be tried here."""

from __future__ import annotations

import subprocess
import sys

from gengauge.testing.case import NotApplicable, require

HEAVY = ("torch", "pandas", "sklearn", "matplotlib", "transformers")


def registration_is_light(module: str) -> None:
    """Importing what registers loads no heavy library: `gengauge list` stays instant."""
    code = f"""
import sys
sys.path[:] = {[p for p in sys.path if p] or ["."]!r}
import {module}
print(*(set({HEAVY!r}) & sys.modules.keys()))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120
    )  # a process of its own: here torch is loaded already
    require(done.returncode == 0, f"a module {module} that can be imported",
            " ".join(done.stderr.split()[-20:]), "mend what it imports")  # fmt: skip
    heavy = done.stdout.split()
    require(not heavy, "descriptions alone in the module of the entry point",
            f"an import of {' and '.join(sorted(heavy))}",
            "put the code into a module beside it, which target names")  # fmt: skip


def it_can_be_tried(why_not: str) -> None:
    """What it needs is here: packages, a file of the user's, data that fits."""
    raise NotApplicable(why_not)
