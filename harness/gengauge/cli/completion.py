"""``gengauge completion``: the script a shell sources."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from gengauge.cli.output import Names


@click.command("completion")
@click.argument("shell", type=Names("shell", ["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    r"""Print the completion script for a shell.

    \b
    bash:  eval "$(gengauge completion bash)"
    zsh:   eval "$(gengauge completion zsh)"
    fish:  gengauge completion fish | source
    """
    from gengauge.cli import cli

    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(cli, {}, "gengauge", "_GENGAUGE_COMPLETE").source())
