"""Who takes part: one entrant a model and version, alike on every data set, with a safe name."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

from gengauge.gather import Trial, identity
from gengauge_reports.leaderboard.board import Entrant
from gengauge_reports.leaderboard.slugs import slugged

Key = tuple[str, ...]


def entrants(trials: Iterable[Trial]) -> tuple[list[Entrant], dict[Key, Entrant]]:
    """Return the entrants, models before controls, and the entrant of each identity.

    A model id in one version and precision is one entrant on all data sets, although its budget
    may be another on each. Parameters and budgets make entrants of their own where a single data
    set holds several of them; so on no data set do two rows become one.
    """
    groups: dict[Key, list[Trial]] = {}
    seen: dict[Key, list[tuple[str, Key]]] = {}
    for trial in trials:
        one = identity(trial)
        groups.setdefault(one, []).append(trial)
        seen.setdefault(_core(one), []).append((trial.dataset, one))
    keys = {one: _key(one, seen[_core(one)]) for one in groups}
    members: dict[Key, list[Trial]] = {}
    for one, found in groups.items():
        members.setdefault(keys[one], []).extend(found)
    made = _entrants(members)
    order = sorted(made.values(), key=lambda e: (e.control, e.label, e.key))
    return order, {one: made[key] for one, key in keys.items()}


def _core(one: Key) -> Key:
    return (one[0], one[3], one[4])


def _key(one: Key, alike: Sequence[tuple[str, Key]]) -> Key:
    """Return id, parameters, budget, version and precision, what tells nobody apart left empty."""
    parameters = one[1] if _several((d, "", o[1]) for d, o in alike) else ""
    split = bool(parameters)
    budget = one[2] if _several((d, o[1] if split else "", o[2]) for d, o in alike) else ""
    return (one[0], parameters, budget, one[3], one[4])


def _several(found: Iterable[tuple[str, str, str]]) -> bool:
    """Return whether one data set (and parameters) holds several values."""
    values: dict[tuple[str, str], set[str]] = {}
    for dataset, within, value in found:
        values.setdefault((dataset, within), set()).add(value)
    return any(len(each) > 1 for each in values.values())


def _entrants(members: dict[Key, list[Trial]]) -> dict[Key, Entrant]:
    named = _labels(list(members))
    slugs = slugged([(named[key], json.dumps(key)) for key in members])
    last = _latest(members)
    made = {}
    for (key, trials), slug in zip(members.items(), slugs, strict=True):
        model = trials[0].model
        made[key] = Entrant(
            key, slug, named[key], str(model["id"]), str(model.get("family") or ""),
            bool(model.get("control")), str(model.get("summary") or ""),
            str(model.get("reference") or ""),
            next((n for t in trials if (n := t.model.get("n_parameters")) is not None), None),
            last[_same(key)] == key,
        )  # fmt: skip
    return made


def latest(there: Mapping[Entrant, Iterable[Trial]]) -> set[str]:
    """Return the slugs of entrants, given with their trials, that have no later version there."""
    last = _latest({entrant.key: trials for entrant, trials in there.items()})
    return {e.slug for e in there if last[_same(e.key)] == e.key}


def _latest(members: Mapping[Key, Iterable[Trial]]) -> dict[Key, Key]:
    """Return, for what differs in its version alone, the key of the one that was run last."""
    found: dict[Key, tuple[str, Key]] = {}
    for key, trials in members.items():
        started = max(str(t.record.get("started_at") or "") for t in trials)
        found[_same(key)] = max(found.get(_same(key), ("", ())), (started, key))
    return {same: key for same, (_, key) in found.items()}


def _same(key: Key) -> Key:
    """Return a key without its version."""
    return (*key[:3], key[4])


def _labels(keys: Sequence[Key]) -> dict[Key, str]:
    """Name every key by its model id, adding what differs where one id means several."""
    by_id: dict[str, list[Key]] = {}
    for key in keys:
        by_id.setdefault(key[0], []).append(key)
    named = {}
    for id_, twins in by_id.items():
        differing = [i for i in (1, 2, 3, 4) if len({t[i] for t in twins}) > 1]
        parameters = dict(zip(twins, _differing([t[1] for t in twins]), strict=True))
        for key in twins:
            parts = [parameters[key] if i == 1 else key[i].strip() for i in differing]
            shown = ", ".join(filter(None, parts))
            named[key] = id_ + (f" ({shown})" if shown else "")
    return named


def _differing(texts: Sequence[str]) -> list[str]:
    """Return of each parameters' JSON what is not the same in all of them: ``latent=16``."""
    tables = [json.loads(text) if text else {} for text in texts]
    names = sorted({name for table in tables for name in table})
    odd = [n for n in names if len({json.dumps(t.get(n), sort_keys=True) for t in tables}) > 1]
    return [", ".join(f"{n}={t[n]}" for n in odd if n in t) for t in tables]
