"""The command line. Heavy imports happen inside the commands, so that help and mistakes come at once."""

from __future__ import annotations

import typer

from sweeps.cli import author as writing
from sweeps.cli import inspect as reading
from sweeps.cli import models as delivering
from sweeps.cli import run as studies
from sweeps.cli import tune as tuning
from sweeps.cli.exit import BAD_INPUT, FAILED

app = typer.Typer(
    help="Ablations and hyperparameter sweeps that stand: budgeted, pruned, resumable, from one YAML file.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for part in (studies, writing, reading, delivering, tuning):
    app.add_typer(part.app)


def main() -> None:
    """The entry point: every mistake of the user is one message on stderr and exit code 2."""
    from sweeps.io.errors import UserError, visible

    try:
        app()
    except UserError as error:
        typer.echo(f"error: {error}", err=True)
        raise SystemExit(BAD_INPUT) from None
    except OSError as error:  # a full disk, a folder taken away
        typer.echo(f"error: {visible(str(error))}", err=True)
        raise SystemExit(FAILED) from None
