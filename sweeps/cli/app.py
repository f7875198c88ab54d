"""All commands of `sweep` as one application."""

from __future__ import annotations

from typing import Annotated

import typer

from sweeps.cli.commands import archive, author, explain, inspect, machine, models, run, tune
from sweeps.cli.help.layout import Commands, lay_out
from sweeps.cli.options import RUNS

app = typer.Typer(
    cls=Commands,
    invoke_without_command=True,
    epilog="Shell completion of commands, studies, stages, trials and toggles: `sweep --install-completion` once.",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for module in (run, author, inspect, explain, models, tune, archive, machine):
    app.add_typer(module.app)
lay_out(app)


@app.callback()
def sweep(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    """Hyperparameter sweeps and ablation studies from one YAML file: budgeted, pruned, resumable."""
    from sweeps.cli.help.welcome import next_steps, version_line

    if version:
        typer.echo(version_line())
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(next_steps(RUNS))
