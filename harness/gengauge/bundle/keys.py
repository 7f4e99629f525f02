"""Whether the hashes of a record are those of what it says: trial, requests, comparability.

All that a hash was made of is in the record or in its environment, so each can be made again.
What was measured for another benchmark, data set, embedder or number of samples, or was changed
by hand, does not hash to its own key.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from gengauge.provenance import content_hash, hardware_in
from gengauge.seeds import named_seed

Json = dict[str, Any]
_DEVICES = ("cpu", "cuda", "mps", "xpu")
_HARDWARE = ("cpu", "cores", "threads", "gpu")


def wrong_trial(record: Json) -> str:
    """Return why ``record`` is not of the trial whose key it has, empty where it is."""
    model, data = record["model"], record["dataset"]
    seed = record["seeds"].get("seed")
    content: Json = {
        "model": model.get("base"), "label": model["id"],
        "parameters": sorted([k, v] for k, v in model["parameters"].items()),
        "code": model.get("code"), "dataset": data["id"], "fingerprint": data["fingerprint"],
        "seed": seed, "budget": record["budget"],
        **{k: record[k] for k in ("precision", "accumulation") if k in record},
    }  # fmt: skip
    if record["trial"] not in {content_hash({**content, "device": d}) for d in _DEVICES}:
        return (
            f"the trial's key {record['trial']} is not the hash of its model, parameters, code, "
            "data, seed and budget"
        )
    for stage in ("train", "sample"):
        if record["seeds"].get(stage) != named_seed(seed or 0, model["id"], data["id"], stage):
            return f"'seeds.{stage}' is not the one that seed {seed} gives"
    return ""


def wrong_environment(id_: str, content: Json) -> str:
    """Return why an environment is not the one its name says, empty where it is."""
    return "" if content_hash(content) == id_ else "its content does not hash to its name"


def machines(environments: Iterable[Json]) -> list[Json]:
    """Return the hardware of environments, each machine once."""
    found = (hardware_in(e) for e in environments if set(_HARDWARE) <= e.keys())
    return list({content_hash(each): each for each in found}.values())


def wrong_scores(record: Json, hardware: Sequence[Json | None]) -> str:
    """Return why a score may not stand under its comparability key, empty where all may.

    ``hardware`` is what the scores may have been measured on, None for those it is nothing to.
    """
    found = (_wrong(score, record, hardware) for score in record["scores"])
    return next(filter(None, found), "")


def _wrong(score: Json, record: Json, hardware: Sequence[Json | None]) -> str:
    request, key = score.get("request"), score["comparability_key"]
    if all(request != one for one in _requests(score, record, hardware)):
        benchmark = record["benchmark"]
        return (
            f"the score '{score['metric']}' was not measured for what the record says: benchmark "
            f"{benchmark.get('name')} version {benchmark.get('version')}, dataset "
            f"{record['dataset']['id']}, metric version {score.get('metric_version')}, its "
            "parameters, embedder and number of samples do not hash to its request"
        )
    protocol = [request, score["split"], score["n_samples"], score["n_reference"]]
    if key == content_hash([*protocol, score.get("protocol") or {}]):
        return ""
    if "protocol" not in score:
        return (
            f"the comparability key of '{score['metric']}' cannot be verified: the record was "
            "written by a gengauge that did not record protocols; run the benchmark again"
        )
    return (
        f"the comparability key {key} of '{score['metric']}' is not the hash of its request, "
        "split, numbers of examples and protocol"
    )


def _requests(score: Json, record: Json, hardware: Sequence[Json | None]) -> Iterator[str]:
    """Yield every request that a score could answer; which it is only its metric knows."""
    data, embedder = record["dataset"], score["embedder"] or {}
    drawn = (record.get("sampling") or {}).get("n")
    most = (record.get("given") or {}).get("most")  # of samples that were given
    content: Json = {
        "metric": [
            score["suite"], score["metric"], score.get("metric_version"),
            score.get("parameters"),
        ],
        "dataset": [data["id"], data["revision"], data["fingerprint"]],
        "benchmark": record["benchmark"], "embedder": embedder.get("sha256"),
    }  # fmt: skip
    for machine in hardware:
        for samples in dict.fromkeys((drawn, None, score["n_samples"], most)):
            yield content_hash({**content, "samples": samples, "hardware": machine})
