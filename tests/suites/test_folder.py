"""Folders of pictures that the user brings: what is found, in which order, with what beside it."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import images
import pytest
import torch
from tests_support import Cli

from gengauge.cli import _run
from gengauge.errors import UsageError
from gengauge.loading import open_parts


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def pixels(i: int) -> torch.Tensor:
    return torch.from_numpy(images.values(i, 8, 8, 3)).permute(2, 0, 1)


def refused(id_: str, said: str) -> str:
    with pytest.raises(UsageError, match=said) as caught:
        images.data(id_)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_pictures_come_in_natural_order_and_only_those_asked_for(here: Path) -> None:
    images.fill(here / "faces", {"b/2.png": 2, "a.PNG": 0, "b/1.png": 1})
    images.save(here / "faces/b/10.webp", 3, lossless=True)
    Path("faces/b/1.png").rename("faces/b/1")  # by its content
    Path("faces/b/2.png").rename("faces/b/2.jpg")  # and that tells, too
    (here / "faces/b/.hidden.png").write_bytes(b"no picture")
    (here / "faces/README.md").write_text("Faces of nobody.")
    part = images.parts("folder:faces")["all"]
    assert part.count == 4
    assert part.event_shape == (3, 8, 8)
    assert torch.equal(part.read(0, 4), torch.stack([pixels(i) for i in range(4)]))
    Path("faces/b/2.jpg").unlink()
    assert torch.equal(part.read(3, 4)[0], pixels(3))  # the others are not opened
    assert part.labels is None


def test_the_stamp_follows_names_sizes_times_and_options(here: Path) -> None:
    images.fill(here / "a", [f"{i}.png" for i in range(3)])
    os.utime("a/0.png", ns=(1, 1))

    def stamp(options: str = "") -> str:
        return images.parts(f"folder:a{options}")["all"].stamp

    before = stamp()
    assert stamp() == before != stamp("[channels=1]")
    assert images.parts(f"folder:{here}/a")["all"].stamp == before
    shutil.copytree("a", "b")  # of one archive, say: the same sizes and times
    assert images.parts("folder:b")["all"].stamp != before
    os.utime("a/0.png", ns=(2, 2))
    assert stamp() != before


def test_describing_opens_one_picture_alone(here: Path) -> None:
    images.fill(here / "a", [f"{c}/{i}.png" for c in ("cat", "dog") for i in range(3)])
    for path in list((here / "a").rglob("*.png"))[:]:
        if path.name != "0.png" or path.parent.name != "cat":
            path.write_bytes(b"damaged")
    spec = images.spec("folder:a")
    assert (spec.labelled, spec.captioned, spec.levels) == (True, False, 256)
    assert spec.embedders == ("inception", "dinov2", "identity")
    assert open_parts(spec)["all"].class_names == ("cat", "dog")


def test_folders_are_classes_and_train_and_test_are_splits(here: Path) -> None:
    names = [
        f"{s}/{c}/{i}.png" for s in ("train", "test") for c in ("a10", "a9") for i in range(20)
    ]
    images.fill(here / "pets", names)
    data = images.data("folder:pets")
    assert [len(s) for s in (data.train, data.validation, data.test)] == [36, 4, 40]
    assert data.class_names == ("a9", "a10")
    assert data.test.labels is not None
    assert data.test.labels.tolist() == [0] * 20 + [1] * 20
    assert torch.equal(data.test.x[0], pixels(names.index("test/a9/0.png")))
    assert images.data("folder:pets[classes=false]").test.labels is None


def test_val_is_measured_on_where_there_is_no_test(here: Path) -> None:
    images.fill(here / "a", [f"{s}/{i}.png" for s in ("train", "val") for i in range(10)])
    assert list(images.parts("folder:a")) == ["train", "test"]
    images.fill(here / "a", {"test/0.png": 77})
    assert list(images.parts("folder:a")) == ["train", "validation", "test"]
    images.save(here / "a/more/0.png", 0)
    refused("folder:a", "has 'more/' beside test/, train/, val/")
    images.fill(here / "b", [f"train/{i}.png" for i in range(3)])
    assert list(images.parts("folder:b")) == ["all"]


def test_metadata_bring_captions_and_labels(here: Path) -> None:
    images.fill(here / "a", [f"{i}.png" for i in range(11)])
    lines = [f"{i}.png,picture {i},{'odd' if i % 2 else 'even'}" for i in reversed(range(11))]
    (here / "a/metadata.csv").write_text("\n".join(["file_name,text,label", *lines]) + "\n")
    part = images.parts("folder:a")["all"]
    assert part.captions == tuple(f"picture {i}" for i in range(11))
    assert part.class_names == ("even", "odd")
    assert part.labels is not None
    assert part.labels.tolist() == [i % 2 for i in range(11)]
    spec = images.spec("folder:a")
    assert spec.captioned
    assert spec.labelled


def test_files_beside_are_found_and_win_over_folders(here: Path) -> None:
    images.fill(here / "a", [f"{s}/{i}.png" for s in ("train", "test") for i in range(10)])
    for split in ("train", "test"):  # as Hugging Face lays them
        rows = [json.dumps({"file_name": f"{i}.png", "text": f"{split} {i}"}) for i in range(10)]
        (here / f"a/{split}/metadata.jsonl").write_text("\n".join(rows))
    named = [f"{s}/{i}.png,{i + 1}" for s in ("train", "test") for i in range(10)]
    (here / "labels.csv").write_text("\n".join(["file_name,label", *named]))
    parts = images.parts("folder:a[labels=labels.csv]")
    assert parts["test"].captions == tuple(f"test {i}" for i in range(10))
    assert parts["test"].labels is not None
    assert parts["test"].labels.tolist() == list(range(1, 11))
    assert parts["test"].class_names == tuple(map(str, range(11)))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("c.csv", "file_name,text\n0.png,a\n", "does not name '1.png', '2.png'; there must be one"),
        ("c.csv", "file_name,text\n0.png,a\n1.png,b\n2.png,c\n9.png,d\n", "not there: '9.png'"),
        ("c.csv", "file_name,text\n0.png,a\n0.png,b\n1.png,b\n2.png,c\n", "'0.png' more than once"),
        ("c.csv", "file_name,words\n0.png,a\n", "expected a column caption or text"),
        ("c.csv", "text\na\nb\nc\n", "expected a column file_name"),
        ("c.csv", "file_name,text\n0.png\n", "line 2 has not as many values"),
        ("c.csv", b"file_name,text\n0.png,\xff\n", "not in UTF-8"),
        ("c.jsonl", '{"file_name": "0.png", "text": ["a"]}\n', r"has \['a'\] as the text of row 1"),
        ("c.jsonl", "[1]\n", "line 1 is no JSON object"),
        ("c.jsonl", "{\n", "cannot be read.*mend it"),
        ("c.txt", "a\n", "read from .csv or .jsonl"),
        ("none.csv", None, "'none.csv' cannot be read: No such file"),
    ],
)
def test_captions_that_do_not_fit_are_refused(
    here: Path, name: str, content: str | bytes | None, said: str
) -> None:
    images.fill(here / "a", [f"{i}.png" for i in range(3)])
    if content is not None:
        (here / name).write_bytes(content.encode() if isinstance(content, str) else content)
    assert name in refused(f"folder:a[captions={name}]", said)


def test_what_is_no_picture_is_counted_and_refused(here: Path) -> None:
    (here / "a").mkdir()
    refused("folder:a", "'a' holds no PNG, JPEG or WebP picture")
    images.fill(here / "a", [f"{i}.png" for i in range(10)])
    for i in range(5):
        (here / f"a/{i}.gif").write_bytes(b"GIF89a")
    refused(
        "folder:a", r"holds 5 files that are no PNG.*'0.gif', '1.gif', '2.gif' ...\); take them"
    )
    os.mkfifo("a/pipe")  # opening it would wait for ever
    refused("folder:a", "holds 6 files")
    assert images.parts("folder:a[others=skip]")["all"].count == 10


def test_links_never_lead_out_or_round(here: Path) -> None:
    images.fill(here / "a", ["x/0.png", "x/1.png"])
    images.save(here / "secret.png", 9)
    for link, target, said in (
        ("a/x/loop", "../../a", "'a/x/loop' is a link to a folder"),
        ("a/self", "self", "'a/self' is a link that leads nowhere"),
        ("a/gone.png", "none.png", "leads nowhere"),
        ("a/out.png", "../secret.png", "leads out of the folder, to '.*secret.png'; copy"),
    ):
        (here / link).symlink_to(target)
        refused("folder:a", said)
        (here / link).unlink()
    (here / "a/y.png").symlink_to("x/1.png")
    (here / "b").symlink_to("a")
    assert images.parts("folder:b")["all"].count == 3


def test_what_cannot_be_read_is_named(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    images.fill(here / "a", [f"{i}.png" for i in range(10)])
    plain = Path.open

    def denied(self: Path, *arguments: object, **options: object):
        if self.name == "3.png":  # root, as which tests may run, may read anything
            raise PermissionError(13, "Permission denied", str(self))
        return plain(self, *arguments, **options)

    monkeypatch.setattr(Path, "open", denied)
    refused("folder:a", "'a/3.png' cannot be read: Permission denied; allow it")
    for name, said in (("none", "'none' cannot be read: No such file"), ("a/0.png", "is a file")):
        assert _run(["run", "-m", "gmm", "-d", f"folder:{name}"]) == 2
        [line] = capsys.readouterr().err.splitlines()
        assert said in line
    assert not (here / "runs").exists()


def test_a_run_says_what_can_be_measured(cli: Cli, here: Path) -> None:
    images.fill(here / "a", [f"{c}/{i}.png" for c in "xy" for i in range(150)])
    command = ["run", "-m", "real", "-d", "folder:a[classes=false]", "-s", "fidelity", "-o", "run"]
    done = cli(*command, "-m", "noise", env={"GENGAUGE_WEIGHTS": str(here / "none")})
    assert done.returncode == 0, done.stderr
    assert "the weights of 'inception' are missing" in done.stderr
    assert "gengauge weights fetch inception" in done.stderr
    assert "FD-identity" in done.stdout
    records = [json.loads(line) for line in Path("run/records.jsonl").read_text().splitlines()]
    assert {r["dataset"]["id"] for r in records} == {"folder:a[classes=false]"}
    scores = [score for record in records for score in record["scores"]]
    assert not any(s["failed"] for s in scores)
    scored = {s["embedder"]["id"] for s in scores if s["value"] is not None}
    assert scored == {"identity"}
    assert all("weights" in s["unscored_reason"] for s in scores if s["metric"] == "fid")


def test_names_may_be_anything_a_system_allows(here: Path) -> None:
    names = [b"a, [b]=1.png", b"caf\xe9.png", b"line\nbreak.png", "ü.png".encode()]
    for i, name in enumerate(names):
        for folder in (b"one\n", b"tw\xff"):
            path = os.fsdecode(os.path.join(b"odd", folder, name))  # noqa: PTH118
            images.save(Path(path), i)
    part = images.parts("folder:odd")["all"]
    assert part.count == 8
    assert part.class_names == ("one\ufffd", "tw\ufffd")
    assert len(part.split()) == 8
    Path(os.fsdecode(b"odd/one\n/line\nbreak.png")).write_bytes(b"none")
    with pytest.raises(UsageError) as caught:
        part.split()
    assert str(caught.value).isprintable()
