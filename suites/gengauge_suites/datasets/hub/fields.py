"""Which columns of a data set of the hub are the examples, and what the others say of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gengauge.errors import UsageError, unknown

_CAPTIONS = ("caption", "text")  # columns that are captions of pictures by their name
_NONE = "none"  # an option that says: no such column


@dataclass(frozen=True)
class Fields:
    """The columns of a data set by their use; ``kind`` is image, text or table."""

    kind: str
    x: str  # the column of pictures or texts; empty for a table, which has many
    label: str
    caption: str
    features: Mapping[str, Any]

    @classmethod
    def of(cls, features: Mapping[str, Any], options: Mapping[str, Any]) -> Fields:
        """Return the uses that the options name, or that the types leave no doubt of.

        The one column of pictures is the examples; without any, the one column of text where
        nothing else is a number; else the data set is a table. The one column of class labels is
        the label. ``UsageError`` where there are several.
        """
        images = [n for n, f in features.items() if type(f).__name__ == "Image"]
        texts = [n for n, f in features.items() if _is(f, "string")]
        classes = [n for n, f in features.items() if is_class(f)]
        label = _chosen("label", options, features, classes)
        numbers = [n for n in features if n not in (*texts, *images, label)]
        if options["image"] or (images and not options["text"]):
            x, kind = _chosen("image", options, features, images), "image"
        elif options["text"] or (texts and not numbers):
            mine = [n for n in texts if n != label]
            x, kind = _chosen("text", options, features, mine), "text"
        else:
            return cls("table", "", label, "", features)
        if x not in (images if kind == "image" else texts):
            raise UsageError(f"the column '{x}' is {_type(features[x])}, and holds no {kind}")
        caption = ""
        if kind == "image":
            caption = _chosen("caption", options, features, [n for n in _CAPTIONS if n in texts])
        return cls(kind, x, label, caption, features)

    def apart(self) -> tuple[str, ...]:
        """Return the columns that are no numbers of a table."""
        return tuple(name for name in (self.x, self.label, self.caption) if name)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the classes, where the label's type has them."""
        return tuple(getattr(self.features[self.label], "names", ())) if self.label else ()


def _chosen(
    use: str, options: Mapping[str, Any], features: Mapping[str, Any], found: Sequence[str]
) -> str:
    """Return the column that an option names, or the one that was ``found``; empty for none."""
    named = str(options[use])
    if named == _NONE:
        return ""
    if named:
        if named not in features:
            raise unknown("column", named, features)
        return named
    if len(found) > 1:
        raise UsageError(f"the columns {', '.join(found)} could be meant; name one with {use}=")
    return found[0] if found else ""


def is_class(feature: Any) -> bool:
    """Return whether a column's type has names of classes."""
    return type(feature).__name__ == "ClassLabel"


def _is(feature: Any, dtype: str) -> bool:
    return str(getattr(feature, "dtype", "")).removeprefix("large_") == dtype


def _type(feature: Any) -> str:
    return str(getattr(feature, "dtype", "")) or type(feature).__name__
