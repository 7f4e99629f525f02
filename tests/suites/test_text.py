"""Text datasets: the shipped dictionary by characters, a file of the user's by bytes."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest
import torch
from standins import StandIn
from tests_support import Cli

from gengauge import Dataset, Evidence
from gengauge.artifacts import save_picture, save_reference
from gengauge.errors import UnsupportedError, UsageError
from gengauge.loading import load_dataset
from gengauge.registry import Registry, load_target
from gengauge_suites.datasets import text

ID = "text/devils-dictionary"


def shipped() -> Dataset:
    spec = Registry().datasets[ID]
    data: Dataset = load_target(spec.target)(spec)
    return data


def of_file(path: Path, content: str | bytes) -> Dataset:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return load_dataset(Registry().find("datasets", f"text:{path}"))


def splits(data: Dataset) -> tuple:
    return data.train, data.validation, data.test


def test_the_text_is_the_one_that_the_script_makes():
    """The script's own example is its doctest; the raw file is Debian's and does not ship."""
    raw = text.SHIPPED.read_bytes()
    assert hashlib.sha256(raw).hexdigest() == (
        "b396bfab6eaf6541be9156f500c72323a10acf8add5f0a65eb9e2e759e9e8b04"
    )
    words = raw.decode("ascii")
    assert words.startswith("ABASEMENT, n. A decent and customary mental attitude")
    assert not re.search(r"  |\t| \n|\n |\n\n\n|[{}@$]{3}", words)
    assert text.SHIPPED.with_suffix(".md").exists()


def test_windows_are_the_text_cut_up_and_every_one_is_in_one_split():
    data, words = shipped(), text.SHIPPED.read_text(encoding="ascii")
    assert data.train.x.dtype == torch.int64
    assert data.event_shape == (64,)
    assert [len(s) for s in splits(data)] == [4427, 576, 512]
    assert data.levels == len(data.alphabet) == 81
    pieces = [words[i : i + 64] for i in range(0, len(words) - 63, 64)]
    assert sorted(t for s in splits(data) for t in data.text(s.x)) == sorted(pieces)
    assert all((s.characters == 64).all() for s in splits(data))


def test_held_out_stretches_are_whole_and_apart():
    data, words = shipped(), text.SHIPPED.read_text(encoding="ascii")
    for split in (data.validation, data.test):
        for stretch in torch.split(split.x, 64):
            assert "".join(data.text(stretch)) in words
    first = [words.index("".join(data.text(s.x[:64]))) // 4096 for s in splits(data)]
    assert first == [0, 4, 9]


def test_a_file_is_its_bytes_and_counts_its_characters(tmp_path):
    data = of_file(tmp_path / "greek.txt", "Ἐν ἀρχῇ ἦν ὁ λόγος. " * 400)
    assert data.levels == 256
    joined = bytes(torch.cat([s.x.flatten() for s in splits(data)]).tolist())
    total = sum(int(s.characters.sum()) for s in splits(data))
    assert total == sum(byte & 0xC0 != 0x80 for byte in joined)
    assert total < 0.7 * len(joined)
    assert "λόγος" in data.text(data.test.x)[0]


def test_the_fingerprint_holds_the_content_and_not_the_name(tmp_path):
    a, b = (of_file(tmp_path / name, "to be or not to be " * 400) for name in ("a.txt", "b.txt"))
    c = of_file(tmp_path / "a.txt", "to be or not to bee" * 400)
    assert a.id != b.id
    assert a.fingerprint == b.fingerprint != c.fingerprint
    assert a.id == c.id


@pytest.mark.parametrize("size", [6400, 6464, 10_000, 100_000])
def test_short_files_fill_three_splits(tmp_path, size):
    data = of_file(tmp_path / "short.txt", "abcdefghij" * (size // 10))
    assert sum(len(s) for s in splits(data)) == size // 10 * 10 // 64
    assert min(len(s) for s in splits(data)) >= 0.08 * size // 64
    assert len(data.train) >= 0.7 * size // 64


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "holds 0 bytes"),
        (b"too short", "holds 9 bytes, and three splits of 64-byte windows need at least 6400"),
        (b"\xff\xfea\x00" * 4000, "is not text in UTF-8 (byte 0 is 0xff)"),
        (b"abc\0" * 4000, "holds NUL characters"),
    ],
)
def test_a_file_that_is_no_text_is_refused(tmp_path, content, said):
    with pytest.raises(UsageError, match=re.escape(said)):
        of_file(tmp_path / "bad.txt", content)


@pytest.mark.parametrize(
    ("dataset", "said"),
    [
        ("text", "dataset 'text' reads a file of yours: write text:PATH"),
        ("text:", "write text:PATH"),
        ("text:gone.txt", "'gone.txt' cannot be read: No such file or directory"),
        ("text:.", "'.' is a folder; give a text file in UTF-8"),
        ("txet:my.txt", "unknown dataset 'txet:my.txt'; did you mean 'text'?"),
    ],
)
def test_the_command_line_says_so_in_one_line(cli: Cli, dataset, said):
    done = cli("run", "-d", dataset, "-m", "bigram")
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert said in line


def test_real_text_is_written_one_example_a_line(tmp_path):
    data = of_file(tmp_path / "lines.txt", "one\ntwo\r\n\u2028three\x07 " * 800)
    save_reference(data, tmp_path / "shown")
    lines = (tmp_path / "shown" / "real.txt").read_text(encoding="utf-8").split("\n")
    assert len(lines) == 12 + 1
    assert "one⏎two⏎⏎three� one⏎" in lines[0]
    halves = (tmp_path / "shown" / "completions.txt").read_text(encoding="utf-8").split("\n")
    assert halves[0].replace(" ⟶ ", "") == lines[0]
    assert halves[0].index(" ⟶ ") == 26  # 32 bytes: two characters of three, two line ends of two


class GoesOn(StandIn):
    """Says x after whatever it is given."""

    def sample(self, n, condition, generator):
        if self.refuses:
            raise UnsupportedError("nothing to say")
        rest = torch.full((n, text.LENGTH - condition.shape[1]), ord("x"))
        return torch.cat([condition, rest], 1)

    refuses = False


def test_completions_are_written_where_a_model_makes_them(tmp_path):
    data = of_file(tmp_path / "lines.txt", "abcdefg\n" * 2000)
    shown, model = tmp_path / "shown", GoesOn()
    shown.mkdir()
    for conditions, refuses in (((), False), (("prefix",), True), (("prefix",), False)):
        model.refuses = refuses
        assert not (shown / "completions.txt").exists()
        save_picture(Evidence(data, model, data.test.x, 0, conditions=conditions), shown)
    lines = (shown / "completions.txt").read_text(encoding="utf-8").splitlines()
    assert lines == ["abcdefg⏎" * 4 + " ⟶ " + "x" * 32] * 12
