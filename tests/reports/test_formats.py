from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from importlib import import_module

import pandas as pd
import pytest
from rich.cells import cell_len

import gengauge_reports
from gengauge.errors import UsageError
from gengauge.store import COLUMNS, RunStore
from gengauge_reports import html, latex, markdown, notation, parquet, terminal, tidy

SPECS = gengauge_reports.gengauge_reports()


def test_registering_imports_nothing_heavy():
    code = "import sys, gengauge_reports; gengauge_reports.gengauge_reports(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert "gengauge_reports" in loaded
    assert not loaded & {"torch", "pandas", "jinja2", "plotly", "rich", "scipy", "numpy"}


def test_rendering_never_loads_torch(run):
    code = (
        "import sys; from gengauge.store import RunStore;"
        "from gengauge_reports import html, terminal;"
        f"s = [RunStore.open({str(run.folder)!r})]; html.render(s); terminal.render(s);"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("spec", SPECS, ids=lambda s: s.id)
def test_same_records_same_bytes(spec, run):
    module, name = spec.target.split(":")
    render = getattr(import_module(module), name)
    first = render([RunStore.open(run.folder)])
    assert first == render([RunStore.open(run.folder)])
    assert len(first) > 100


@pytest.mark.parametrize("spec", SPECS, ids=lambda s: s.id)
def test_a_run_with_nothing_in_it_renders(spec, factory):
    module, name = spec.target.split(":")
    factory.store.folder.joinpath("records.jsonl").touch()
    assert isinstance(getattr(import_module(module), name)([factory.store]), bytes)


@pytest.mark.parametrize("width", [60, 80, 100, 160])
def test_terminal_keeps_to_its_width(run, width):
    text = terminal.render([run], width=width).decode()
    assert max(cell_len(line) for line in text.splitlines()) <= width
    # no number and no header word is broken: they all stand whole somewhere
    for whole in ("1.874 ± 0.022", "≤2.123 ± 0.089", "~14.7 ± 2.2", "samples/s ↑", "key fd-5000"):
        assert whole in text


def test_terminal_sets_controls_and_failures_apart(run):
    lines = terminal.render([run], width=140).decode().splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("flow"))
    rule = next(i for i, line in enumerate(lines) if line.startswith("──") and i > first)
    real = next(i for i, line in enumerate(lines) if line.startswith("real"))
    assert first < rule < real
    assert any("gan seed 0 diverged: DivergedError" in line for line in lines)


def test_terminal_colours_only_when_asked(run):
    assert b"\x1b[" not in terminal.render([run])
    assert b"\x1b[" in terminal.render([run], color=True)


def test_a_name_cannot_steer_the_terminal(factory, make_score):
    factory.add("\x1b[31mred\x07[bold]x\u202e\n", [make_score("nll", 1.0, 0.1)])
    text = terminal.render([factory.store]).decode()
    assert not set(text) & {"\x1b", "\x07", "\u202e"}
    assert "red[bold]x" in text


def test_markdown_cells_cannot_break_out(factory, make_score, hostile):
    for name in (hostile, "a|b\nc", "`tick`", "@someone"):
        factory.add(name, [make_score("nll", 1.0, 0.1)])
    text = markdown.render([factory.store]).decode()
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert len(table) == 2 + 4
    assert {line.replace("\\|", "").count("|") for line in table} == {3}
    assert f"`{hostile}`" in text
    assert "`@someone`" in text
    assert "`` `tick` ``" in text


def test_markdown_carries_ranks_kinds_and_reasons(run):
    text = markdown.render([run]).decode()
    assert (
        "| `vae` | **1\N{EN DASH}2** · ≤2.123 ± 0.089 | **1\N{EN DASH}2** · \\~14.7 ± 2.2 |" in text
    )
    assert "`gan` seed 0: **diverged**" in text
    assert "recall" not in text
    assert "recall" in markdown.render([run], all_metrics=True).decode()


def test_markdown_gives_every_suite_a_table_where_one_would_be_too_wide(factory, make_score):
    metrics = ["nll", "bits_per_dim", "fd", "recall"]
    keys = [{"comparability_key": f"key-{m}-{i}"} for i in range(3) for m in metrics]
    for name in ("a", "b"):
        scores = [make_score(metrics[i % 4], 1.0, 0.1, **k) for i, k in enumerate(keys)]
        factory.add(name, scores)
    factory.add("real", [make_score("fd", 1.0, 0.1, comparability_key="key-fd-0")], control=True)
    text = markdown.render([factory.store], all_metrics=True).decode()
    likelihood, fidelity = text.split("### ")[1:]
    assert (likelihood.split()[0], fidelity.split()[0]) == ("likelihood", "fidelity")
    assert "real" not in likelihood
    assert "`real` (control)" in fidelity
    widths = {line.count("|") for line in text.splitlines() if line.startswith("|")}
    assert widths == {2 + 6}


def test_terminal_cuts_nothing_off_where_columns_fill_the_width(run):
    for width in range(80, 140, 3):
        assert "…" not in terminal.render([run], width=width).decode()


def test_json_is_the_tidy_table(run):
    rows = json.loads(tidy.render_json([run]), parse_constant=pytest.fail)
    frame = run.frame()
    assert len(rows) == len(frame)
    assert {tuple(r) for r in rows} == {COLUMNS}
    assert [r["metric"] for r in rows] == [m if isinstance(m, str) else None for m in frame.metric]
    assert any(r["value"] is None and r["reason"] == "the model has no likelihood" for r in rows)


def test_csv_defuses_formulas_in_text_and_leaves_numbers(factory, make_score):
    factory.add('=HYPERLINK("x")', [make_score("nll", -1.5, 0.1)])
    factory.add("+1", [], status="failed", error={"type": "@x", "message": "y"})
    rows = list(csv.DictReader(io.StringIO(tidy.render_csv([factory.store]).decode())))
    assert [r["model"] for r in rows] == ['\'=HYPERLINK("x")', "'+1"]
    assert rows[0]["value"] == "-1.5"
    assert rows[1]["reason"] == "'@x: y"
    assert rows[1]["value"] == ""


@pytest.mark.parametrize(
    ("value", "half", "text"),
    [
        (1.23456, 0.0234, "1.235 ± 0.023"),
        (12345.6, 120.0, "12,350 ± 120"),
        (184660.0, 140051.0, "180,000 ± 140,000"),
        (0.5, None, "0.5000"),
        (3.0, 0.0, "3"),
        (-0.0123, 0.001, "-0.0123 ± 0.0010"),
    ],
)
def test_digits_follow_the_uncertainty(value, half, text):
    low, high = (None, None) if half is None else (value - half, value + half)
    assert " ".join(filter(None, notation.spread(value, low, high))) == text


def test_an_interval_with_one_long_arm_is_written_by_its_ends():
    assert notation.spread(188346.0, 150000.0, 1190000.0) == ("190,000", "[150,000, 1,190,000]")
    assert notation.spread(5.8e7, 5.01e7, 5.82e7) == ("58.0 M", "[50.1, 58.2]")
    assert notation.spread(0.0, 0.0, 0.0106) == ("0.0000", "[0.0000, 0.0106]")
    assert notation.spread(0.5, 0.1, 0.5)[1].startswith("[")


def test_samples_of_text_are_text_on_the_page(factory, make_score):
    trial = factory.add("bigram", [make_score("nll", 1.0, 0.1)])
    folder = factory.store.trial_folder(trial["trial"])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "samples.txt").write_text("CAT, n. A soft <b>automaton</b>\n")
    page = html.render([factory.store]).decode()
    assert "<pre>CAT, n. A soft &lt;b&gt;automaton&lt;/b&gt;" in page


def test_completions_stand_beside_how_the_text_went_on(factory, make_score):
    trial = factory.add("bigram", [make_score("nll", 1.0, 0.1)])
    folder = factory.store.trial_folder(trial["trial"])
    folder.mkdir(parents=True, exist_ok=True)
    real = factory.store.dataset_folder(trial["dataset"]["id"])
    real.mkdir(parents=True, exist_ok=True)
    (real / "completions.txt").write_text("CAT, n. ⟶ A soft automaton\n", encoding="utf-8")
    assert "Completions" not in html.render([factory.store]).decode()  # no model completes
    (folder / "completions.txt").write_text("CAT, n. ⟶ A <b>cat\n", encoding="utf-8")
    page = html.render([factory.store]).decode()
    assert page.index("<h3>Completions</h3>") < page.index("<pre>CAT, n. ⟶ A soft automaton")
    assert page.index("⟶ A soft automaton") < page.index("<pre>CAT, n. ⟶ A &lt;b&gt;cat")


def test_an_interval_as_narrow_as_rounding_is_not_written():
    assert notation.spread(81.0, 81.0 - 1e-12, 81.0 + 1e-12) == ("81", "")


def test_latex_rows_have_the_columns_that_are_declared(run):
    text = latex.render([run]).decode()
    for table in text.split("\\begin{tabular}")[1:]:
        declared = len(table[1 : table.index("}")])
        body = table[: table.index("\\end{tabular}")].split("\\toprule")[1]
        rows = [line for line in body.splitlines() if line.endswith(r" \\")]
        assert len(rows) > 2
        assert {len(re.split(r"(?<!\\)&", row)) for row in rows} == {declared}
    assert "$\\leq$2.123 $\\pm$ 0.089" in text


def test_latex_runs_nothing_that_a_name_says():
    hostile = "\\input{/etc/passwd} %&_#$~^{} 模\u0000\ud83d"
    written = latex.text(hostile)
    assert re.sub(r"\\(textbackslash|textasciitilde|textasciicircum)\{\}|\\[%&_#${}]", "", written)[
        :17
    ].startswith("input/etc/passwd ")
    assert written.count("{") == written.count("}")
    assert "[cjk unified ideograph-6a21]" in written
    written.encode("utf-8")


def test_parquet_is_the_tidy_table_with_types(run):
    frame = pd.read_parquet(io.BytesIO(parquet.render([run])))
    expected = tidy.rows([run])
    assert list(frame.columns) == list(COLUMNS)
    assert len(frame) == len(expected)
    assert str(frame["value"].dtype) == "Float64"
    assert str(frame["seed"].dtype) == "Int64"
    for name in ("value", "n_samples", "metric", "reason"):
        got = [None if v is pd.NA else v for v in frame[name]]
        assert got == [row[name] for row in expected]


def test_parquet_says_what_it_lacks(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UsageError, match=r"pip install 'gengauge\[parquet\]'"):
        parquet.render([run])
