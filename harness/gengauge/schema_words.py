"""What each field of a record and of a tidy row says: the descriptions of their JSON Schemas."""

from __future__ import annotations

from typing import Any

RECORD = {
    "schema_version": "Version of this schema.",
    "run_id": "Which run wrote the record; each call of `gengauge run` has its own.",
    "trial": "Key of the trial: a hash of model, parameters, code, data, seed and budget.",
    "started_at": "When the trial began, in UTC (ISO 8601).",
    "status": "How the trial ended; `skipped` and `unsupported` are no failures.",
    "model": "What was trained.",
    "dataset": "What it was trained on.",
    "benchmark": "The protocol that the trial is part of.",
    "seeds": "The seed as given, and what training, sampling and the data's revision follow from.",
    "budget": "What training was allowed to spend, such as `2000 steps`.",
    "scores": "What was measured, one object for each metric, embedder and split.",
    "timing": "Seconds of loading, training, sampling and scoring.",
    "peak_memory": "Most bytes held on the host and on the device; null: not known.",
    "environment": "Which file of `environments/` says versions, hardware and switches.",
    "error": "Type and message of what ended the trial; null: nothing did.",
    "command": "A command that runs this trial again.",
    "artifacts": "Names of the files beside the record, in `trials/KEY/`.",
    "position": "Place of the trial in the plan, from 0.",
    "workers": "How many trials ran side by side.",
    "precision": "Precision of training, where it is not float32.",
    "accumulation": "Batches whose mean gradient one step follows, where there are several.",
    "command_line": "The command as it was typed.",
    "given": "Of scored samples: path, number, hash, and how many were kept at `most`.",
}
MODEL = {
    "id": "Name of the row: the model's id, or the `name` that its variant was given.",
    "family": "Family of the model.",
    "distribution": "Installed package that the model comes from.",
    "version": "Version of that package.",
    "parameters": "Every parameter with its value, the defaults too.",
    "n_parameters": "How many numbers were learnt; null: not known.",
    "checkpoint_sha256": "Hash of the saved model; null: nothing was saved.",
}
DATASET = {
    "id": "Name of the data set.",
    "revision": "Revision that its publisher or its code gives it.",
    "fingerprint": "Hash of the content of every split.",
    "n_train": "How many examples there were to train on.",
    "copies": "How many examples of a user's data are in two splits, or in test twice.",
}
BENCHMARK = {
    "name": "Name of the benchmark.",
    "version": "Its version; scores of different versions are never compared.",
}
SCORE = {
    "suite": "Suite that the metric belongs to.",
    "metric": "Id of the metric.",
    "unit": "Unit of the value.",
    "direction": "Which way is better.",
    "kind": "What the number is of the quantity it is named after.",
    "split": "Split of the data that was evaluated.",
    "embedder": "Id and SHA-256 of the feature map that was measured in; null: none.",
    "n_samples": "How many samples were used; null: none enter.",
    "n_reference": "How many real examples were used.",
    "comparability_key": "Hash of the protocol: only scores with equal keys are compared.",
    "protocol": "What the comparability key is the hash of, so that it can be computed again.",
    "value": "The score; null: unscored, and the reason says why.",
    "low": "Lower end of the interval.",
    "high": "Upper end of the interval.",
    "level": "Coverage that the interval is made for, such as 0.95.",
    "interval_method": "How the interval was made.",
    "standard_error": "Standard error of the value, where the method has one.",
    "unscored_reason": "Why there is no value.",
    "caveat": "Why the value is shown and not ranked, such as a judge that steered the model.",
}
ROW = {
    **{name: SCORE[name] for name in SCORE if name in (
        "suite", "metric", "unit", "direction", "kind", "value", "low", "high", "standard_error",
        "n_samples", "n_reference", "comparability_key", "caveat",
    )},
    "model": MODEL["id"], "family": MODEL["family"], "dataset": DATASET["id"],
    "embedder": "Id of the feature map that was measured in.",
    "seed": "Seed as given.", "status": RECORD["status"],
    "reason": "Why there is no value, or what ended the trial.", "trial": RECORD["trial"],
}  # fmt: skip


def described(schema: dict[str, Any], words: dict[str, str]) -> dict[str, Any]:
    """Return an object's ``schema`` with what ``words`` say of each of its properties."""
    properties = {
        name: {"description": words[name], **inner} if name in words else inner
        for name, inner in schema["properties"].items()
    }
    return {**schema, "properties": properties}
