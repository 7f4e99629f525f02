"""The command line: verbs are imported when they are used, so that ``--help`` stays instant."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

import click

VERBS = {
    "run": "Train every model that fits a benchmark, score it and write the report.",
    "score": "Score samples of yours beside real ones: files, folders, features.",
    "statistics": "Write statistics of real examples, to score samples beside later.",
    "report": "Render finished runs as html, md, csv, json or a table.",
    "compare": "Test a candidate run against a baseline: the gate for CI.",
    "publish": "Write a leaderboard of finished runs: a static site, or model cards.",
    "baseline": "Condense a run to a small baseline file for a repository.",
    "submit": "Pack a run into one checked bundle for somebody's leaderboard.",
    "reproduce": "Run one record again and say whether it agrees within its interval.",
    "list": "List models, datasets, metrics, suites, benchmarks, plugins, executors, trackers ...",
    "show": "Show one thing whole: parameters, source, what it can be scored on.",
    "plugins": "Begin a plugin of your own, or hold one to the laws.",
    "weights": "Say which embedders' weights are here, fetch them, or say where they go.",
    "doctor": "Say what this machine can run, and what is missing for the rest.",
    "completion": "Print the completion script for bash, zsh or fish.",
}


class LazyGroup(click.Group):
    """A group whose verbs are one module each."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the verbs in the order of a user's day."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the verb's module and return its command."""
        if cmd_name not in VERBS:
            return None
        command: click.Command = importlib.import_module(f"gengauge.cli.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command for ``args``, or fail with the nearest verb."""
        name = args[0] if args else ""
        if name and not name.startswith("-") and name not in VERBS:
            from gengauge.errors import unknown

            raise unknown("command", name, VERBS)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the verbs without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


def _version(ctx: click.Context, _: click.Parameter, asked: bool) -> None:
    if asked and not ctx.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"gengauge {version('gengauge')}")
        ctx.exit()


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "GENGAUGE"},
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version,
    help="Show the version and exit.",
)  # fmt: skip
def cli() -> None:
    """Compare, gate and rank generative models of every family, with numbers you can trust.

    \b
    gengauge run                                train and compare every model on 'quick'
    gengauge run -m 'vae[latent=8,16]' -m flow -d points/moons --seeds 0-2
    gengauge report runs/quick --format md
    """


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with the code its interface promises."""
    sys.exit(_run(arguments))


def _run(arguments: list[str] | None) -> int:
    from gengauge.errors import GengaugeError

    try:
        result: Any = cli.main(arguments, prog_name="gengauge", standalone_mode=False)
    except GengaugeError as error:
        return _fail(str(error), error.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return 2
    except click.ClickException as error:
        return _fail(error.format_message(), 2)
    except (KeyboardInterrupt, click.Abort):
        return _fail("interrupted", 130)
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:  # a full disk, a folder that cannot be written
        where = f": '{error.filename}'" if error.filename else ""
        return _fail(f"{error.strerror or error}{where}", 2)
    return result if isinstance(result, int) else 0


def _fail(message: str, code: int) -> int:
    line = " ".join(message.split())
    click.echo(f"error: {line}", err=True)
    return code
