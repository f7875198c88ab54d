"""Commands that run and plan studies: run, resume, final, repair, plan."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from sweeps.artifacts.layout import FINAL
from sweeps.cli.exit import carry_out, print_json
from sweeps.cli.options import (
    REPORTS,
    RUNS,
    AcceptDrift,
    Address,
    Budget,
    DataDir,
    Fresh,
    Json,
    Name,
    NoCache,
    OpenAgain,
    Quiet,
    Repeat,
    ReportsDir,
    RunnerKind,
    RunsDir,
    Searches,
    Sets,
    Smoke,
    StageName,
    StudyFile,
    Toggles,
    Verbose,
    Workers,
)

app = typer.Typer()


@app.command()
def run(
    study: StudyFile,
    sets: Sets = None,
    search: Searches = None,
    toggle: Toggles = None,
    budget: Budget = None,
    runner: RunnerKind = "ray",
    workers: Workers = None,
    data_dir: DataDir = None,
    runs_dir: RunsDir = RUNS,
    reports_dir: ReportsDir = REPORTS,
    ray_address: Address = None,
    fresh: Fresh = False,
    smoke: Smoke = False,
    stage: StageName = None,
    no_cache: NoCache = False,
    open_again: OpenAgain = False,
    repeat: Repeat = None,
    accept_drift: AcceptDrift = False,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Run or continue a study, then write its report."""
    from sweeps.api.study import Study
    from sweeps.cli.study_file import study_file

    file = study_file(study, runs_dir)
    checked = Study.from_file(file, assignments=sets or (), search=search or (), toggles=toggle or (), budget=budget)
    options = _options(runs_dir, reports_dir, data_dir, runner, workers, ray_address, quiet, verbose)
    options |= {"fresh": fresh, "smoke": smoke, "stage": stage, "cache": not no_cache, "repeat": repeat or 0}
    carry_out(checked, as_json, **options, open_again=open_again, accept_drift=accept_drift)


@app.command()
def resume(
    name: Name,
    runner: RunnerKind = "ray",
    workers: Workers = None,
    data_dir: DataDir = None,
    runs_dir: RunsDir = RUNS,
    reports_dir: ReportsDir = REPORTS,
    ray_address: Address = None,
    stage: StageName = None,
    open_again: OpenAgain = False,
    accept_drift: AcceptDrift = False,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Continue a study by its name, then write its report."""
    options = _options(runs_dir, reports_dir, data_dir, runner, workers, ray_address, quiet, verbose)
    _resume(name, as_json, **options, stage=stage, open_again=open_again, accept_drift=accept_drift)


@app.command()
def final(
    name: Name,
    runner: RunnerKind = "ray",
    workers: Workers = None,
    data_dir: DataDir = None,
    runs_dir: RunsDir = RUNS,
    reports_dir: ReportsDir = REPORTS,
    ray_address: Address = None,
    open_again: OpenAgain = False,
    accept_drift: AcceptDrift = False,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Train the final models and evaluate them on the test set.

    They are trained on everything but the test set, which a study opens once.
    """
    options = _options(runs_dir, reports_dir, data_dir, runner, workers, ray_address, quiet, verbose)
    _resume(name, as_json, **options, stage=FINAL, open_again=open_again, accept_drift=accept_drift)


@app.command()
def repair(name: Name, runs_dir: RunsDir = RUNS) -> None:
    """Rebuild a damaged study's storage from its trial records."""
    from sweeps.engine.repair import in_words
    from sweeps.engine.repair import repair as rebuild

    repaired = rebuild(runs_dir, name)
    if repaired is None:
        typer.echo(f"{name}: the storage and all records agree; nothing to repair.")
        return
    typer.echo(in_words(repaired))
    typer.echo(f"`sweep resume {name}` continues the study.")


@app.command()
def plan(
    study: StudyFile,
    sets: Sets = None,
    search: Searches = None,
    toggle: Toggles = None,
    budget: Budget = None,
    workers: Workers = None,
    data_dir: DataDir = None,
    no_probe: Annotated[
        bool, typer.Option("--no-probe", help="Do not train two epochs to measure their time.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Forecast a study's runs, time, cost and statistical power.

    Trains two epochs of the baseline to measure their time, and keeps nothing.
    """
    from sweeps.api.study import Study
    from sweeps.cli.study_file import study_file
    from sweeps.cli.tables import console
    from sweeps.io.screen.working import working

    file = study_file(study, RUNS)
    checked = Study.from_file(file, assignments=sets or (), search=search or (), toggles=toggle or (), budget=budget)
    with working("importing the workload") as phase:
        from sweeps.forecast import render

        study_plan = checked.forecast(data_dir=data_dir, probe=not no_probe, workers=workers, notify=phase)
    if as_json:
        print_json(study_plan.plain())
    else:
        console().print(render(study_plan), crop=False)


def _resume(name: str, as_json: bool, *, runs_dir: Path, **options: Any) -> None:
    from sweeps.api.study import Study

    carry_out(Study.from_run(name, runs_dir), as_json, runs_dir=runs_dir, name=name, **options)


def _options(
    runs_dir: Path,
    reports_dir: Path,
    data_dir: Path | None,
    runner: str,
    workers: int | None,
    ray_address: str | None,
    quiet: bool,
    verbose: bool,
) -> dict[str, Any]:
    """The arguments of `sweeps.run` that all commands share."""
    from sweeps.runners.startup import RUNNERS

    if runner not in RUNNERS:
        raise typer.BadParameter(f"{runner!r} is not a runner; choose {' or '.join(RUNNERS)}", param_hint="--runner")
    if quiet and verbose:
        raise typer.BadParameter("give one of --quiet and --verbose, not both", param_hint="--verbose")
    folders = {"runs_dir": runs_dir, "reports_dir": reports_dir, "data_dir": data_dir}
    command = shlex.join(["sweep", *sys.argv[1:]])
    others = {"workers": workers, "ray_address": ray_address, "quiet": quiet, "verbose": verbose, "command": command}
    return {**folders, "runner": runner, **others}
