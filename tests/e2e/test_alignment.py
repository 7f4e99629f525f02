"""The alignment suite through the command line: real is its ceiling, noise its floor."""

import json

import pytest

LIMITS = {"digits": 200, "shapes/easy": 250}
EXPECTED = {
    "digits": {("class_accuracy", "digits"): (0.9, 0.3), ("cas", None): (0.85, 0.3)},
    "shapes/easy": {
        ("clip_score", "clip/shapes"): (1.0, 0.6),
        ("clip_r_precision", "clip/shapes"): (
            0.25,
            0.1,
        ),  # of 250 captions few say what another does
        ("class_accuracy", "shapes"): (0.95, 0.5),
        ("attribute_accuracy", "shapes"): (0.15, 0.1),
    },
}


@pytest.mark.parametrize("dataset", EXPECTED)
def test_real_is_the_ceiling_and_noise_the_floor(cli, tmp_path, dataset):
    done = cli("run", "-d", dataset, "-s", "alignment", "-m", "real", "-m", "noise",
               "--limit", LIMITS[dataset], "-o", tmp_path / "run")  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = (tmp_path / "run/records.jsonl").read_text().splitlines()
    scores = {
        (record["model"]["id"], score["metric"], (score["embedder"] or {}).get("id")): score
        for record in map(json.loads, lines)
        for score in record["scores"]
    }
    for (metric, embedder), (least, most) in EXPECTED[dataset].items():
        real, noise = (scores[model, metric, embedder] for model in ("real", "noise"))
        assert real["value"] > least, real
        assert noise["value"] < most, noise
        assert real["low"] > noise["high"]
    assert {metric for _, metric, _ in scores} >= {metric for metric, _ in EXPECTED[dataset]}
    assert not any(s["failed"] for s in scores.values())
