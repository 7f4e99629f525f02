"""The reference of models, data sets, embedders and benchmarks, out of the registry."""

from __future__ import annotations

from collections.abc import Iterable

from gengauge.benchmark import read_benchmark
from gengauge.parameters import Parameter
from gengauge.registry import Registry
from gengauge.specs import BenchmarkSpec, DatasetSpec, EmbedderSpec, ModelSpec, Spec

REGISTRY = Registry()


def own(kind: str) -> list[Spec]:
    """Return what ships with gengauge of a kind, in the order of registration."""
    every: dict[str, Spec] = getattr(REGISTRY, kind)
    return [
        spec for id_, spec in every.items()
        if REGISTRY.provider(kind, id_).distribution == "gengauge"
    ]  # fmt: skip


def models() -> str:
    """Return a section for each model: facts, parameters, what its class says of it."""
    trained = [s for s in own("models") if isinstance(s, ModelSpec) and not s.control]
    index = ["| model | family | what it is |", "| :--- | :--- | :--- |"]
    index += [f"| [`{s.id}`](#{s.id}) | {s.family} | {cell(s.summary)} |" for s in trained]
    parts = ["\n".join(index), *(_model(s) for s in trained)]
    return "\n\n".join(parts)


def controls() -> str:
    """Return the table of the controls."""
    lines = ["| control | what it is |", "| :--- | :--- |"]
    lines += [
        f"| `{s.id}` | {cell(sentence(s.summary))} |"
        for s in own("models") if isinstance(s, ModelSpec) and s.control
    ]  # fmt: skip
    return "\n".join(lines)


def _model(spec: ModelSpec) -> str:
    facts = [
        f"takes {spoken(spec.modalities)}" + _levels(spec.levelled),
        f"can: {', '.join(spec.capabilities)}" if spec.capabilities else "",
        f"answers a {spoken(spec.conditions, 'or')}" if spec.conditions else "",
        f"trained for {spec.budget} unless told otherwise" if spec.budget else "",
        f"needs `pip install 'gengauge[{','.join(spec.extras)}]'`" if spec.extras else "",
    ]
    said = f"{sentence(spec.summary)} It {'; '.join(filter(None, facts))}."
    lines = [f"## `{spec.id}` {{#{spec.id}}}", said]
    if spec.parameters:
        lines.append(parameters(spec.parameters))
    module, _, name = spec.target.partition(":")
    options = ("heading_level: 3", "members: false", "show_signature: false",
               "separate_signature: false", "show_root_toc_entry: false",
               "show_docstring_parameters: false")  # fmt: skip
    asked = "\n".join([f"::: {module}.{name}", "    options:", *(f"      {o}" for o in options)])
    return "\n\n".join([*lines, asked])


def _levels(levelled: bool | None) -> str:
    return {None: "", True: " of whole levels only", False: " of real numbers only"}[levelled]


def parameters(given: Iterable[Parameter]) -> str:
    """Return a table of parameters, with what each may be."""
    lines = ["| parameter | default | what it is |", "| :--- | :--- | :--- |"]
    for p in given:
        limits = f"one of {', '.join(f'`{c}`' for c in p.choices)}" if p.choices else ""
        if p.minimum is not None:
            limits = f"at least {p.minimum:g}"
        text = "; ".join(filter(None, (cell(p.doc), limits)))
        lines.append(f"| `{p.name}` | `{_shown(p.default)}` | {text} |")
    return "\n".join(lines)


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value) or '""'


def datasets() -> str:
    """Return the table of the data sets."""
    lines = ["| data set | holds | judged in |", "| :--- | :--- | :--- |"]
    for spec in own("datasets"):
        assert isinstance(spec, DatasetSpec)
        known = [
            spec.modality,
            f"{spec.levels} levels" if spec.levels else "",
            "classes" if spec.labelled else "",
            "captions" if spec.captioned else "",
            "density known" if spec.has_truth else "",
            "modes known" if spec.has_modes else "",
        ]
        judges = ", ".join(f"`{e}`" for e in spec.embedders)
        name = spec.id + ":PATH" * spec.takes_path
        text = f"{cell(sentence(spec.summary))} *{', '.join(filter(None, known))}*"
        lines.append(f"| `{name}` | {text} | {judges} |")
    return "\n".join(lines)


def embedders() -> str:
    """Return the table of the embedders."""
    lines = ["| embedder | what it is | of | gives |", "| :--- | :--- | :--- | :--- |"]
    for spec in own("embedders"):
        assert isinstance(spec, EmbedderSpec)
        name = spec.id + ":PATH" * spec.takes_path
        lines.append(f"| `{name}` | {cell(spec.summary)} | {spoken(spec.modalities)} "
                     f"| {spoken(spec.gives)} |")  # fmt: skip
    return "\n".join(lines)


def benchmarks() -> str:
    """Return a table of the benchmarks that ship, with what each runs."""
    lines = ["| benchmark | what it is | data sets | seeds |", "| :--- | :--- | :--- | :--- |"]
    for spec in own("benchmarks"):
        assert isinstance(spec, BenchmarkSpec)
        held = read_benchmark(spec.id, REGISTRY)
        data = ", ".join(f"`{d}`" for d in held.datasets)
        seeds = ", ".join(map(str, held.seeds))
        lines.append(f"| `{spec.id}` | {cell(sentence(spec.summary))} | {data} | {seeds} |")
    return "\n".join(lines)


def spoken(words: Iterable[str], between: str = "and") -> str:
    """Return words as they are said in a row.

    >>> spoken(("points", "text", "tables"))
    'points, text and tables'
    """
    *first, last = words
    return f"{', '.join(first)} {between} {last}" if first else last


def sentence(text: str) -> str:
    """Return a summary as a sentence."""
    return text[0].upper() + text[1:].rstrip(".") + "."


def cell(text: str) -> str:
    """Return plain text for a table's cell: nothing in it is Markdown but code."""
    for mark in "|*_<":
        text = text.replace(mark, "\\" + mark)
    return text
