"""Takes credentials out of what a submission shows to others."""

from __future__ import annotations

import re
from typing import Any

from gengauge.urls import redacted

_TOKENS = re.compile(
    r"\b(?:hf_[A-Za-z0-9]{16,}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|sk-[\w-]{20,}"
    r"|AKIA[0-9A-Z]{16}|xox[abprs]-[\w-]{10,}|glpat-[\w-]{16,}|eyJ[\w-]{10,}\.eyJ[\w.-]{10,})"
)
_NAME = r"[\w-]*(?:token|secret|password|passwd|api[_-]?key|credentials?|access[_-]?key)"
_VALUE = r"(?:'[^']*'|\"[^\"]*\"|[^\s,'\"\]}]+)"
_GIVEN = re.compile(rf"(\b{_NAME}\s*=\s*|(?<!\S)--?{_NAME}\s+(?!-)){_VALUE}", re.IGNORECASE)
_SECRET = re.compile(_NAME, re.IGNORECASE)


def without_secrets(text: str) -> str:
    """Return a text without passwords in addresses, tokens of services and secret options.

    >>> without_secrets("run -o s3://me:pw@host/x --api-token abc --seeds 0")
    'run -o s3://***@host/x --api-token *** --seeds 0'
    >>> without_secrets("HF_TOKEN=abc, a token of text, -m 'vae[tokens=16]'")
    "HF_TOKEN=***, a token of text, -m 'vae[tokens=16]'"
    """
    return _GIVEN.sub(r"\1***", _TOKENS.sub("***", redacted(text)))


def clean(content: Any) -> Any:
    """Return JSON with every text in it without its secrets.

    >>> clean({"api_key": "abc", "command": ["--password", "--password x"], "n": 3})
    {'api_key': '***', 'command': ['--password', '--password ***'], 'n': 3}
    """
    if isinstance(content, str):
        return without_secrets(content)
    if isinstance(content, list):
        return [clean(value) for value in content]
    if not isinstance(content, dict):
        return content
    hidden = {k for k, v in content.items() if isinstance(v, str) and v and _SECRET.fullmatch(k)}
    return {key: "***" if key in hidden else clean(value) for key, value in content.items()}
