"""Says which code and which content a model's numbers came from."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gengauge.code import code_fingerprint
from gengauge.errors import UsageError
from gengauge.parameters import Value
from gengauge.registry import load_target
from gengauge.specs import ModelSpec


def code_of(
    spec: ModelSpec,
    parameters: Mapping[str, Value],
    fingerprint: Callable[[str], str] = code_fingerprint,
) -> str:
    """Return the fingerprint of a model's code, and of its content where a user brings that.

    An edited checkpoint is another trial, and one that was moved and is called as before is not.
    ``UsageError`` where it cannot be read.
    """
    code = fingerprint(spec.target.partition(":")[0])
    if not spec.stamps:
        return code
    try:
        stamp = load_target(spec.stamps)(str(spec.arguments["path"]), spec.given(parameters))
    except OSError as error:
        raise UsageError(f"'{error.filename}' cannot be read: {error.strerror}") from None
    return f"{code}+{stamp}"
