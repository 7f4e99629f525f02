"""The errors a user can cause, each with the exit code it ends the program with."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class GengaugeError(Exception):
    """A mistake the user can mend: shown as one line on stderr, never as a traceback."""

    exit_code = 2


class UsageError(GengaugeError):
    """A name, value or file that is not one of the allowed ones."""


class SpecError(GengaugeError):
    """A plugin registered a description that cannot be used."""


class StorageError(GengaugeError):
    """A run's folder cannot be written: a full disk, missing rights."""


class NothingSelectedError(GengaugeError):
    """The selection left no trial to run."""

    exit_code = 5


class BaselineError(GengaugeError):
    """A baseline is not there, or holds nothing that may be compared."""

    exit_code = 4


class NotComparableError(GengaugeError):
    """What is to be compared was not measured on the same thing."""

    exit_code = 4


class DivergedError(Exception):
    """Training or sampling produced numbers that are not finite."""


class UnsupportedError(Exception):
    """A model was asked for something its family cannot do on this dataset."""


class NotReadyError(UnsupportedError):
    """Something is missing on this machine, such as a file of weights; the text says what to do."""


def unknown(kind: str, name: str, allowed: Iterable[str]) -> UsageError:
    """Return the error for an unknown name, with the nearest allowed one.

    >>> str(unknown("model", "gmn", ["gmm", "vae"]))
    "unknown model 'gmn'; did you mean 'gmm'? (known: gmm, vae)"
    """
    known = sorted(allowed)
    by_lower = {k.lower(): k for k in known}
    close = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.5)
    near = [by_lower[c] for c in close]
    hint = f"; did you mean '{near[0]}'?" if near else ";"
    listing = ", ".join(known) if known else "none"
    if near:
        return UsageError(f"unknown {kind} '{name}'{hint} (known: {listing})")
    return UsageError(f"unknown {kind} '{name}'{hint} known: {listing}")
