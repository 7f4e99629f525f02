"""Says which code and which content a model's numbers came from."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gengauge.code import code_fingerprint
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
    """
    code = fingerprint(spec.target.partition(":")[0])
    if not spec.stamps:
        return code
    stamp = load_target(spec.stamps)(str(spec.arguments["path"]), spec.given(parameters))
    return f"{code}+{stamp}"
