"""Commands that show a study's progress and results: status, ls, show, report, compare, meta."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sweeps.artifacts.layout import SEARCH
from sweeps.cli.exit import print_json, show_best, summary
from sweeps.cli.help.completion import stage_with_trials, study_name, trial_number
from sweeps.cli.options import REPORTS, RUNS, Json, Name, ReportsDir, RunsDir

if TYPE_CHECKING:
    from sweeps.storage.results import Results
    from sweeps.trial.trial import Trial

app = typer.Typer()


@app.command()
def status(name: Name, runs_dir: RunsDir = RUNS, as_json: Json = False) -> None:
    """Show a study's progress and its best trials."""
    from sweeps.cli.lines import driver_of, stage_lines, tally
    from sweeps.cli.tables import say
    from sweeps.evidence.search.size import trainings_so_far, trials_so_far
    from sweeps.storage.runs import open_snapshot

    results = open_snapshot(runs_dir, name)
    driver = driver_of(results.folder)
    if as_json:
        print_json({**summary(results), "driver": driver})
        return
    state = _running(driver) if driver else "not running"
    has_search = bool(results.study.space.dimensions)
    parts = [f"{trials_so_far(results)} trials", trainings_so_far(results)] if has_search else []
    say(f"{results.name}: {', '.join(filter(None, [*parts, state]))}")
    say(*([tally(results)] if has_search else []), *stage_lines(results))
    show_best(results)


@app.command("ls")
def list_studies(runs_dir: RunsDir = RUNS, as_json: Json = False) -> None:
    """List the studies of the runs folder: state, stage, best trial, age."""
    from sweeps.cli.tables import console, studies_table
    from sweeps.io.errors import visible
    from sweeps.storage.runs import open_snapshots

    studies, unread = open_snapshots(runs_dir)
    if as_json:
        print_json([{**summary(results), **_place(results)} for results in studies])
    elif studies:
        console().print(studies_table(studies))
    else:
        typer.echo(f"no studies in {runs_dir}")
    for name, reason in unread.items():
        typer.echo(visible(f"{name} cannot be read: {reason}"), err=True)


@app.command()
def show(
    name: Name,
    trial: Annotated[
        int,
        typer.Argument(metavar="TRIAL", help="The trial's number.", show_default=False, autocompletion=trial_number),
    ],
    stage: Annotated[
        str, typer.Option("--stage", metavar="NAME", help="The trial's stage.", autocompletion=stage_with_trials)
    ] = SEARCH,
    runs_dir: RunsDir = RUNS,
    as_json: Json = False,
) -> None:
    """Show a trial's recipe, outcome and learning curve; of one that failed, the end of its log."""
    from sweeps.api.results import load
    from sweeps.artifacts.record import plain
    from sweeps.cli.log import log_file
    from sweeps.cli.tables import console, curve_table, trial_table
    from sweeps.formatting import metric_format
    from sweeps.storage.runs import find_trial, recipe_of

    results = load(name, runs_dir).records
    record = find_trial(results, trial, stage)
    # A trial that never started, such as a rejected one, has no recipe file.
    rows, recipe = results.rows(trial, stage), recipe_of(results, trial, stage) or dict(record.parameters)
    if as_json:
        log = log_file(results, record)
        content = {"recipe": recipe, "curves": rows, "log": str(log) if log else None}
        print_json({**plain(record), "state": record.state, **content})
        return
    out = console()
    out.print(trial_table(record, metric_format(results.study.metric, results.percentages), recipe))
    if rows:
        out.print(curve_table(rows, results.percentages))
    _print_log(results, record)


def _place(results: Results) -> dict[str, Any]:
    """Where a study stands, as plain data."""
    from sweeps.cli.lines import stage_reached, state

    times = {name: results.environment.get(name) for name in ("started", "updated")}
    return {"state": state(results) or None, "stage": stage_reached(results) or None, **times}


def _print_log(results: Results, trial: Trial) -> None:
    """Print where the log of a trial is, and its last lines if the trial has failed."""
    from sweeps.cli.log import log_file, log_tail
    from sweeps.io.errors import visible

    log = log_file(results, trial)
    for line in log_tail(log) if log and trial.status.lost else ():
        typer.echo(f"  {visible(line)}")
    if log:
        typer.echo(f"Log: {log}")


@app.command()
def report(name: Name, runs_dir: RunsDir = RUNS, reports_dir: ReportsDir = REPORTS) -> None:
    """Write the report of a study in its current state."""
    from sweeps.io.screen.working import working

    with working("reading the study") as phase:
        from sweeps.api.results import load

        results = load(name, runs_dir)
        phase("writing the report")
        page = results.report(reports_dir)
    typer.echo(page)


@app.command()
def compare(
    names: Annotated[
        list[str],
        typer.Argument(metavar="NAME...", help="Two or more studies of the runs folder.", autocompletion=study_name),
    ],
    runs_dir: RunsDir = RUNS,
    reports_dir: ReportsDir = REPORTS,
) -> None:
    """Compare studies: their differences and their results."""
    from sweeps.cli.tables import console, text_table
    from sweeps.io.screen.working import working

    with working("reading the studies") as phase:
        from sweeps.report.across.compare import compare_table, comparison_name, write_comparison

        studies, unread = _read_each(names, runs_dir)
        phase("writing the comparison")
        page = write_comparison(studies, reports_dir / comparison_name([results.name for results in studies]))
        table = compare_table(studies)
    console().print(text_table(table.columns, table.itertuples(index=False)))
    typer.echo(f"Comparison: {page}")
    _tell_left_out(unread)


@app.command()
def meta(
    names: Annotated[
        list[str],
        typer.Argument(metavar="NAME...", help="Two or more studies of the runs folder.", autocompletion=study_name),
    ],
    runs_dir: RunsDir = RUNS,
    reports_dir: ReportsDir = REPORTS,
) -> None:
    """Combine the ablations of the same components over several studies: data sets, architectures."""
    from sweeps.cli.tables import say
    from sweeps.io.screen.working import working

    with working("reading the studies") as phase:
        from sweeps.report.across.meta import write_meta

        studies, unread = _read_each(names, runs_dir)
        phase("writing the meta-analysis")
        page, combined = write_meta(studies, reports_dir)
    say(*combined.sentences)
    typer.echo(f"Meta-analysis: {page}")
    _tell_left_out(unread)


def _read_each(names: Sequence[str], runs_dir: Path) -> tuple[list[Results], list[str]]:
    """Return the results of two studies or more, and why each other one cannot be read."""
    from sweeps.storage.runs import open_each

    if len(set(names)) < 2:
        raise typer.BadParameter("name two studies or more that differ", param_hint="NAME...")
    return open_each(runs_dir, list(dict.fromkeys(names)))


def _tell_left_out(unread: Sequence[str]) -> None:
    """Say which studies were left out, and end with 1 if there are any."""
    from sweeps.cli.process import FAILED

    for reason in unread:
        typer.echo(f"left out: {reason}", err=True)
    if unread:
        raise typer.Exit(FAILED)


def _running(driver: Mapping[str, Any]) -> str:
    """Return in words which process runs a study."""
    from sweeps.formatting import in_local_time

    since = f" since {in_local_time(driver['since'])}" if driver.get("since") else ""
    return f"run by process {driver.get('pid')} on {driver.get('host')}{since}"
