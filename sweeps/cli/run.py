"""Commands that run and plan studies: run, resume, final, repair, plan."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
    ReportsDir,
    RunnerKind,
    RunsDir,
    Searches,
    Sets,
    Smoke,
    StageName,
    StudyFile,
    Toggles,
    Workers,
)

if TYPE_CHECKING:
    from sweeps.engine.launch import Options

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
    accept_drift: AcceptDrift = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Run or continue a study, then write its report."""
    from sweeps.validation.loading import Edits, load_study

    loaded, workload = load_study(study, Edits(sets or (), search or (), toggle or (), budget))
    options = _options(runs_dir, reports_dir, data_dir, runner, workers, ray_address, quiet)
    options = replace(options, fresh=fresh, smoke=smoke, stage=stage, cache=not no_cache)
    options = replace(options, open_again=open_again, accept_drift=accept_drift)
    carry_out(loaded, workload, options, as_json)


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
) -> None:
    """Continue a study by its name, then write its report."""
    options = _options(runs_dir, reports_dir, data_dir, runner, workers, ray_address, quiet)
    _resume(name, replace(options, stage=stage, open_again=open_again, accept_drift=accept_drift), as_json)


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
) -> None:
    """Train the final models and evaluate them on the test set.

    They are trained on everything but the test set, which a study opens once.
    """
    options = _options(runs_dir, reports_dir, data_dir, runner, workers, ray_address, quiet)
    _resume(name, replace(options, stage=FINAL, open_again=open_again, accept_drift=accept_drift), as_json)


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
    from sweeps.cli.tables import console
    from sweeps.forecast import plan as forecast
    from sweeps.forecast import render
    from sweeps.prepare.environment import data_dir as data_folder
    from sweeps.validation.loading import Edits, load_study

    loaded, workload = load_study(study, Edits(sets or (), search or (), toggle or (), budget))
    study_plan = forecast(loaded, workload, data_folder(data_dir), probing=not no_probe, workers=workers)
    if as_json:
        print_json(study_plan.plain())
    else:
        console().print(render(study_plan))


def _resume(name: str, options: Options, as_json: bool) -> None:
    from sweeps.engine.launch import resume_study

    study, workload = resume_study(options.folders.runs, name)
    carry_out(study, workload, options, as_json, name)


def _options(
    runs_dir: Path,
    reports_dir: Path,
    data_dir: Path | None,
    runner: str,
    workers: int | None,
    ray_address: str | None,
    quiet: bool,
) -> Options:
    from sweeps.engine.launch import Folders, Options

    folders = Folders(runs_dir, reports_dir, data_dir)
    return Options(folders, _kind(runner), workers, ray_address, quiet=quiet)


def _kind(runner: str) -> str:
    if runner not in ("ray", "inline"):
        raise typer.BadParameter(f"{runner!r} is not a runner; choose ray or inline", param_hint="--runner")
    return runner
