"""Options that several verbs share."""

from __future__ import annotations

import click

checkpoint_option = click.option(
    "--checkpoint-every",
    default="30s",
    show_default=True,
    metavar="30s",
    help="Time (or steps) of training between checkpoints, from which a killed run goes on.",
)
