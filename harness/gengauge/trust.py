"""Pickles run whatever their writer wished: none is read unless the user trusts the writer.

Files of weights are safetensors, or pickles of which torch reads tensors and nothing else. What
else a plugin or a library would unpickle while it restores a model is stopped where Python looks
up what the pickle names.
"""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gengauge.errors import UsageError

TRUST = "GENGAUGE_TRUST"
_NO = ("", "0", "no", "false", "off")
_TENSORS_ONLY = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"  # torch obeys it whatever its caller asks for
_ANYTHING = "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"  # the two together are an error
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib")
_reading: list[str] = []  # what is being read at the moment that must hold no pickle
_hooked: list[bool] = []


class UntrustedError(UsageError):
    """A pickle that would have run a program of its writer's was not read."""


def trusted() -> bool:
    """Return whether ``--trust`` or ``$GENGAUGE_TRUST`` allows to read pickles."""
    return os.environ.get(TRUST, "").strip().lower() not in _NO


def go_trusting() -> None:
    """Allow pickles to this process and to those it starts."""
    os.environ[TRUST] = "1"


def require(what: str) -> None:
    """Raise ``UntrustedError`` for ``what``, a sentence, unless pickles are trusted."""
    if not trusted():
        raise UntrustedError(
            f"{what}: reading that can run any program its writer wished, and it was refused; "
            "use safetensors, or give --trust if you know who made it"
        )


def refuse_pickles(folder: Path) -> None:
    """Raise ``UntrustedError`` where the weights in ``folder`` are in pickles alone."""
    names = sorted(p.name for p in folder.iterdir()) if folder.is_dir() else []
    pickles = [name for name in names if name.endswith(_PICKLES)]
    if pickles and not any(name.endswith(".safetensors") for name in names):
        require(f"the weights in '{folder}' are a pickle ({pickles[0]})")


@contextmanager
def no_pickles(what: str) -> Iterator[None]:
    """Raise ``UntrustedError`` for any pickle that is read in this block, in place of ``what``.

    Of torch's files the tensors alone are read. Nothing happens where the user trusts.
    """
    if not _hooked:  # a hook stays for as long as the process lives
        sys.addaudithook(_hear)
        _hooked.append(True)
    _reading.append(what)
    try:
        with tensors_only(what):
            yield
    finally:
        _reading.pop()


@contextmanager
def tensors_only(what: str) -> Iterator[None]:
    """Have torch read nothing but tensors in this block, whatever its caller asks for.

    Other pickles go through, such as those between processes that load data together.
    """
    if trusted():
        yield
        return
    before = {name: os.environ.pop(name, None) for name in (_TENSORS_ONLY, _ANYTHING)}
    os.environ[_TENSORS_ONLY] = "1"
    try:
        yield
    except pickle.UnpicklingError as error:
        raise UntrustedError(_refusal(what)) from error
    finally:
        del os.environ[_TENSORS_ONLY]
        os.environ.update({name: value for name, value in before.items() if value is not None})


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "pickle.find_class" and _reading and not trusted():
        raise UntrustedError(_refusal(_reading[-1]))


def _refusal(what: str) -> str:
    return (
        f"{what} holds a pickle of more than tensors: reading it can run any program its writer "
        "wished, and it was refused; give --trust if you know who made it"
    )
