"""Data sets in text files of the user's."""

from __future__ import annotations

from collections.abc import Iterable

from gengauge.parameters import Parameter
from gengauge.specs import DatasetSpec

WRITTEN = (
    Parameter("tokens", "bytes", "bytes of UTF-8, or characters that occur in the file",
              choices=("bytes", "characters")),
    Parameter("length", 0, "tokens of a sequence; 0: of the longest line, or of the shortest with "
              "fit=cut", minimum=0),
    Parameter("fit", "refuse", "what becomes of lines of another length",
              choices=("refuse", "cut", "pad", "cut-or-pad")),
)  # fmt: skip


def text_files() -> Iterable[DatasetSpec]:
    """Return the data sets that read text."""
    yield DatasetSpec(
        id="text",
        summary="A text file of yours in UTF-8, as bytes in windows of 64",
        target="gengauge.loading:load_opened",
        opens="gengauge_suites.datasets.text:open_text",
        modality="text",
        levels=256,
        takes_path=True,
        embedders=("ngrams",),
    )
    yield DatasetSpec(
        id="lines",
        summary="Sequences of yours, one a line of a text file in UTF-8, all of one length or cut "
        "and padded to it",
        target="gengauge.loading:load_opened",
        opens="gengauge_suites.datasets.lines:open_lines",
        describes="gengauge_suites.datasets.lines:describe",
        suffixes=(".txt", ".txt.gz"),
        parameters=WRITTEN,
        modality="text",
        levels=256,
        takes_path=True,
        embedders=("ngrams",),
    )
