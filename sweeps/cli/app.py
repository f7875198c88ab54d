"""All commands of `sweep` as one application."""

from __future__ import annotations

import typer

from sweeps.cli.commands import archive, author, explain, inspect, machine, models, run, tune

app = typer.Typer(
    help="Hyperparameter sweeps and ablation studies from one YAML file: budgeted, pruned, resumable.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for module in (run, author, inspect, explain, models, tune, archive, machine):
    app.add_typer(module.app)
