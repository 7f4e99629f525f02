"""Typed settings of models and metrics, read from what a user wrote."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gengauge.errors import UsageError, unknown

Value = bool | int | float | str
_OPTIONS = re.compile(r"(.+)\[([^\[\]=]+=[^\[\]]*)\]", re.DOTALL)
_TRUE, _FALSE = ("true", "yes", "1", "on"), ("false", "no", "0", "off")


@dataclass(frozen=True)
class Parameter:
    """One typed setting of a model or a metric; its type is the type of its default.

    >>> Parameter("latent", 16, minimum=1).parse("32")
    32
    """

    name: str
    default: Value
    doc: str = ""
    choices: tuple[Value, ...] = ()
    minimum: float | None = None

    def parse(self, text: Value) -> Value:
        """Return ``text`` as this parameter's type, or raise ``UsageError``."""
        kind = type(self.default)
        try:
            value = self._convert(text, kind)
        except ValueError:
            raise UsageError(
                f"parameter '{self.name}' takes {_a(kind.__name__)}, not '{text}'"
            ) from None
        if self.choices and value not in self.choices:
            raise unknown(f"value of '{self.name}'", str(value), map(str, self.choices))
        if self.minimum is not None and float(value) < self.minimum:
            raise UsageError(
                f"parameter '{self.name}' must be at least {self.minimum:g}, not {value}"
            )
        return value

    def _convert(self, text: Value, kind: type[Value]) -> Value:
        if kind is bool:
            word = str(text).lower()
            if word not in _TRUE + _FALSE:
                raise ValueError(word)
            return word in _TRUE
        if kind is int:
            number = float(text)
            if number != int(number):
                raise ValueError(text)
            return int(number)
        return kind(text)


def _a(noun: str) -> str:
    return ("an " if noun[0] in "aeiou" else "a ") + {"str": "text", "int": "int"}.get(noun, noun)


def resolve(
    kind: str, parameters: tuple[Parameter, ...], given: Mapping[str, Any]
) -> dict[str, Value]:
    """Return every parameter's value, the given ones parsed; unknown names raise ``UsageError``."""
    known = {p.name: p for p in parameters}
    for name in given:
        if name not in known:
            raise unknown(kind, name, known)
    return {n: p.parse(given[n]) if n in given else p.default for n, p in known.items()}


def with_options(text: str) -> tuple[str, dict[str, str]]:
    """Return a path and the options that follow it in brackets.

    >>> with_options("faces[size=64,resize=crop]")
    ('faces', {'size': '64', 'resize': 'crop'})
    >>> with_options("scans [2024]")  # a name that ends so, and no options
    ('scans [2024]', {})
    """
    match = _OPTIONS.fullmatch(text)
    if match is None:
        return text, {}
    options: dict[str, str] = {}
    for item in match[2].split(","):
        name, equals, value = (part.strip() for part in item.partition("="))
        if not equals or name in options:
            raise UsageError(f"'[{match[2]}]' is not understood; write [name=value,...] once each")
        options[name] = value
    return match[1], options
