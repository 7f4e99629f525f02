"""Data sets of Hugging Face's library, from folders that it wrote: nothing touches the network."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests_support import Cli

os.environ["HF_HUB_OFFLINE"] = "1"  # before the library is imported: it looks once

import datasets as hub

from gengauge import Dataset
from gengauge.errors import UsageError
from gengauge.loading import load_dataset
from gengauge.registry import Registry
from gengauge.store import RunStore

REGISTRY = Registry()
ANIMALS = ("dog", "cat", "ant")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GENGAUGE_OFFLINE", "1")
    monkeypatch.setattr(hub.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    hub.disable_progress_bars()


def data(name: str) -> Dataset:
    return load_dataset(REGISTRY.find("datasets", name))


def refused(name: str) -> str:
    with pytest.raises(UsageError) as error:
        data(name)
    [line] = str(error.value).splitlines()
    return line


def pixels(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, 6, 5, 3), dtype=np.uint8)


def pictures(n: int, seed: int = 0) -> hub.Dataset:
    rows = {
        "image": [Image.fromarray(x) for x in pixels(n, seed)],
        "label": [i % 3 for i in range(n)],
        "caption": [f"a {ANIMALS[i % 3]}, number {i}" for i in range(n)],
    }
    features = hub.Features(
        image=hub.Image(), label=hub.ClassLabel(names=list(ANIMALS)), caption=hub.Value("string")
    )
    return hub.Dataset.from_dict(rows, features=features)


def numbers(n: int) -> dict[str, list]:
    x = np.random.default_rng(1).normal(size=n).round(3)
    return {
        "size": x.tolist(), "legs": [2 * (i % 3) for i in range(n)],
        "wild": [i % 2 == 0 for i in range(n)], "kind": [ANIMALS[i % 3] for i in range(n)],
    }  # fmt: skip


def test_pictures_come_with_classes_and_captions() -> None:
    hub.DatasetDict(train=pictures(30), test=pictures(12, 1)).save_to_disk("animals")
    spec = REGISTRY.find("datasets", "hf:animals")
    assert (spec.modality, spec.levels, spec.labelled, spec.captioned) == ("image", 256, True, True)
    found = load_dataset(spec)
    assert found.class_names == ANIMALS  # the library's order, not that of letters
    assert [len(s) for s in (found.train, found.validation, found.test)] == [27, 3, 12]
    assert torch.equal(found.test.x, torch.from_numpy(pixels(12, 1).transpose(0, 3, 1, 2)))
    assert found.test.labels.tolist() == [i % 3 for i in range(12)]
    assert found.test.captions[4] == "a cat, number 4"
    whole = data("hf:animals[split=train,label=none,caption=none,size=4,resize=squash,channels=1]")
    assert (len(whole.train), whole.event_shape) == (18, (1, 4, 4))
    assert whole.train.labels is whole.train.captions is None


def test_a_table_has_typed_columns_and_a_label() -> None:
    hub.Dataset.from_dict(numbers(30)).save_to_disk("table")
    found = data("hf:table[label=kind]")
    assert found.columns == {"size": "number", "legs": "whole number", "wild": "yes/no"}
    assert (found.modality, found.class_names) == ("table", ("ant", "cat", "dog"))
    rows = {(legs, found.class_names[y]) for s in (found.train, found.test)
            for (_, legs, _), y in zip(s.x.tolist(), s.labels.tolist(), strict=True)}  # fmt: skip
    assert rows == {(0.0, "dog"), (2.0, "cat"), (4.0, "ant")}
    assert data("hf:table[drop=kind;legs;wild,as=points]").modality == "points"
    assert "kind=cat" in data("hf:table[onehot=kind]").columns
    assert "column 'kind', row 1: text, 'dog'" in refused("hf:table")


def test_texts_are_sequences() -> None:
    texts = [f"line {i:02d}\nend" for i in range(20)]
    hub.Dataset.from_dict({"text": texts, "label": ["a", "b"] * 10}).save_to_disk("texts")
    found = data("hf:texts[text=text,label=label,tokens=characters]")
    splits = (found.train, found.validation, found.test)
    assert sorted(t for s in splits for t in found.text(s.x)) == texts
    assert found.class_names == ("a", "b")
    hub.Dataset.from_dict({"text": ["one", "three"] * 10}).save_to_disk("ragged")
    assert "all row 1: 3 tokens, expected 5; write fit=pad" in refused("hf:ragged")
    assert data("hf:ragged[fit=cut]").event_shape == (3,)
    spec = REGISTRY.find("datasets", "hf:ragged[fit=pad]")
    assert (spec.modality, spec.levels, spec.embedders) == ("text", 256, ("ngrams",))


def test_folders_of_parquet_and_csv_are_read_by_the_library() -> None:
    Path("files").mkdir()
    hub.Dataset.from_dict(numbers(20)).to_parquet("files/train.parquet")
    hub.Dataset.from_dict(numbers(8)).to_parquet("files/test.parquet")
    found = data("hf:files[label=kind]")
    assert [len(s) for s in (found.train, found.validation, found.test)] == [18, 2, 8]
    assert list(found.columns) == ["size", "legs", "wild"]


def test_validation_is_the_test_where_there_is_no_other() -> None:
    hub.DatasetDict(train=pictures(20), validation=pictures(11, 1)).save_to_disk("two")
    assert len(data("hf:two").test) == 11
    hub.DatasetDict(labelled=pictures(20), unlabelled=pictures(11, 1)).save_to_disk("odd")
    assert "its splits are labelled, unlabelled; choose one with split=" in refused("hf:odd")
    assert len(data("hf:odd[split=labelled]").train) == 12


@pytest.mark.parametrize(
    ("rows", "options", "said"),
    [
        ({"a": [None] + [1.0] * 19}, "", "column 'a', row 1: the cell is missing"),
        ({"text": [None] + ["a"] * 19}, "", "column 'text', row 1: it is missing"),
        ({"text": ["a"] * 20, "more": ["b"] * 20}, "", "text, more could be meant; name one"),
        ({"a": [1.0] * 20, "y": ["u"] * 19 + [""]}, "[label=y]", "row 20: it has no class"),
        ({"a": [1.0] * 20}, "[label=b]", "unknown column 'b'"),
        ({"a": [1.0] * 20}, "[image=a]", "the column 'a' is float64, and holds no image"),
        ({"a": [[1.0, 2.0]] * 20}, "", "column 'a', row 1: text, '[1.0, 2.0]'"),
    ],
)
def test_what_is_unclear_is_refused(rows: dict, options: str, said: str) -> None:
    hub.Dataset.from_dict(rows).save_to_disk("bad")
    assert said in refused(f"hf:bad{options}")


def test_withheld_classes_are_no_class() -> None:
    features = hub.Features(a=hub.Value("float32"), label=hub.ClassLabel(names=["x", "y"]))
    rows = {"a": [float(i) for i in range(20)], "label": [0] * 19 + [-1]}
    hub.Dataset.from_dict(rows, features=features).save_to_disk("held")
    assert "row 20: it has no class; write label=none" in refused("hf:held")
    assert data("hf:held[label=none,drop=label]").train.labels is None


def test_pictures_elsewhere_and_damaged_are_refused() -> None:
    """A data set may name any file of this machine: only pictures inside it are read."""
    content = io.BytesIO()
    Image.fromarray(pixels(1)[0]).save("secret.png")
    Image.fromarray(pixels(1)[0]).save(content, "png")
    whole = {"bytes": content.getvalue(), "path": None}
    outside = {"bytes": None, "path": str(Path("secret.png").resolve())}
    broken = {"bytes": content.getvalue()[:60], "path": None}
    pair = {"bytes": hub.Value("binary"), "path": hub.Value("string")}
    for name, odd, said in (
        ("outside", outside, "all row 5' holds no picture but only the path"),
        ("broken", broken, "all row 5' is damaged"),
    ):
        rows = {"image": [whole] * 4 + [odd] + [whole] * 10}
        hub.Dataset.from_dict(rows, features=hub.Features(image=pair)).save_to_disk(name)
        about = Path(name) / "dataset_info.json"  # saved as pictures, they would be embedded
        known = {**json.loads(about.read_text()), "features": {"image": {"_type": "Image"}}}
        about.write_text(json.dumps(known))
        assert said in refused(f"hf:{name}")


def test_what_is_not_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    line = refused("hf:nobody/nothing")
    assert "'nobody/nothing' cannot be loaded" in line
    assert line.endswith("it is not in the cache, and --offline forbids to fetch it")
    Path("empty").mkdir()
    assert "give a folder that save_to_disk wrote, or of parquet or csv" in refused("hf:empty")
    pictures(10).save_to_disk("cut")
    arrow = next(Path("cut").glob("*.arrow"))
    arrow.write_bytes(arrow.read_bytes()[:200])
    assert "'cut' cannot be loaded" in refused("hf:cut")
    monkeypatch.setattr("gengauge.describing.find_spec", lambda name: None)
    assert "pip install 'gengauge[hf]'" in refused("hf:cut")


def test_code_of_a_data_set_is_never_run() -> None:
    Path("script").mkdir()
    Path("script/script.py").write_text("open('ran', 'w')\n")
    Path("script/data.pkl").write_bytes(b"cos\nsystem\n(S'touch ran'\ntR.")
    assert "'script' cannot be loaded" in refused("hf:script")
    assert not Path("ran").exists()


def test_a_run_takes_it(cli: Cli, tmp_path: Path) -> None:
    hub.Dataset.from_dict({**numbers(60), "kind": [0, 1] * 30}).save_to_disk("table")
    done = cli("run", "-d", "hf:table[label=kind]", "-m", "gmm", "-s", "likelihood", "--offline")
    assert done.returncode == 0, done.stderr
    [record] = RunStore(tmp_path / "runs/quick").records()
    assert (record["dataset"]["id"], record["status"]) == ("hf:table[label=kind]", "ok")
    assert set(record["dataset"]["copies"].values()) == {0}
