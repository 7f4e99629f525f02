"""Whether what somebody's run folder says can be read as what it claims to be.

A record is a line of JSON that anyone may have written. Reports sort, add up and format what it
says; each part they rest on is checked once, here, when the line is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import itemgetter
from typing import Any

from gengauge import copies
from gengauge.guarded import is_name
from gengauge.specs import DIRECTIONS

_TEXT, _FLAG, _TABLE = (str, type(None)), (bool, type(None)), (dict, type(None))
_LIST = (list, type(None))
_NUMBER, _COUNT = (float, int, type(None)), (int, type(None))
_LARGEST = 1e75  # of a number: reports work with the square of a variance
_NESTED = {dict, list}
_DEEPEST = 40  # levels of lists and objects in details and parameters
_KEPT = 4096  # combinations of types that are known to be right


class Shape:
    """The types that named parts of a JSON object may have."""

    def __init__(self, **kinds: tuple[type, ...]) -> None:
        self.kinds = kinds
        self.names = tuple(kinds)
        self._numeric = [i for i, k in enumerate(kinds.values()) if int in k and str not in k]
        # twice the last name: of a single one this would be no tuple
        self._values: Callable[[Any], Any] = itemgetter(*self.names, self.names[-1])
        # where numbers stand, by types that are right: a hundred thousand records are much alike
        self.right: dict[tuple[type, ...], list[int]] = {}

    def unlike(self, table: dict[str, Any], where: str = "") -> str:
        """Return which part of ``table`` has no such type or is beyond all measure, or nothing."""
        try:
            values = self._values(table)
        except KeyError:
            values = tuple(map(table.get, (*self.names, self.names[-1])))
        types = tuple(map(type, values))
        numbers = self.right.get(types)
        if numbers is None:
            for name, found in zip(self.names, types, strict=False):
                if found not in self.kinds[name]:
                    wanted = " or ".join(k.__name__ for k in self.kinds[name])
                    wanted = wanted.replace("NoneType", "null")
                    return f"'{where}{name}' is {found.__name__}, expected {wanted}"
            numbers = [i for i in self._numeric if types[i] is not type(None)]
            if len(self.right) < _KEPT:
                self.right[types] = numbers
        for i in numbers:
            if not -_LARGEST < values[i] < _LARGEST:
                return f"'{where}{self.names[i]}' is beyond all measure"
        return ""


_RECORD = Shape(
    environment=_TEXT, budget=_TEXT, command=_TEXT, command_line=_TEXT, started_at=_TEXT,
    run_id=_TEXT, position=_COUNT, workers=_COUNT, benchmark=_TABLE, seeds=_TABLE,
    training=_TABLE, timing=_TABLE, peak_memory=_TABLE, error=_TABLE, sampling=_TABLE, given=_TABLE,
    artifacts=(list, type(None)),
)  # fmt: skip
_PARTS = {
    "model": Shape(
        family=(str,), base=_TEXT, summary=_TEXT, reference=_TEXT, code=_TEXT, distribution=_TEXT,
        version=_TEXT, control=_FLAG, parameters=_TABLE, n_parameters=_COUNT,
        checkpoint_sha256=_TEXT, assumes=_TEXT, capabilities=_LIST, conditions=_LIST,
    ),
    "dataset": Shape(
        modality=_TEXT, revision=_TEXT, fingerprint=_TEXT, levels=_COUNT, n_train=_COUNT,
        n_validation=_COUNT, n_test=_COUNT, entropy=_NUMBER, copies=_TABLE,
    ),
    "benchmark": Shape(name=_TEXT, version=(int, str, type(None))),
    "seeds": Shape(seed=_COUNT),
    "training": Shape(seconds=_NUMBER, steps=_COUNT, examples=_COUNT),
    "timing": Shape(load=_NUMBER, train=_NUMBER, sample=_NUMBER, score=_NUMBER),
    "peak_memory": Shape(host=_COUNT, device=_COUNT),
    "error": Shape(type=_TEXT, message=_TEXT),
    "sampling": Shape(n=_COUNT, clamped=_NUMBER),
    "given": Shape(path=_TEXT, n=_COUNT, sha256=_TEXT, most=_COUNT),
}  # fmt: skip
_COPIES = Shape(**dict.fromkeys(copies.NAMES, _COUNT))
_SCORE = Shape(
    suite=(str,), metric=(str,), value=_NUMBER, low=_NUMBER, high=_NUMBER, standard_error=_NUMBER,
    level=_NUMBER, unit=_TEXT, direction=_TEXT, kind=_TEXT, split=_TEXT, interval_method=_TEXT,
    unscored_reason=_TEXT, caveat=_TEXT, comparability_key=_TEXT, request=_TEXT, failed=_FLAG,
    embedder=_TABLE, parameters=_TABLE, details=_TABLE, n_samples=_COUNT, n_reference=_COUNT,
)  # fmt: skip
_EMBEDDER = Shape(id=_TEXT, sha256=_TEXT)
_KNOWN: dict[Any, dict[str, Any]] = {}  # embedders that are right, by id
_POINT = Shape(
    steps=(int,), evaluations=(int, float), value=(int, float), low=_NUMBER, high=_NUMBER,
    standard_error=_NUMBER, level=_NUMBER, kind=_TEXT, interval_method=_TEXT, n_samples=_COUNT,
    n_reference=_COUNT, details=_TABLE,
)  # fmt: skip
_METRIC = Shape(
    label=_TEXT, summary=_TEXT, reference=_TEXT, unit=_TEXT, suite=_TEXT, direction=_TEXT,
    headline=_FLAG, order=_COUNT,
)  # fmt: skip
_DRAWN = ("by_batch_size", "by_attribute", "chance_by_attribute", "kinds", "front")


def wrong(record: Any) -> str:
    """Return what keeps ``record`` from being read as one; empty where nothing does."""
    if not isinstance(record, dict):
        return "it is no object"
    if not is_name(record.get("trial")):
        return "'trial' cannot name a folder of the run"
    if not isinstance(record.get("status"), str) or not isinstance(record.get("scores"), list):
        return "'status' or 'scores' is missing"
    for part in ("model", "dataset"):
        found = record.get(part)
        if not isinstance(found, dict) or not isinstance(found.get("id"), str) or not found["id"]:
            return f"'{part}' has no id"
    return (
        _RECORD.unlike(record)
        or _first(shape.unlike(record[p], f"{p}.") for p, shape in _PARTS.items() if record.get(p))
        or _COPIES.unlike(record["dataset"].get("copies") or {}, "dataset.copies.")
        or _deep(record["model"].get("parameters"), "model.parameters")
        or _first(map(_of_score, record["scores"]))
    )


def _first(found: Iterable[str]) -> str:
    return next(filter(None, found), "")


def _of_score(score: Any) -> str:
    if not isinstance(score, dict):
        return "a score is no object"
    if bad := _SCORE.unlike(score, "score."):
        return bad
    if score.get("direction") not in (None, "", *DIRECTIONS):
        return "'score.direction' is neither higher nor lower"
    if bad := _of_interval(score):
        return bad
    if (embedder := score.get("embedder")) and (bad := _of_embedder(embedder)):
        return bad
    details, parameters = score.get("details"), score.get("parameters")
    return (details and _of_details(details)) or (
        _deep(parameters, "parameters") if parameters else ""
    )


def _of_embedder(embedder: dict[str, Any]) -> str:
    """Check what was measured in; few of them recur in every record."""
    if (id_ := embedder.get("id")).__class__ is str and _KNOWN.get(id_) == embedder:
        return ""
    bad = _EMBEDDER.unlike(embedder, "embedder.")
    if not bad and id_ and len(_KNOWN) < _KEPT:
        _KNOWN[id_] = embedder
    return bad


def _of_interval(score: dict[str, Any]) -> str:
    low, high, level = score.get("low"), score.get("high"), score.get("level")
    if low is not None and high is not None and low > high:
        return "'score.low' is above 'score.high'"
    if level is not None and not 0 <= level < 1:
        return "'score.level' is no share"
    error = score.get("standard_error")
    return "'score.standard_error' is negative" if error is not None and error < 0 else ""


def _of_details(details: dict[str, Any]) -> str:
    """Check what figures are drawn of."""
    if details.keys().isdisjoint(_DRAWN):
        return _deep(details, "details")
    for name in _DRAWN[:3]:
        table = details.get(name)
        if table is not None and not isinstance(table, dict):
            return f"'details.{name}' is no object"
        kinds = (int, float) if name == "by_batch_size" else _NUMBER
        if any(Shape(x=kinds).unlike({"x": number}) for number in (table or {}).values()):
            return f"'details.{name}' holds what is no number"
    kinds_of = details.get("kinds")
    if kinds_of is not None and not _texts(kinds_of):
        return "'details.kinds' is no list of texts"
    front = details.get("front")
    if front is not None and not isinstance(front, list):
        return "'details.front' is no list"
    for point in front or ():
        if not isinstance(point, dict):
            return "'details.front' holds what is no point"
        if bad := _POINT.unlike(point, "front.") or _of_interval(point):
            return bad
    return _deep(details, "details")


def _texts(found: Any) -> bool:
    return isinstance(found, list) and all(isinstance(k, str) for k in found)


def _deep(content: Any, where: str) -> str:
    """Return that ``content`` is nested too deeply, without going as deep as it does."""
    if type(content) is dict and _NESTED.isdisjoint(map(type, content.values())):
        return ""
    layer = [content] if isinstance(content, dict | list) else []
    for _ in range(_DEEPEST):
        layer = [
            inner
            for outer in layer
            for inner in (outer.values() if type(outer) is dict else outer)
            if type(inner) is dict or type(inner) is list
        ]
        if not layer:
            return ""
    return f"'{where}' is nested too deeply"


def metrics(content: Any) -> dict[str, dict[str, Any]]:
    """Return of ``metrics.json`` what describes metrics."""
    about = content if isinstance(content, dict) else {}
    return {
        id_: what
        for id_, what in about.items()
        if isinstance(what, dict) and not _METRIC.unlike(what)
    }


def environment(content: Any) -> dict[str, Any]:
    """Return of an environment what can be shown: texts, numbers and tables of them."""
    about = content if isinstance(content, dict) else {}
    plain = (str, int, float, bool, type(None))

    def shown(value: Any) -> bool:
        inside = value.values() if isinstance(value, dict) else [value]
        return all(isinstance(v, plain) for v in inside)

    return {
        key: value
        for key, value in about.items()
        if shown(value) and (isinstance(value, dict) or key != "packages")
    }
