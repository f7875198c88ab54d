"""The command line `sweep`.

Heavy libraries are imported inside the commands, so that help and error messages appear at once.
"""

from __future__ import annotations

import typer

from sweeps.cli import author, inspect, models, run, tune
from sweeps.cli.exit import BAD_INPUT, FAILED

app = typer.Typer(
    help="Hyperparameter sweeps and ablation studies from one YAML file: budgeted, pruned, resumable.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for module in (run, author, inspect, models, tune):
    app.add_typer(module.app)


def main() -> None:
    """Run the command line; an error of the user's becomes one message on stderr and exit code 2."""
    from sweeps.io.errors import UserError, visible

    try:
        app()
    except UserError as error:
        typer.echo(f"error: {error}", err=True)
        raise SystemExit(BAD_INPUT) from None
    except OSError as error:  # a full disk, a deleted folder: no traceback, but no mistake of the user's either
        typer.echo(f"error: {visible(str(error))}", err=True)
        raise SystemExit(FAILED) from None
