"""Commands about this machine: doctor."""

from __future__ import annotations

import typer

from sweeps.cli.exit import print_json
from sweeps.cli.options import DataDir, Json
from sweeps.cli.process import FAILED

app = typer.Typer()


@app.command()
def doctor(data_dir: DataDir = None, as_json: Json = False) -> None:
    """Show what this machine has for studies: torch, GPUs, cores, memory, Ray.

    Ends with 1 where there is a GPU that torch cannot use, and says why.
    """
    from sweeps.prepare.doctor import examine
    from sweeps.prepare.environment import data_dir as data_folder

    found = examine(data_folder(data_dir))
    if as_json:
        print_json(found.plain())
    else:
        lines = found.lines()
        width = max(len(name) for name, _ in lines)
        for name, value in lines:
            typer.echo(f"{name:{width}}  {value}")
    if found.devices.missed:
        raise typer.Exit(FAILED)
