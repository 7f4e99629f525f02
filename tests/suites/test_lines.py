"""Sequences that the user brings, one a line, and the embedder that texts are compared in."""

from __future__ import annotations

import gzip
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from sklearn.feature_extraction.text import CountVectorizer

from gengauge import Dataset
from gengauge.collection import Collection, suited
from gengauge.errors import UsageError
from gengauge.loading import load_dataset, open_parts
from gengauge.registry import Registry
from gengauge_suites.embedders.ngrams import NgramEmbedder
from gengauge_suites.fidelity.frechet import measure

REGISTRY = Registry()
WORDS = ["ant", "bee", "cat", "dog", "emu", "fox", "gnu", "hen", "ibis", "jay", "kite", "lion"]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def data(name: str) -> Dataset:
    return load_dataset(REGISTRY.find("datasets", name))


def collection(name: str) -> Collection:
    return open_parts(REGISTRY.find("datasets", name))["all"]


def refused(name: str) -> str:
    with pytest.raises(UsageError) as error:
        data(name)
    [line] = str(error.value).splitlines()
    return line


def test_lines_are_padded_cut_or_refused_by_a_rule_of_that_name() -> None:
    Path("w.txt").write_text("\n".join(WORDS) + "\n")
    said = "'w.txt', line 1: 3 tokens, expected 4; write fit=pad, or fit=cut-or-pad"
    assert said in refused("lines:w.txt")
    assert "line 9: 4 tokens, expected 3; write fit=cut" in refused("lines:w.txt[length=3,fit=pad]")
    padded = collection("lines:w.txt[fit=pad]")
    assert bytes(padded.read(0, 1)[0].tolist()) == b"ant\0"
    assert padded.characters.tolist() == [len(word) for word in WORDS]
    cut = collection("lines:w.txt[fit=cut]")
    assert [bytes(row.tolist()).decode() for row in cut.read(0, 12)] == [w[:3] for w in WORDS]
    assert cut.characters.tolist() == [3] * 12
    both = collection("lines:w.txt[fit=cut-or-pad,length=4]")
    assert torch.equal(both.read(0, 12), padded.read(0, 12))


def test_characters_are_an_alphabet_of_the_files_own() -> None:
    Path("w.txt.gz").write_bytes(gzip.compress("\n".join(["été", "âne", "a⏎b"] * 5).encode()))
    spec = REGISTRY.find("datasets", "lines:w.txt.gz[tokens=characters]")
    found = load_dataset(spec)
    assert found.alphabet == "".join(sorted(set("étéâne") | set("a\nb")))
    assert spec.levels == found.levels == 8
    texts = [t for s in (found.train, found.validation, found.test) for t in found.text(s.x)]
    assert sorted(texts) == sorted(["été", "âne", "a\nb"] * 5)
    as_bytes = collection("lines:w.txt.gz[fit=pad]")
    assert as_bytes.event_shape == (5,)
    assert as_bytes.characters.tolist() == [3] * 15
    padded = collection("lines:w.txt.gz[tokens=characters,fit=pad]")
    assert padded.alphabet[0] == "\0"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"abc\nab\xff\n", "line 2: no UTF-8"),
        (b"abc\na\0c\n", "line 2: it holds a NUL character"),
        (b"abc\n\nabc\n", "line 2: 0 tokens, expected 3"),
        (b"", "holds 0 examples"),
        (b"x" * (1 << 20) + b"y", "line 1: longer than 1,048,576 bytes"),
    ],
)
def test_what_is_no_line_of_text_is_refused(content: bytes, said: str) -> None:
    Path("bad.txt").write_bytes(content)
    assert said in refused("lines:bad.txt")


def test_packed_and_missing_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENGAUGE_MAX_INPUT", "10K")
    Path("bomb.txt.gz").write_bytes(gzip.compress(b"abcd\n" * 10_000))
    Path("cut.txt.gz").write_bytes(gzip.compress(b"abcd\n" * 100)[:-9])
    assert "bytes or more when unpacked, expected at most 10,240" in refused("lines:bomb.txt.gz")
    assert "'cut.txt.gz' is damaged" in refused("lines:cut.txt.gz")
    assert "'gone.txt' cannot be read: No such file" in refused("lines:gone.txt")
    assert "gone.txt' cannot be read" in refused("lines:gone.txt[tokens=characters]")


def test_samples_are_encoded_like_their_reference() -> None:
    shipped = load_dataset(REGISTRY.datasets["text/devils-dictionary"])
    lines = [t.replace("\n", "⏎") for t in shipped.text(shipped.test.x[:50])]
    Path("samples.txt").write_text("\n".join(lines) + "\n")
    found = suited(collection("lines:samples.txt[fit=pad]"), shipped)
    assert torch.equal(found.read(0, 50), shipped.test.x[:50])
    assert (found.levels, found.alphabet, found.event_shape) == (81, shipped.alphabet, (64,))
    Path("samples.txt").write_text("\n".join(t[:60] for t in lines) + "\n")
    short = suited(collection("lines:samples.txt[fit=pad]"), shipped)
    assert {shipped.alphabet[i] for i in short.read(0, 50)[:, 60:].unique()} == {" "}
    with pytest.raises(UsageError, match="line 1: 60 tokens, expected 64; write fit=pad"):
        suited(collection("lines:samples.txt"), shipped)
    Path("samples.txt").write_text("naïve" * 13 + "\n")
    with pytest.raises(UsageError, match=r"line 1: the reference's alphabet of 81 .* no 'ï'; repl"):
        suited(collection("lines:samples.txt[fit=cut-or-pad]"), shipped)
    points = load_dataset(REGISTRY.datasets["points/moons"])
    with pytest.raises(UsageError, match="lines of text are no points"):
        suited(collection("lines:samples.txt"), points)


def test_samples_and_reference_may_both_be_lines_or_windows() -> None:
    Path("ref.txt").write_text("\n".join(WORDS) + "\n")
    Path("own.txt").write_text("ox\nowl\n")
    reference = collection("lines:ref.txt[fit=pad]")
    found = suited(collection("lines:own.txt[fit=pad]"), reference)
    assert [bytes(r.tolist()) for r in found.read(0, 2)] == [b"ox\0\0", b"owl\0"]
    Path("book.txt").write_text("to be or not to be " * 400)
    windows = open_parts(REGISTRY.find("datasets", "text:book.txt"))
    assert set(windows) == {"train", "validation", "test"}
    assert suited(collection("lines:own.txt[fit=pad]"), windows["test"]).event_shape == (64,)


def test_tables_are_held_to_the_columns_of_their_reference() -> None:
    for name, head in (("a", "x,y"), ("b", "y,x"), ("c", "x,z")):
        Path(f"{name}.csv").write_text(f"{head}\n1,2\n")
    a, b, c = (collection(f"csv:{name}.csv") for name in "abc")
    assert suited(a, a) is a
    with pytest.raises(UsageError, match="has 'y' as column 1 and not 'x', unlike its reference"):
        suited(b, a)
    with pytest.raises(UsageError, match="lacks the column 'y' and has 'z' besides"):
        suited(c, a)


def test_parts_of_a_folder_share_length_and_alphabet(tmp_path: Path) -> None:
    for part, words in (("train", WORDS), ("test", ["zebra", "yak"])):
        (tmp_path / f"{part}.txt").write_text("\n".join(words) + "\n")
    found = data(f"lines:{tmp_path}[tokens=characters,fit=pad]")
    assert found.event_shape == (5,)
    assert found.text(found.test.x) == ["zebra", "yak\0\0"]
    assert len(found.train) + len(found.validation) == 12


def test_hashed_frequencies_keep_the_spectrum_kernel() -> None:
    """Inner products of all texts agree with scikit-learn's counts of every run of one to three."""
    shipped = load_dataset(REGISTRY.datasets["text/devils-dictionary"])
    x = shipped.test.x[:60]
    found = NgramEmbedder().features(x)
    exact = torch.zeros(60, 60, dtype=torch.float64)
    for n in (1, 2, 3):
        counter = CountVectorizer(analyzer="char", ngram_range=(n, n), lowercase=False)
        counts = torch.from_numpy(counter.fit_transform(shipped.text(x)).toarray()).double()
        counts /= 64 - n + 1
        exact += counts @ counts.T
    gram = found @ found.T / 256
    apart = ~torch.eye(60, dtype=torch.bool)
    assert torch.corrcoef(torch.stack([gram[apart], exact[apart]]))[0, 1] > 0.85
    assert abs(float((gram - exact)[apart].mean())) < 0.1 * float(exact[apart].mean())
    assert torch.equal(NgramEmbedder().features(x.flip(0)), found.flip(0))


def test_distances_see_spelling_in_its_order() -> None:
    """Real text is nearest; letters that follow as they should are nearer than shuffled ones."""
    shipped = load_dataset(REGISTRY.datasets["text/devils-dictionary"])
    features = NgramEmbedder().features
    stream = torch.Generator().manual_seed(0)
    real, whole = features(shipped.test.x), shipped.validation.x
    words = torch.stack([row.reshape(16, 4)[torch.randperm(16, generator=stream)].flatten()
                         for row in whole])  # fmt: skip
    letters = torch.stack([row[torch.randperm(64, generator=stream)] for row in whole])
    noise = torch.randint(81, whole.shape, generator=stream)
    rows = [measure(features(x), real) for x in (whole, words, letters, noise)]
    assert all(a.interval().high < b.interval().low for a, b in pairwise(rows))


def test_short_rows_have_the_runs_that_they_have() -> None:
    one = NgramEmbedder().features(torch.tensor([[5], [5], [6]]))
    assert torch.equal(one[0], one[1])
    assert not torch.equal(one[0], one[2])
    assert (one.abs().sum(1) == 16).all()
