"""``gengauge plugins``: begins a plugin, and holds one to the laws."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gengauge.cli.output import Names, Verbs, admission_options, format_option, write_rows

if TYPE_CHECKING:
    from gengauge.testing import Subject, Verdict

KINDS = ("model", "dataset", "metric", "report")
Judged = tuple["Subject", list["Verdict"]]


@click.group("plugins", cls=Verbs)
def command() -> None:
    """Begin a plugin of your own, or hold one to the laws that every plugin keeps."""


@command.command("new")
@click.argument("name")
@click.option(
    "--kind", type=Names("kind", KINDS), default="model", show_default=True,
    help="What it brings: model, dataset, metric or report.",
)  # fmt: skip
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, file_okay=False), default=Path(),
    metavar="DIR", help="Folder to write the project's folder into.  [default: .]",
)  # fmt: skip
@admission_options
def new(name: str, kind: str, output: Path) -> None:
    """Write a small project that installs and passes its own tests.

    It is called gengauge-NAME: a pyproject.toml, a package that registers something that works,
    tests of the laws, and a workflow for GitHub. Prints the folder.
    """
    from gengauge.authoring.names import chosen, refuse_taken
    from gengauge.authoring.project import write
    from gengauge.registry import Registry

    names = chosen(name)
    refuse_taken(names, kind, Registry())
    folder = write(names, kind, output)
    click.echo(folder)
    click.echo(f"next: cd {folder} && pip install -e '.[test]' && pytest", err=True)


@command.command("check")
@click.argument("modules", nargs=-1, required=True, metavar="MODULE...")
@click.option("-m", "--model", "models", multiple=True, metavar="ID",
              help="Only this model; repeatable.")  # fmt: skip
@click.option(
    "-d", "--dataset", metavar="ID",
    help="Try models and metrics on this data set, cut small.  "
    "[default: the plugin's own and small ones]",
)  # fmt: skip
@format_option
@admission_options
def check(
    modules: tuple[str, ...], models: tuple[str, ...], dataset: str | None, format_: str
) -> int:
    """Hold all that MODULE registers to the laws, and explain each that is broken.

    MODULE is a module, an installed distribution, the name of a plugin, or the path of a project
    or a file. Laws that do not apply are skipped, and say why. Exits with 1 where one is broken.
    """
    from gengauge.session import use_threads

    use_threads(1)
    judged = _judged(modules, models, dataset)
    if format_ != "table":
        found = list(judged)
        write_rows([row for one in found for row in _rows(*one)], format_)
    else:
        found = [_shown(*one) for one in judged]
        click.echo(_total(found))
    return int(any(v.outcome == "broken" for _, verdicts in found for v in verdicts))


def _judged(
    modules: tuple[str, ...], models: tuple[str, ...], dataset: str | None
) -> Iterator[Judged]:
    """Yield each thing with its verdicts, as they are found."""
    from gengauge.authoring.found import find

    subjects = [s for text in modules for s in _subjects(find(text), models, dataset)]
    for subject in subjects:
        yield subject, list(subject.verdicts())


def _subjects(found: Any, models: tuple[str, ...], dataset: str | None) -> Iterator[Subject]:
    import sys

    from gengauge.errors import unknown
    from gengauge.testing import Offer

    for plugin in found.plugins:
        offer = Offer(sys.modules[plugin.module], plugin.specs, lambda: found.registry)
        known = [spec.id for spec in plugin.specs.get("models", ())]
        for name in models:
            if name not in known:
                raise unknown(f"model of {plugin.module}", name, known)
        if dataset is not None:
            offer = replace(offer, given=found.registry.find("datasets", dataset))
        for subject in offer.subjects():
            if not models or (subject.kind == "model" and subject.id in models):
                yield subject


def _rows(subject: Subject, verdicts: list[Verdict]) -> Iterator[dict[str, Any]]:
    for v in verdicts:
        broken = v.outcome == "broken"
        yield {
            "id": subject.id, "kind": subject.kind, "on": subject.on or None, "law": v.law,
            "outcome": v.outcome, "says": v.says, "expected": v.expected or None,
            "came": v.came or None, "advice": v.advice or None,
            "reason": None if broken else v.message or None,
        }  # fmt: skip


def _shown(subject: Subject, verdicts: list[Verdict]) -> Judged:
    """Print what is said of one thing."""
    counts = {o: [v for v in verdicts if v.outcome == o] for o in ("held", "broken", "skipped")}
    said = ", ".join(f"{len(found)} {outcome}" for outcome, found in counts.items() if found)
    click.echo(f"{subject.label}: {said}")
    for v in counts["broken"]:
        click.echo(f"  BROKEN {v.law}: {v.says}")
        for name, text in (("expected", v.expected), ("came", v.came), ("to do", v.advice)):
            click.echo(f"    {name:<9} {text}")
    why: dict[str, list[str]] = {}
    for v in counts["skipped"]:
        why.setdefault(v.message, []).append(v.law)
    for reason, laws in why.items():
        click.echo(f"  skipped {', '.join(laws)}: {reason}")
    return subject, verdicts


def _total(found: list[Judged]) -> str:
    verdicts = [v for _, each in found for v in each]
    broken = sum(v.outcome == "broken" for v in verdicts)
    held = sum(v.outcome == "held" for v in verdicts)
    if broken:
        return f"{broken} broken, {held} held: see `expected`, `came` and `to do` above"
    return f"all {held} laws that apply are held"
