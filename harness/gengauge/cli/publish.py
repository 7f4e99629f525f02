"""``gengauge publish``: finished runs, as a leaderboard that others can read."""

from __future__ import annotations

from pathlib import Path

import click

from gengauge.cli.output import open_registry, plugin_option


@click.command("publish")
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@click.option("--to", required=True, metavar="FORM", help="What to write: site or huggingface.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True,
    help="Folder to write; replaced as a whole if it was published before.",
)  # fmt: skip
@click.option("--title", help="Title of the pages.")
@click.option("--repo", metavar="USER/NAME", help="Repository to upload to.")
@click.option("--dry-run", is_flag=True, help="Upload nothing; say what would be sent.")
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE",
    help="A parameter of the publisher; repeatable.",
)  # fmt: skip
@plugin_option
def command(
    runs: tuple[str, ...],
    to: str,
    output: Path,
    title: str | None,
    repo: str | None,
    dry_run: bool,
    settings: tuple[str, ...],
    plugins: tuple[str, ...],
) -> None:
    """Publish finished runs: folders, URLs or bundles of `gengauge submit`."""
    from gengauge.publishing import publish
    from gengauge.sources import open_source

    registry = open_registry(plugins)
    registry.find("publishers", to)
    given = dict(map(_setting, settings))
    options = {"title": title, "repo": repo, "dry_run": dry_run or None}
    given |= {name: value for name, value in options.items() if value is not None}
    stores = [open_source(run) for run in runs]
    first = publish(registry, to, stores, output, given)
    for warning in (w for store in stores for w in store.warnings):
        click.echo(f"warning: {warning}", err=True)
    click.echo(f"wrote {first}", err=True)


def _setting(text: str) -> tuple[str, str | bool]:
    from gengauge.errors import UsageError

    name, equals, value = text.partition("=")
    if not name or not equals:
        raise UsageError(f"--set '{text}' is not understood; write KEY=VALUE")
    return name, value
