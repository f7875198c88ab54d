"""Commands about data sets: data get, data check."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from sweeps.cli.exit import print_json
from sweeps.cli.options import DataDir, Json, WorkloadName
from sweeps.cli.process import FAILED

if TYPE_CHECKING:
    from sweeps.workload import DataFiles, Site, Workload

app = typer.Typer(help="Download data sets, and check their files.", no_args_is_help=True)
DataName = Annotated[
    str, typer.Argument(metavar="NAME", help="The dataset: digits, cifar10, cifar100, …", show_default=False)
]


@app.command()
def get(name: DataName, data_dir: DataDir = None, workload: WorkloadName = "cifar_sweep") -> None:
    """Download a data set, unless it is there, then check its files."""
    from sweeps.io.errors import Unavailable

    loaded, recipe, site = _data_of(name, data_dir, workload)
    try:
        loaded.fetch_data(recipe, site)
    except Unavailable as error:
        raise Unavailable(f"{error}; by hand: {loaded.data_files(recipe, site).source}") from None
    _print(name, loaded.data_files(recipe, site))


@app.command()
def check(
    name: DataName, data_dir: DataDir = None, workload: WorkloadName = "cifar_sweep", as_json: Json = False
) -> None:
    """Check the files of a data set, and say where missing ones go.

    Ends with 1 where a file is missing or damaged.
    """
    loaded, recipe, site = _data_of(name, data_dir, workload)
    files = loaded.data_files(recipe, site)
    if not as_json:
        _print(name, files)
        return
    listed = [{"path": str(file.path), "problem": file.problem} for file in files.files]
    usable = not any(file.problem for file in files.files)
    print_json({"name": name, "usable": usable, "source": files.source, "files": listed})
    if not usable:
        raise typer.Exit(FAILED)


def _data_of(name: str, data_dir: Any, workload: str) -> tuple[Workload, Any, Site]:
    """The workload, a recipe with the data set, and the folders."""
    from sweeps.io.errors import Refused
    from sweeps.prepare.environment import data_dir as data_folder
    from sweeps.recipe.schema import BadRecipe
    from sweeps.workload import Site, load

    loaded = load(workload)
    try:
        recipe = loaded.schema.validate({"data": {"name": name}})
    except BadRecipe as error:
        raise Refused(f"data set {name!r}: {error}") from None
    return loaded, recipe, Site(data_folder(data_dir), "cpu", measure=False)


def _print(name: str, files: DataFiles) -> None:
    from sweeps.formatting import count
    from sweeps.io.errors import visible

    for file in files.files:
        typer.echo(visible(f"{file.path}: {file.problem or 'ok'}"))
    wrong = [file for file in files.files if file.problem]
    if not wrong:
        typer.echo(visible(f"{name} is complete: {count(len(files.files), 'file')}; {files.source}"))
        return
    typer.echo(
        visible(f"{name} is not complete: {len(wrong)} of {count(len(files.files), 'file')} missing or damaged.")
    )
    typer.echo(visible(f"Get it with: sweep data get {name}; or by hand: {files.source}"))
    damaged = sorted({str(file.path.parent) for file in wrong if file.path.parent.exists()})
    if damaged:
        typer.echo(visible(f"A folder that is there is not downloaded again: move {', '.join(damaged)} away first."))
    raise typer.Exit(FAILED)
