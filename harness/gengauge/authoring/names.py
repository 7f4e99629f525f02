"""What a plugin may be called: its distribution, its package, and the id of what it brings."""

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass
from importlib.util import find_spec

from gengauge.errors import UsageError
from gengauge.registry import Registry

_PEP508 = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?", re.IGNORECASE)
_LONGEST = 60
_PREFIX = "gengauge"
_RESERVED = {"plugins", "suites", "reports"}  # gengauge's own packages are called so


@dataclass(frozen=True)
class Names:
    """What one name becomes in each place where it is needed.

    >>> chosen("Gaussian.Copula")
    Names(project='gengauge-gaussian-copula', package='gengauge_gaussian_copula',
          id='gaussian-copula', type='GaussianCopula')
    """

    project: str
    package: str
    id: str
    type: str


def chosen(name: str) -> Names:
    """Return the names for a plugin called ``name``; ``UsageError`` where it cannot be one.

    As with pytest's plugins the distribution is ``gengauge-NAME``, whether or not ``name`` begins
    so already.
    """
    if not _PEP508.fullmatch(name) or len(name) > _LONGEST:
        raise UsageError(
            f"plugin name '{name[:_LONGEST]}' cannot be a distribution's; write up to {_LONGEST} "
            "letters, digits, - and _, beginning and ending with a letter or digit"
        )
    words = [w for w in re.split(r"[._-]+", name.lower()) if w]
    if words[0] == _PREFIX:
        words = words[1:]
    id_ = "-".join(words)
    if not words or id_ in _RESERVED:
        raise UsageError(f"plugin name '{name}' is gengauge's own; give another")
    type_ = "".join(w[:1].upper() + w[1:] for w in words)
    if not type_.isidentifier() or keyword.iskeyword(type_):
        raise UsageError(
            f"plugin name '{name}' gives no name for a class ({type_}); begin with a letter"
        )
    return Names(f"{_PREFIX}-{id_}", f"{_PREFIX}_{'_'.join(words)}", id_, type_)


def refuse_taken(names: Names, kind: str, registry: Registry) -> None:
    """Raise ``UsageError`` where something here is called so already."""
    if find_spec(names.package) is not None:
        raise UsageError(
            f"a package {names.package} can already be imported here; give another name, or "
            f"uninstall it: pip uninstall {names.project}"
        )
    id_ = metric_id(names) if kind == "metric" else names.id
    if id_ in getattr(registry, f"{kind}s"):
        owner = registry.provider(f"{kind}s", id_)
        raise UsageError(
            f"{kind} '{id_}' is already registered by {owner.name} ({owner.distribution}); give "
            "another name"
        )


def metric_id(names: Names) -> str:
    """Return the id of a metric: those are columns, and have underscores."""
    return names.id.replace("-", "_")
