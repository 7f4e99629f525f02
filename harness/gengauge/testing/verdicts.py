"""How laws are judged, and what is said of each: what was expected, what came, what to do."""

from __future__ import annotations

import inspect
import sysconfig
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gengauge.errors import UnsupportedError
from gengauge.testing.case import LawBroken, NotApplicable

Law = Callable[[Any], None]
_OTHERS = (
    f"{Path(__file__).parents[1]}/", "<",
    *(f"site-packages/{name}/" for name in ("torch", "numpy", "scipy", "sklearn", "safetensors")),
)  # fmt: skip


@dataclass(frozen=True)
class Verdict:
    """How one law went: ``held``, ``broken`` or ``skipped``, and why.

    ``says`` is the law in a sentence. Of a broken one there is also what was ``expected``, what
    ``came`` and ``advice``, which ``message`` has in one line.
    """

    law: str
    outcome: str
    message: str = ""
    says: str = ""
    expected: str = ""
    came: str = ""
    advice: str = ""


def judge(law: Law, case: Any) -> Verdict:
    """Return how one law went; whatever a plugin raises, it is broken."""
    name, says = law.__name__, in_a_sentence(law)
    try:
        law(case)
    except NotApplicable as reason:
        return Verdict(name, "skipped", str(reason), says)
    except UnsupportedError as reason:
        return Verdict(name, "skipped", f"unsupported: {reason}", says)
    except LawBroken as broken:
        told = (broken.expected, broken.came, broken.advice)
        return Verdict(name, "broken", str(broken), says, *told)
    except Exception as error:  # a plugin may raise anything
        return crashed(law, error)
    return Verdict(name, "held", "", says)


def crashed(law: Law, error: Exception) -> Verdict:
    """Return the verdict on a law that an exception ended, and where it came from."""
    came = f"{type(error).__name__}: {' '.join(str(error).split())}"
    place = _place(error)
    advice = f"look at {place}" if place else "look at what it says"
    message = f"{came} ({advice})"
    said = in_a_sentence(law)
    return Verdict(law.__name__, "broken", message, said, "no exception", came, advice)


def in_a_sentence(law: Law) -> str:
    """Return what a law says."""
    return " ".join((inspect.getdoc(law) or "").partition("\n\n")[0].split())


def _place(error: Exception) -> str:
    """Return the last line of the plugin's own code that an exception went through."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if not _foreign(f.filename)]
    if not own:
        return ""
    frame = own[-1]
    return f"{Path(frame.filename).name}:{frame.lineno}"


def _foreign(file: str) -> bool:
    library = file.startswith(sysconfig.get_paths()["stdlib"]) and "site-packages" not in file
    return library or any(part in file for part in _OTHERS)
