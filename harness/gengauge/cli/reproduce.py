"""``gengauge reproduce``: one record, run again and judged."""

from __future__ import annotations

import json
import shlex
import tempfile
from collections import Counter
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gengauge.cli.output import Names, open_registry, plugin_option, trust_option, write_rows
from gengauge.cli.weights import folder_option, offline_option
from gengauge.errors import UsageError

if TYPE_CHECKING:
    from gengauge.agreement import Compared
    from gengauge.recorded import Recorded
    from gengauge.registry import Registry
    from gengauge.reproduction import Again


@click.command("reproduce")
@click.argument("record")
@click.option("-m", "--model", default="", help="Of RUN, the trial of this model.")
@click.option("-d", "--dataset", default="", help="Of RUN, the trial on this dataset.")
@click.option("--seed", type=int, help="Of RUN, the trial with this seed.")
@click.option("--device", help="auto, cpu or cuda[:i].  [default: as recorded]")
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads.  [default: as recorded]")
@click.option("--timeout", metavar="30m", help="Longest time it may take.  [default: none]")
@click.option("--memory", metavar="8G", help="Most memory it may hold.")
@click.option("--no-isolate", is_flag=True, help="Run it in this process, for a debugger.")
@offline_option
@folder_option
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="DIR",
    help="New folder to keep what came out in.  [default: nothing is kept]",
)  # fmt: skip
@click.option(
    "--format", "format_", type=Names("format", ["table", "json"]), default="table",
    help="How to write the verdict.",
)  # fmt: skip
@plugin_option
@trust_option
def command(record: str, **options: Any) -> int:
    """Run RECORD again and say whether it agrees within its interval.

    RECORD is RUN/KEY with the key of a trial or its beginning, RUN with --model, --dataset and
    --seed, or a JSON file with one record. Exits with 0 when all scores agree, 1 when one does
    not, 3 when the trial fails, and 4 when it is not comparable.
    """
    from gengauge.recorded import find
    from gengauge.session import use_threads

    found = find(record, options["model"], options["dataset"], options["seed"])
    use_threads(options["threads"] or found.threads)
    registry = open_registry(options["plugins"])
    again = _again(record, found, registry, options)
    bound = frozenset(id_ for id_, m in registry.metrics.items() if m.hardware_bound)
    return _tell(found, again, bound, options["format_"])


def _again(name: str, found: Recorded, registry: Registry, options: dict[str, Any]) -> Again:
    from gengauge.isolation.limits import Limits
    from gengauge.progress import progress
    from gengauge.reproduction import reproduce
    from gengauge.runner import choose_device

    folder: Path | None = options["output"]
    if folder is not None and (folder.is_file() or any(folder.glob("records*.jsonl"))):
        raise UsageError(f"'{folder}' holds a run already; give -o a folder that is new")
    kept = nullcontext(str(folder)) if folder else tempfile.TemporaryDirectory("-gengauge")
    device = choose_device(options["device"] or found.device)
    with kept as place, progress() as listener:
        return reproduce(
            found.record, registry, Path(place), device, listener,
            command=shlex.join(["gengauge", "reproduce", name]),
            isolated=not options["no_isolate"],
            limits=Limits.parse(options["timeout"], options["memory"]),
        )  # fmt: skip


def _tell(found: Recorded, again: Again, bound: frozenset[str], format_: str) -> int:
    """Write what agrees and what differs; return the exit code."""
    from gengauge import agreement

    scores = agreement.compare(found.record, again.record, bound)
    word, code = agreement.verdict(found.record, again.record, scores)
    differ = agreement.differences(found.environment, again.environment)
    codes = [r["model"].get("code") for r in (found.record, again.record)]
    differ += [("code of the model", *codes)] if codes[0] != codes[1] else []
    error = again.record.get("error") or {}
    reason = f"{error.get('type')}: {error.get('message')}" if error else ""
    if format_ == "json":
        click.echo(json.dumps({
            "id": found.record["trial"], "verdict": word, "exit_code": code,
            "status": {"recorded": found.record["status"], "again": again.record["status"]},
            "reason": reason, "scores": [s.as_json() for s in scores],
            "differences": [{"id": n, "recorded": a, "again": b} for n, a, b in differ],
            "not_here": list(again.unknown),
        }, indent=2))  # fmt: skip
    else:
        _table(found, scores, differ, again)
        counts = Counter(s.verdict for s in scores)
        told = ", ".join(f"{n} {verdict}" for verdict, n in counts.items())
        click.echo(f"{word}: {' · '.join(filter(None, [told, _status(found, again), reason]))}")
    return code


def _status(found: Recorded, again: Again) -> str:
    before, after = found.record["status"], again.record["status"]
    return "" if before == after == "ok" else f"recorded as {before}, now {after}"


def _table(
    found: Recorded, scores: list[Compared], differ: list[tuple[str, Any, Any]], again: Again
) -> None:
    """Write every score that has a value, and on stderr what else differs."""

    def number(value: float | None) -> str:
        return "" if value is None else f"{value:.6g}"

    shown = [s for s in scores if (s.recorded, s.again) != (None, None)]
    write_rows(
        [
            {
                "metric": _name(s), "recorded": number(s.recorded), "again": number(s.again),
                "difference": number(s.difference), "allowed": number(s.allowed),
                "verdict": s.verdict,
            }
            for s in shown
        ],
        "table",
    )  # fmt: skip
    for note in dict.fromkeys(s.note for s in shown if s.note):
        click.echo(f"{', '.join(_name(s) for s in shown if s.note == note)}: {note}")
    if not found.environment:
        click.echo("note: the environment of the record is not known", err=True)
    for name, before, after in differ if found.environment else ():
        click.echo(f"note: {name} was {before}, is {after}", err=True)
    for name in again.unknown:
        click.echo(f"note: {name}", err=True)


def _name(score: Compared) -> str:
    return f"{score.metric}-{score.embedder}" if score.embedder else score.metric
