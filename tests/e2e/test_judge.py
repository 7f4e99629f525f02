"""``--set alignment.clip=...`` through the command line, on weights in OpenAI's own format."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import networks
import pytest
import torch

from gengauge import cli as command_line
from gengauge_suites.embedders import openai_clip
from gengauge_suites.embedders.files import CLIP_CROP
from gengauge_suites.embedders.local_clip import HOME
from gengauge_suites.embedders.pretrained import named_after

B_32 = {"image": 224, "patch": 32, "width": 768, "layers": 12, "text_width": 512,
        "text_layers": 12, "embed": 512}  # fmt: skip
ASKED = ("run", "-d", "shapes", "-s", "alignment", "-m", "real", "--limit", "30",
         "--set", "clip_r_precision.candidates=5")  # fmt: skip


def scores(folder: Path) -> dict[str, dict]:
    [record] = map(json.loads, (folder / "records.jsonl").read_text().splitlines())
    assert record["status"] == "ok"
    assert not any(s["failed"] for s in record["scores"]), record["scores"]
    return {score["metric"]: score for score in record["scores"]}


@pytest.fixture
def run(tmp_path, monkeypatch, capfd):
    """Run ``ASKED`` with a judge in this process: imports and data are then paid for once."""
    for library in ("OMP", "MKL", "OPENBLAS"):  # it sets them: undone after the test
        monkeypatch.setenv(f"{library}_NUM_THREADS", "1")

    def asked(judge: str) -> tuple[int, str, Path]:
        words = [*ASKED, "--no-isolate", "--set", f"alignment.clip={judge}",
                 "-o", str(tmp_path / "run")]  # fmt: skip
        with pytest.raises(SystemExit) as ended:
            command_line.main(words)
        return int(ended.value.code or 0), capfd.readouterr().err, tmp_path / "run"

    return asked


def test_a_file_of_openais_format_judges(cli, tmp_path) -> None:
    file = networks.save_clip(tmp_path)
    path = tmp_path / file.name
    given = ("--trust", "--set", f"alignment.clip=openai:{path}")
    done = cli(*ASKED, "-j", "1", *given, "-o", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    found = scores(tmp_path / "run")
    for metric in ("clip_score", "clip_r_precision"):
        assert found[metric]["value"] is not None, found[metric]
        assert found[metric]["embedder"] == {
            "id": f"openai:{path}", "sha256": named_after(CLIP_CROP, file.sha256)
        }  # fmt: skip
    assert found["attribute_accuracy"]["embedder"]["id"] == "shapes"
    assert found["clip_score"]["parameters"] == {"prefix": "auto"}


def test_the_published_name_goes_the_same_way(run, tmp_path, monkeypatch) -> None:
    """The canonical file stands at its own name among the weights; only its hash is ours."""
    monkeypatch.setitem(openai_clip.FILES, "clip/ViT-B-32", networks.save_clip(tmp_path))
    monkeypatch.setenv("GENGAUGE_WEIGHTS", str(tmp_path))
    code, said, folder = run("ViT-B-32/openai")
    assert code == 0, said
    found = scores(folder)["clip_score"]
    assert found["value"] is not None, found
    assert found["embedder"]["id"] == "clip/ViT-B-32"


def test_a_folder_of_open_clips_format_judges(run, tmp_path) -> None:
    mine = tmp_path / "mine"
    shutil.copytree(HOME / "clip-shapes-guide", mine)
    code, said, folder = run(f"local-dir:{mine}")
    assert code == 0, said
    found = scores(folder)["clip_score"]
    assert found["embedder"]["id"] == f"local-dir:{mine}"
    assert found["value"] > 0.4


def test_missing_weights_leave_the_score_unscored_with_what_to_do(run, tmp_path, monkeypatch):
    monkeypatch.setenv("GENGAUGE_WEIGHTS", str(tmp_path / "none"))
    code, said, folder = run("ViT-B-32/openai")
    assert code == 0
    assert "gengauge weights fetch clip/ViT-B-32" in said
    found = scores(folder)["clip_score"]
    assert found["value"] is None
    assert "gengauge weights fetch clip/ViT-B-32" in found["unscored_reason"]


@pytest.mark.parametrize(
    ("judge", "reason"),
    [
        ("ViT-B-32/opnai", "did you mean 'ViT-B-32/openai'?"),
        ("local-dir:none", "expected a folder with open_clip_config.json"),
        ("openai:none.pt", "there is no such file"),
    ],
)
def test_a_judge_that_is_not_there_ends_the_run_before_it_begins(run, judge, reason) -> None:
    code, said, folder = run(judge)
    assert code == 2
    assert reason in said
    assert not (folder / "records.jsonl").exists()


def test_help_names_the_setting(cli) -> None:
    assert "alignment.clip=ViT-B-32/openai" in " ".join(cli("run", "--help").stdout.split())
    assert "local-dir:FOLDER" in cli("show", "clip_score").stdout


@pytest.mark.slow
def test_random_weights_of_exactly_vit_b_32_judge(run, tmp_path, monkeypatch) -> None:
    file = networks.save_clip(tmp_path, **B_32)
    assert file.size == pytest.approx(353_976_522, rel=0.01)
    monkeypatch.setitem(openai_clip.FILES, "clip/ViT-B-32", file)
    monkeypatch.setenv("GENGAUGE_WEIGHTS", str(tmp_path))
    code, said, folder = run("ViT-B-32/openai")
    assert code == 0, said
    found = scores(folder)
    assert found["clip_score"]["value"] is not None
    assert found["clip_score"]["n_samples"] == 30
    assert torch.isfinite(torch.tensor(found["clip_r_precision"]["value"]))
