"""Commands about this machine: doctor, data."""

from __future__ import annotations

import typer

from sweeps.cli.commands import data
from sweeps.cli.exit import print_json
from sweeps.cli.options import DataDir, Json
from sweeps.cli.process import FAILED

app = typer.Typer()
app.add_typer(data.app, name="data")


@app.command()
def doctor(data_dir: DataDir = None, as_json: Json = False) -> None:
    """Show what this machine has for studies, what is wrong with it, and the command that mends it.

    Ends with 1 where something keeps studies from running: a torchvision built for another torch, a GPU that torch
    cannot use, a full disk.
    """
    from sweeps.io.errors import visible
    from sweeps.prepare.doctor import examine, summary
    from sweeps.prepare.environment import data_dir as data_folder

    examined = examine(data_folder(data_dir))
    if as_json:
        print_json(examined.plain())
    else:
        lines = examined.lines()
        width = max(len(name) for name, _ in lines)
        for name, value in lines:
            typer.echo(visible(f"{name:{width}}  {value}"))
        typer.echo(f"\n{summary(examined)}")
        for finding in examined.findings:
            typer.echo(visible(f"{finding.level}: {finding.subject}: {finding.text}\n  fix: {finding.fix}"))
    if not examined.usable:
        raise typer.Exit(FAILED)
