"""Tables that the user brings: CSV and parquet files, typed, and refused where they are unclear."""

from __future__ import annotations

import gzip
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from tests_support import environment

from gengauge import Dataset
from gengauge.cli import _run
from gengauge.collection import columns_differ
from gengauge.errors import UsageError
from gengauge.loading import load_dataset, open_parts
from gengauge.registry import Registry
from gengauge_suites.datasets.tabular import block, delimited

REGISTRY = Registry()


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def frame() -> pd.DataFrame:
    """Thirty people: each kind of column that a table may have, and two of text."""
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "height": rng.normal(1.7, 0.1, 30).round(3),
            "age": rng.integers(20, 60, 30),
            "smoker": rng.random(30) < 0.4,
            "city": np.tile(["Bern", "Basel", "Aarau"], 10),
            "name": [f"N. {i}, esq." for i in range(30)],
        }
    )


def data(name: str) -> Dataset:
    return load_dataset(REGISTRY.find("datasets", name))


def refused(name: str) -> str:
    with pytest.raises(UsageError) as error:
        data(name)
    [line] = str(error.value).splitlines()
    return line


def everything(dataset: Dataset) -> torch.Tensor:
    return torch.cat([s.x for s in (dataset.train, dataset.validation, dataset.test)])


def test_columns_have_types_and_rows_are_all_there(frame: pd.DataFrame) -> None:
    frame.to_csv("people.csv", index=False)
    found = data("csv:people.csv[label=city,drop=name]")
    assert found.columns == {"height": "number", "age": "whole number", "smoker": "yes/no"}
    assert (found.modality, found.levels, found.class_names) == (
        "table", None, ("Aarau", "Basel", "Bern"),
    )  # fmt: skip
    splits = (found.train, found.validation, found.test)
    assert [len(s) for s in splits] == [18, 6, 6]
    assert [s.labels.bincount().tolist() for s in splits] == [[6] * 3, [2] * 3, [2] * 3]
    expected = {
        (np.float32(h), np.float32(a), float(s), found.class_names.index(c))
        for h, a, s, c, _ in frame.itertuples(index=False)
    }
    pairs = [pair for s in splits for pair in zip(s.x, s.labels, strict=True)]
    rows = {(*map(np.float32, x.tolist()), int(y)) for x, y in pairs}
    assert rows == expected


def test_parquet_says_the_same_as_csv(frame: pd.DataFrame) -> None:
    frame.to_csv("people.csv", index=False)
    frame.astype({"city": "category"}).to_parquet("people.parquet", row_group_size=7)
    for options in ("[label=city,drop=name]", "[onehot=city,drop=name]", "[label=smoker,drop=4;5]"):
        a, b = data(f"csv:people.csv{options}"), data(f"parquet:people.parquet{options}")
        assert a.columns == b.columns
        assert a.class_names == b.class_names
        rows = [sorted(map(tuple, everything(d).tolist())) for d in (a, b)]
        assert rows[0] == rows[1]


def test_a_category_becomes_a_column_for_each_value(frame: pd.DataFrame) -> None:
    frame.to_csv("people.csv", index=False)
    found = data("csv:people.csv[onehot=city,drop=name;height;age]")
    assert list(found.columns) == ["smoker", "city=Aarau", "city=Basel", "city=Bern"]
    assert set(found.columns.values()) == {"yes/no", "category"}
    wide = everything(found)[:, 1:]
    assert (wide.sum(1) == 1).all()
    assert wide.sum(0).tolist() == [10, 10, 10]


def test_as_points_and_packed_and_unlabelled() -> None:
    x = np.random.default_rng(1).normal(size=(40, 2))
    np.savetxt("xy.csv", x, delimiter=",")
    Path("xy.csv.gz").write_bytes(gzip.compress(Path("xy.csv").read_bytes()))
    table, points = data("csv:xy.csv[header=false]"), data("csv:xy.csv.gz[header=false,as=points]")
    assert (table.modality, points.modality) == ("table", "points")
    assert table.fingerprint == points.fingerprint
    assert torch.equal(
        everything(points).sort(0).values, torch.tensor(x, dtype=torch.float32).sort(0).values
    )
    spec = REGISTRY.find("datasets", "csv:xy.csv[header=false,as=points,label=1]")
    assert (spec.modality, spec.labelled) == ("points", True)


@pytest.mark.parametrize(
    ("content", "options"),
    [
        ("a;b\n1;2\n", "[sep=semicolon]"),
        ("a\tb\n1\t2\n", "[sep=tab]"),
        ("a;b\n 1,0;2\n", "[sep=semicolon,decimal=comma]"),
        ('a,b\n"0,1e1","2"\n', "[decimal=comma]"),
        ("\ufeffa,b\r\n1,2\r\n", ""),
        ('"a","b"\n"1","2"\n\n', ""),
        ("a, b\n 1 ,2.0\n", ""),
        ("1,2\n", "[header=false]"),
    ],
)
def test_csv_as_programs_write_it(content: str, options: str) -> None:
    Path("t.csv").write_bytes(content.encode())
    found = open_parts(REGISTRY.find("datasets", f"csv:t.csv{options}"))["all"]
    assert found.read(0, 1).tolist() == [[1.0, 2.0]]
    assert list(found.columns) == (["1", "2"] if options == "[header=false]" else ["a", "b"])


def test_other_encodings_are_named() -> None:
    Path("t.csv").write_bytes("größe,b\n1,2\n".encode("latin-1"))
    found = open_parts(REGISTRY.find("datasets", "csv:t.csv[encoding=latin-1]"))["all"]
    assert list(found.columns) == ["größe", "b"]
    Path("t.csv").write_bytes(b"a,b\n" + b"1,2\n" * 5000 + "3,\xe9\n".encode("latin-1"))
    assert "'t.csv', line 5002: this is no utf-8; write encoding=latin-1" in refused("csv:t.csv")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a,b\n1,x\n2,y\n", "column 'b', row 1 (line 2): text, 'x', where tables hold numbers; "
         "write drop=b, label=b for classes, or onehot=b"),
        ("a,b,c\n1,x,z\n", "(so do 'c'); write drop=b;c"),
        ('a,"b,c"\n1,x\n', "write drop=2, label=2"),
        ("a,b\n1,2\n3,\n", "column 'b', row 2 (line 3): the cell is missing; fill it"),
        ("a,b\n1,2\n3,NaN\n", "column 'b', row 2 (line 3): the cell is missing"),
        ('"a\nb",b\n1,2\n3,?\n', "row 2 (line 4): the cell is missing"),
        ("a,b\n1,2\n3,-inf\n", "column 'b', row 2 (line 3): '-inf' is not finite"),
        ("a,b\n1,yes\n3,7\n", "row 1 (line 2): 'yes' among numbers"),
        ("a,b\n1,2\n3,1e39\n", "row 2 (line 3): too large for float32"),
        ("a,b\n1,2\n3,16777217\n", "float32 does not keep the whole number 16777217; write drop=b"),
        ("a,b\n1,1_000\n", "text, '1_000'"),
        ('a,b\n1,"1,5"\n', "text, '1,5'"),
        ("a,b\n1,2\n3,4,5\n", "line 3: it has 3 fields and there are 2 columns"),
        ("a,b\n1,2\n3\n", "line 3: it has 1 fields and there are 2 columns"),
        ('a,b\n1,"2\n3,4\n', "line 2: unexpected end of data; close every quote"),
        ("a;b\n1;2\n", "has one column, 'a;b'; write sep=semicolon"),
        ("1.5,2\n3,4\n", "begins with a line of numbers: write header=false"),
        ("a,a\n1,2\n", "names two columns 'a'"),
        (",a\n0,2\n", "column 1 has no name; name it, or write drop=1 if it numbers the rows"),
        ("", "is empty; expected a header and rows"),
        ("a,b\n", "holds 0 examples, and 10 or more are needed"),
        ("x" * 200_000, "line 1: field larger than field limit"),
    ],
)  # fmt: skip
def test_what_is_unclear_is_refused_with_its_place(content: str, said: str) -> None:
    Path("bad.csv").write_text(content)
    line = refused("csv:bad.csv")
    assert said in line
    assert "bad.csv'" in line


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("label=citty", "unknown column 'citty'; did you mean 'city'?"),
        ("label=city;age", "name one column"),
        ("label=city,drop=city", "named by two options"),
        ("drop=height;age;smoker;city;name", "no column left"),
        ("drop=name,split=city", "column 'city', row 1 (line 2): 'Bern' is no part"),
        ("as=image", "unknown value of 'as' 'image'"),
        ("encoding=utf9", "unknown encoding 'utf9'"),
        ("sep=colon", "unknown separator 'colon'"),
        ("lable=city", "did you mean 'label'?"),
    ],
)
def test_options_that_name_nothing_are_refused(
    frame: pd.DataFrame, options: str, said: str
) -> None:
    frame.to_csv("people.csv", index=False)
    assert said in refused(f"csv:people.csv[{options}]")


def test_identifiers_are_no_categories() -> None:
    rows = "".join(f"{i},i{i}\n" for i in range(1100))
    Path("ids.csv").write_text("a,id\n" + rows)
    assert "more than 1,000 values and is no category" in refused("csv:ids.csv[label=id]")
    Path("ids.csv").write_text("a,kind\n1,x\n2,\n")
    assert "column 'kind', row 2 (line 3): the cell is empty" in refused("csv:ids.csv[label=kind]")


def test_numbers_that_stay_apart_over_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a column holds is told of all of it, not of its first rows."""
    monkeypatch.setattr(delimited, "ROWS", 4)
    Path("t.csv").write_text("a,b,c\n" + "1,16777217,1\n" * 9 + "1.5,0.5,1\n" * 9)
    assert set(data("csv:t.csv").columns.values()) == {"number", "whole number"}
    Path("t.csv").write_text("a,b\n" + "1,yes\n" * 9 + "1,x\n")
    assert "column 'b', row 10 (line 11): text, 'x'" in refused("csv:t.csv")
    Path("t.csv").write_text("a,b\n" + "1,yes\n" * 8 + "1,3\n" * 4)
    assert "row 9 (line 10): whole number from here on and yes/no before" in refused("csv:t.csv")
    assert delimited.ROWS != block.ROWS


def test_a_column_says_which_part_a_row_is_of() -> None:
    names = ("train", "val", "test")
    rows = [f"{i},{names[i % 3]}\n" for i in range(30)]
    Path("t.csv").write_text("a,part\n" + "".join(rows))
    found = data("csv:t.csv[split=part]")
    assert found.test.x.flatten().tolist() == list(range(2, 30, 3))
    assert found.validation.x.flatten().tolist() == list(range(1, 30, 3))
    Path("t.csv").write_text("a,part\n" + "".join(rows) + "x,test\n")
    assert "column 'a', row 31 (line 32): text, 'x'" in refused("csv:t.csv[split=part]")


def test_a_folder_is_parts_or_shards(frame: pd.DataFrame, tmp_path: Path) -> None:
    kept = frame.drop(columns="name")
    parts, shards = tmp_path / "parts", tmp_path / "shards"
    parts.mkdir()
    shards.mkdir()
    kept[:20].to_csv("parts/train.csv", index=False)
    kept[20:].to_csv("parts/test.csv.gz", index=False)
    found = data("csv:parts[label=city]")
    assert [len(s) for s in (found.train, found.validation, found.test)] == [18, 2, 10]
    assert found.test.x[:, 1].tolist() == kept["age"][20:].tolist()
    kept[:7].to_parquet("shards/0.parquet")
    kept[7:].to_parquet("shards/1.parquet")
    for name in ("parquet:shards[drop=city]", "parquet:shards/*.parquet[drop=city]"):
        assert len(everything(data(name))) == 30
    kept[["age", "height", "smoker", "city"]].to_parquet("shards/2.parquet")
    assert "2.parquet' has 'age' as column 1 and not 'height'" in refused(
        "parquet:shards[drop=city]"
    )
    (parts / "more.csv").write_text("a\n1\n")
    assert "more.csv' is neither train, validation nor test" in refused("csv:parts")
    (parts / "more.csv").unlink()
    (parts / "validation.csv").symlink_to("/etc/hostname")
    assert "is a link that leads out of" in refused("csv:parts[label=city]")
    assert "holds no file that ends in .csv" in refused("csv:shards")


def test_differences_of_columns_are_named() -> None:
    assert columns_differ(["a", "b"], ["a", "b"]) == ""
    assert columns_differ({"a": "number"}, ["a", "b"]) == "lacks the column 'b'"
    named = REGISTRY.datasets["table/breast-cancer"]
    shipped = load_dataset(named)
    assert len(shipped.columns) == shipped.dimensions == 30
    assert next(iter(shipped.columns)) == "mean radius"


def test_parquet_of_other_types_and_damaged(frame: pd.DataFrame) -> None:
    frame["when"] = pd.Timestamp("2026-01-01")
    frame.to_parquet("t.parquet")
    assert "column 'city', row 1: text, 'Bern'" in refused("parquet:t.parquet")
    assert "column 'when', row 1: text" in refused("parquet:t.parquet[drop=city;name]")
    frame.loc[3, "height"] = None
    frame.to_parquet("t.parquet")
    said = "column 'height', row 4: the cell is missing"
    assert said in refused("parquet:t.parquet[drop=city;name;when]")
    pd.DataFrame({"a": ["1", "2"]}).to_parquet("t.parquet")
    assert "text, '1'" in refused("parquet:t.parquet")
    whole = Path("t.parquet").read_bytes()
    Path("t.parquet").write_bytes(whole[: len(whole) // 2])
    assert "is no whole parquet file" in refused("parquet:t.parquet")


def test_pyarrow_is_asked_for(monkeypatch: pytest.MonkeyPatch, frame: pd.DataFrame) -> None:
    frame.to_parquet("t.parquet")
    for name in [n for n in sys.modules if n.split(".")[0] == "pyarrow"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr("gengauge.describing.find_spec", lambda name: None)
    assert "pip install 'gengauge[parquet]'" in refused("parquet:t.parquet")


def test_bombs_and_unreadable_files_are_one_line_each(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GENGAUGE_MAX_INPUT", "100K")
    packed = gzip.compress(b"a,b\n" + b"1,2\n" * 100_000)
    Path("bomb.csv.gz").write_bytes(packed)
    Path("cut.csv.gz").write_bytes(gzip.compress(b"a,b\n" + b"1,2\n" * 100)[:-9])
    Path("no.csv.gz").write_bytes(b"a,b\n1,2\n")
    pd.DataFrame({"a": np.zeros(1_000_000)}).to_parquet("bomb.parquet")
    assert Path("bomb.parquet").stat().st_size < 100_000
    Path("folder.csv").mkdir()
    for name, said in (
        ("csv:bomb.csv.gz", "bytes or more when unpacked, expected at most 102,400"),
        ("csv:cut.csv.gz", "is damaged (Compressed file ended before"),
        ("csv:no.csv.gz", "is damaged (Not a gzipped file"),
        ("parquet:bomb.parquet", "bytes or more when unpacked"),
        ("csv:none.csv", "cannot be read: No such file"),
        ("csv:folder.csv", "holds no file that ends in"),
    ):
        assert _run(["run", "-m", "gmm", "-d", name]) == 2
        [line] = capsys.readouterr().err.splitlines()
        assert said in line
        assert name.partition(":")[2] in line
    assert not Path("runs").exists()


def test_rows_wait_outside_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """A table is read once and then in blocks, each a copy of its own."""
    Path("t.csv").write_text("a,b\n" + "".join(f"{i},{2 * i}\n" for i in range(12_000)))
    found = open_parts(REGISTRY.find("datasets", "csv:t.csv"))["all"]
    Path("t.csv").unlink()
    sizes = [len(part) for part in found.blocks(5000)]
    assert sizes == [5000, 5000, 2000]
    assert found.read(11_998, 12_000).tolist() == [[11998, 23996], [11999, 23998]]
    found.read(0, 1).zero_()
    assert found.read(1, 2).tolist() == [[1, 2]]
    assert re.fullmatch(r"t\.csv \d+ \d+", found.stamp)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_table_need_not_fit_in_memory(kind: str) -> None:
    """Opening a table of 120 MB takes a tenth of that beyond what the program has anyway."""
    rows = np.arange(1_500_000)[:, None] % 97 + np.arange(20)
    frame = pd.DataFrame(rows, columns=[f"c{i}" for i in range(20)])
    for part, name in ((frame[:1000], "small"), (frame, "large")):
        if kind == "csv":
            part.to_csv(f"{name}.csv", index=False)
        else:
            part.to_parquet(f"{name}.parquet", row_group_size=20_000)
    script = (
        "import sys; from gengauge.loading import open_parts; "
        "from gengauge.registry import Registry; "
        "found = open_parts(Registry().find('datasets', sys.argv[1]))['all']; "
        "known = dict(l.split(':') for l in open('/proc/self/status')); "
        "print(found.count, known['VmHWM'].split()[0])"
    )
    held = {}
    for name in ("small", "large"):
        done = subprocess.run(
            [sys.executable, "-c", script, f"{kind}:{name}.{kind}"],
            capture_output=True, text=True, check=True, env=environment(),
        )  # fmt: skip
        count, held[name] = map(int, done.stdout.split())
    assert count == 1_500_000
    assert held["large"] - held["small"] < 40_000  # KiB; the rows are 120,000
