"""Commands that show what studies have found: status, ls, show, report, compare."""

from __future__ import annotations

from typing import Annotated

import typer

from sweeps.cli.exit import print_json, show_best, summary
from sweeps.cli.options import REPORTS, RUNS, Json, Name, ReportsDir, RunsDir

app = typer.Typer()


@app.command()
def status(name: Name, runs_dir: RunsDir = RUNS, as_json: Json = False) -> None:
    """How far a study is."""
    from sweeps.cli import tables as terminal
    from sweeps.io.errors import visible
    from sweeps.io.lock import holder
    from sweeps.storage.runs import glance_at

    results = glance_at(runs_dir, name)
    driver = holder(results.folder)
    if as_json:
        print_json({**summary(results), "driver": driver})
        return
    out = terminal.console()
    by = f"run by process {driver.get('pid')} on {driver.get('host')}" if driver else "not running"
    searched = bool(results.study.space.dimensions)
    trials = f"{results.counted}/{results.study.run_cap} trials, " if searched else ""
    out.print(f"{results.name}: {trials}{visible(by)}", markup=False, highlight=False)
    if searched:
        out.print(terminal.tally(results), highlight=False)
    for line in terminal.stage_lines(results):
        out.print(line, highlight=False)
    show_best(results)


@app.command("ls")
def list_studies(runs_dir: RunsDir = RUNS, as_json: Json = False) -> None:
    """The studies of the runs folder."""
    from sweeps.cli import tables as terminal
    from sweeps.io.errors import UserError
    from sweeps.storage.runs import glance_at, names

    found, unreadable = [], {}
    for name in names(runs_dir):
        try:
            found.append(glance_at(runs_dir, name))
        except UserError as error:
            unreadable[name] = str(error)
    if as_json:
        print_json([summary(results) for results in found])
    elif found:
        terminal.console().print(terminal.studies_table(found))
    elif not unreadable:
        typer.echo(f"no studies in {runs_dir}")
    for name, reason in unreadable.items():
        typer.echo(f"{name} cannot be read: {reason}", err=True)


@app.command()
def show(
    name: Name,
    trial: Annotated[int, typer.Argument(metavar="TRIAL", help="The trial's number.", show_default=False)],
    stage: Annotated[str, typer.Option("--stage", metavar="NAME", help="The stage that the trial is of.")] = "search",
    runs_dir: RunsDir = RUNS,
    as_json: Json = False,
) -> None:
    """One trial: its recipe, how it ended, and its learning curve."""
    from sweeps.artifacts.record import plain
    from sweeps.cli import tables as terminal
    from sweeps.storage.runs import find_trial, open_results, recipe_of

    results = open_results(runs_dir, name)
    found = find_trial(results, trial, stage)
    rows, recipe = results.rows(trial, stage), recipe_of(results, trial, stage) or dict(found.parameters)
    if as_json:
        print_json({**plain(found), "recipe": recipe, "curves": rows})
        return
    out = terminal.console()
    out.print(terminal.trial_table(found, results.study.metric, recipe))
    if rows:
        out.print(terminal.curve_table(rows))


@app.command()
def report(name: Name, runs_dir: RunsDir = RUNS, reports_dir: ReportsDir = REPORTS) -> None:
    """Write the report of a study as it stands."""
    from sweeps.engine.launch import write_report
    from sweeps.storage.runs import open_results

    typer.echo(write_report(open_results(runs_dir, name), reports_dir))


@app.command()
def compare(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Studies in the runs folder.")],
    runs_dir: RunsDir = RUNS,
    reports_dir: ReportsDir = REPORTS,
) -> None:
    """Set studies side by side: what differs between them, and what they found."""
    from sweeps.cli import tables as terminal
    from sweeps.report.compare import compare_table, write_comparison
    from sweeps.storage.runs import open_results

    if len(set(names)) < 2:
        raise typer.BadParameter("name two studies or more that differ", param_hint="NAME...")
    found = [open_results(runs_dir, name) for name in dict.fromkeys(names)]
    page = write_comparison(found, reports_dir / "-vs-".join(results.name for results in found)[:120])
    table = compare_table(found)
    terminal.console().print(terminal.text_table(table.columns, table.itertuples(index=False)))
    typer.echo(f"Comparison: {page}")
