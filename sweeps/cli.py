"""The command line. Heavy imports happen inside the commands, so that help and mistakes come at once."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from sweeps.launch import Launched, Options
    from sweeps.results import Results
    from sweeps.study import Study
    from sweeps.workload import Workload

COMPLETE, FAILED, BAD_INPUT, RESUMABLE, INTERRUPTED = 0, 1, 2, 75, 130

app = typer.Typer(
    help="Ablations and hyperparameter sweeps that stand: budgeted, pruned, resumable, from one YAML file.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

StudyFile = Annotated[Path, typer.Argument(metavar="STUDY", help="The study file.", show_default=False)]
Name = Annotated[
    str, typer.Argument(metavar="NAME", help="The name of a study in the runs folder.", show_default=False)
]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override any setting: run_cap=8, epochs=4, model.widths=[16,32]."),
]
Searches = Annotated[
    list[str] | None,
    typer.Option("--search", metavar="KEY=RANGE", help="Search a setting: optimizer.lr=log:1e-4..1e-1, epochs=[4,8]."),
]
Toggles = Annotated[
    list[str] | None,
    typer.Option("--toggle", metavar="NAME", help="Search a part on and off; `sweep toggles` lists the parts."),
]
Budget = Annotated[str | None, typer.Option("--budget", metavar="N", help="Limit of the parameters: 5M, 250_000.")]
RunnerKind = Annotated[str, typer.Option("--runner", metavar="ray|inline", help="Ray Tune, or this process alone.")]
Workers = Annotated[int | None, typer.Option("--workers", min=1, help="Trials at once.  [default: as many as fit]")]
Address = Annotated[
    str | None, typer.Option("--ray-address", help="A running Ray cluster.  [default: a Ray of our own]")
]
DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", help="The data folder.  [default: $SWEEP_DATA, else the user's cache folder]"),
]
RunsDir = Annotated[Path, typer.Option("--runs-dir", help="Where studies are kept.")]
ReportsDir = Annotated[Path, typer.Option("--reports-dir", help="Where reports are written.")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Start anew; the old folder is kept under another name.")]
Smoke = Annotated[
    bool, typer.Option("--smoke", help="Two trials of one epoch on few images, in a folder of their own.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress.")]
StageName = Annotated[
    str | None,
    typer.Option("--stage", metavar="NAME", help="Run one stage only: search, confirm, ablation or final."),
]
NoCache = Annotated[bool, typer.Option("--no-cache", help="Train also what the runs folder has from another study.")]
OpenAgain = Annotated[
    bool, typer.Option("--open-again", help="Open the test set although this study has opened it before.")
]
WorkloadName = Annotated[str, typer.Option("--workload", help="What is trained.")]

GO_ON = "run the same command again to go on"
RUNS, REPORTS = Path("runs"), Path("reports")


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
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Run a study, or continue it where it was interrupted; then write its report."""
    from sweeps.launch import Folders, Options
    from sweeps.request import Edits, load_study

    loaded, workload = load_study(study, Edits(sets or (), search or (), toggle or (), budget))
    options = Options(
        folders=Folders(runs_dir, reports_dir, data_dir),
        runner=_kind(runner),
        workers=workers,
        ray_address=ray_address,
        fresh=fresh,
        smoke=smoke,
        quiet=quiet,
        stage=stage,
        cache=not no_cache,
        open_again=open_again,
    )
    _launch(loaded, workload, options, as_json)


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
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Continue a study by its name."""
    _resume(name, runs_dir, reports_dir, data_dir, runner, workers, ray_address, stage, open_again, as_json, quiet)


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
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train a study's incumbent on all but the test set, then open that once."""
    _resume(name, runs_dir, reports_dir, data_dir, runner, workers, ray_address, "final", open_again, as_json, quiet)


@app.command()
def plan(
    study: StudyFile,
    sets: Sets = None,
    search: Searches = None,
    toggle: Toggles = None,
    budget: Budget = None,
    workers: Workers = None,
    data_dir: DataDir = None,
    no_probe: Annotated[bool, typer.Option("--no-probe", help="Train no epoch to see how long it takes.")] = False,
    as_json: Json = False,
) -> None:
    """What a study will take and what it could show, before anything is spent."""
    from sweeps.plan import plan as planned
    from sweeps.plan import render
    from sweeps.request import Edits, load_study
    from sweeps.site import data_dir as data_folder
    from sweeps.terminal import console

    loaded, workload = load_study(study, Edits(sets or (), search or (), toggle or (), budget))
    found = planned(loaded, workload, data_folder(data_dir), probing=not no_probe, workers=workers)
    if as_json:
        _print_json(found.plain())
    else:
        console().print(render(found))


@app.command()
def compare(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Studies in the runs folder.")],
    runs_dir: RunsDir = RUNS,
    reports_dir: ReportsDir = REPORTS,
) -> None:
    """Set studies side by side: what differs between them, and what they found."""
    from sweeps import terminal
    from sweeps.report.compare import compare_table, write_comparison
    from sweeps.runs import open_results

    if len(set(names)) < 2:
        raise typer.BadParameter("name two studies or more that differ", param_hint="NAME...")
    found = [open_results(runs_dir, name) for name in dict.fromkeys(names)]
    page = write_comparison(found, reports_dir / "-vs-".join(results.name for results in found)[:120])
    table = compare_table(found)
    terminal.console().print(terminal.text_table(table.columns, table.itertuples(index=False)))
    typer.echo(f"Comparison: {page}")


@app.command()
def validate(study: StudyFile, sets: Sets = None) -> None:
    """Check a study file against its workload: every mistake at once, or "ok"."""
    from sweeps.cautions import warnings
    from sweeps.request import Edits, load_study

    loaded, _ = load_study(study, Edits(sets or ()))
    typer.echo(f"ok: {study}: {'; '.join(_stages_in_words(loaded))}")
    for warning in warnings(loaded):
        typer.echo(f"warning: {warning}", err=True)


@app.command()
def schema(
    workload: WorkloadName = "cifar_sweep",
    out: Annotated[Path | None, typer.Option("--out", help="Write it to a file.  [default: stdout]")] = None,
) -> None:
    """Print the JSON Schema of study files, for editors."""
    from sweeps.authoring import schema_text

    content = schema_text(workload)
    if out is None:
        typer.echo(content, nl=False)
    else:
        out.write_text(content, encoding="utf-8")


@app.command()
def toggles(workload: WorkloadName = "cifar_sweep", as_json: Json = False) -> None:
    """List the parts that a workload can train without."""
    from sweeps.workload import load

    edits = load(workload).toggles()
    if as_json:
        _print_json(edits)
        return
    width = max(map(len, edits), default=0)
    for name, edit in edits.items():
        typer.echo(f"{name:{width}}  " + "  ".join(f"{key}={json.dumps(value)}" for key, value in edit.items()))


@app.command()
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The study's name.", show_default=False)],
    data: Annotated[str, typer.Option("--data", help="The data set: digits, cifar10, cifar100, …")] = "cifar10",
    search: Searches = None,
    toggle: Toggles = None,
    budget: Budget = None,
    trials: Annotated[int, typer.Option("--trials", min=1, help="How many trials.")] = 60,
    workload: WorkloadName = "cifar_sweep",
    out: Annotated[Path | None, typer.Option("--out", help="The file.  [default: studies/NAME.yaml]")] = None,
) -> None:
    """Write a commented study file that validates."""
    from sweeps.authoring import write_new

    path = write_new(name, data, search or (), toggle or (), budget, trials, workload, out)
    typer.echo(f"{path}\nNext: sweep run {path}")


@app.command()
def status(name: Name, runs_dir: RunsDir = RUNS, as_json: Json = False) -> None:
    """How far a study is."""
    from sweeps import terminal
    from sweeps.lock import holder
    from sweeps.runs import open_results

    results = open_results(runs_dir, name)
    driver = holder(results.folder)
    if as_json:
        _print_json({**_summary(results), "driver": driver})
        return
    out = terminal.console()
    by = f"run by process {driver.get('pid')} on {driver.get('host')}" if driver else "not running"
    searched = bool(results.study.space.dimensions)
    trials = f"{results.counted}/{results.study.run_cap} trials, " if searched else ""
    out.print(f"{results.name}: {trials}{by}", highlight=False)
    if searched:
        out.print(terminal.tally(results), highlight=False)
    for line in terminal.stage_lines(results):
        out.print(line, highlight=False)
    _show_best(results)


@app.command("ls")
def list_studies(runs_dir: RunsDir = RUNS, as_json: Json = False) -> None:
    """The studies of the runs folder."""
    from sweeps import terminal
    from sweeps.errors import UserError
    from sweeps.runs import names, open_results

    found, unreadable = [], {}
    for name in names(runs_dir):
        try:
            found.append(open_results(runs_dir, name))
        except UserError as error:
            unreadable[name] = str(error)
    if as_json:
        _print_json([_summary(results) for results in found])
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
    from sweeps import terminal
    from sweeps.record import plain
    from sweeps.runs import find_trial, open_results, recipe_of

    results = open_results(runs_dir, name)
    found = find_trial(results, trial, stage)
    rows, recipe = results.rows(trial, stage), recipe_of(results, trial, stage) or dict(found.parameters)
    if as_json:
        _print_json({**plain(found), "recipe": recipe, "curves": rows})
        return
    out = terminal.console()
    out.print(terminal.trial_table(found, results.study.metric, recipe))
    if rows:
        out.print(terminal.curve_table(rows))


@app.command()
def report(name: Name, runs_dir: RunsDir = RUNS, reports_dir: ReportsDir = REPORTS) -> None:
    """Write the report of a study as it stands."""
    from sweeps.launch import write_report
    from sweeps.runs import open_results

    typer.echo(write_report(open_results(runs_dir, name), reports_dir))


def main() -> None:
    """The entry point: every mistake of the user is one message on stderr and exit code 2."""
    from sweeps.errors import UserError

    try:
        app()
    except UserError as error:
        typer.echo(f"error: {error}", err=True)
        raise SystemExit(BAD_INPUT) from None
    except OSError as error:  # a full disk, a folder taken away
        typer.echo(f"error: {error}", err=True)
        raise SystemExit(FAILED) from None


def _kind(runner: str) -> str:
    if runner not in ("ray", "inline"):
        raise typer.BadParameter(f"{runner!r} is not a runner; choose ray or inline", param_hint="--runner")
    return runner


def _resume(
    name: str,
    runs_dir: Path,
    reports_dir: Path,
    data_dir: Path | None,
    runner: str,
    workers: int | None,
    ray_address: str | None,
    stage: str | None,
    open_again: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    from sweeps.launch import Folders, Options, resume_study

    study, workload = resume_study(runs_dir, name)
    options = Options(
        folders=Folders(runs_dir, reports_dir, data_dir),
        runner=_kind(runner),
        workers=workers,
        ray_address=ray_address,
        quiet=quiet,
        stage=stage,
        open_again=open_again,
    )
    _launch(study, workload, options, as_json, name)


def _launch(study: Study, workload: Workload, options: Options, as_json: bool, name: str | None = None) -> None:
    from sweeps.cautions import warnings
    from sweeps.launch import Stopped, launch

    for warning in warnings(study):
        typer.echo(f"warning: {warning}", err=True)
    try:
        launched = launch(study, workload, options, name)
    except KeyboardInterrupt:
        typer.echo(f"stopped at once; {GO_ON}", err=True)
        raise typer.Exit(INTERRUPTED) from None
    except Stopped as stopped:
        typer.echo(f"stopped by {stopped}; {GO_ON}", err=True)
        raise typer.Exit(RESUMABLE) from None
    results, finish = launched.finish.results, launched.finish
    if as_json:
        _print_json({**_summary(results), "report": str(launched.report), "complete": finish.complete})
    else:
        _conclude(launched)
    if finish.failure:
        typer.echo(f"error: {finish.failure}", err=True)
        raise typer.Exit(FAILED)
    if finish.signal is not None:
        typer.echo(f"stopped by {finish.signal.name}; {GO_ON}", err=True)
        raise typer.Exit(INTERRUPTED if finish.signal.name == "SIGINT" else RESUMABLE)
    if finish.exhausted:
        spent = f"{results.study.budget.gpu_hours:g} hours of budget.gpu_hours"
        typer.echo(f"stopped in the {finish.exhausted}: {spent} are spent; raise them to go on", err=True)
        raise typer.Exit(RESUMABLE)


def _not_acted_on(study: Study) -> list[str]:
    """The parts of a study that this version reads but does not act on."""
    return ["trial_timeout"] if study.trial_timeout is not None else []


def _conclude(launched: Launched) -> None:
    from sweeps.trial import Status

    results, finish = launched.finish.results, launched.finish
    ended = sum(trial.status is not Status.RUNNING for trial in results.everything)
    if finish.complete and launched.ended_before == ended:
        typer.echo(f"{results.name} was finished already; nothing was run.")
    _show_best(results)
    if "search" in finish.cut:
        typer.echo(f"The search ended at its share of the budget after {results.counted} trials.")
    elif finish.complete and 0 < results.counted < results.study.run_cap:
        typer.echo(f"No configuration is left to try after {results.counted} of {results.study.run_cap} trials.")
    if ignored := _not_acted_on(results.study):
        typer.echo(f"Not acted on by this version: {', '.join(ignored)}.")
    typer.echo(f"Report: {launched.report}")


def _show_best(results: Results) -> None:
    from sweeps import terminal
    from sweeps.report.findings import Findings
    from sweeps.report.verdicts import evidence_answer

    for sentence in evidence_answer(Findings.of(results)):
        typer.echo(sentence)
    if results.study.space.dimensions:
        typer.echo(terminal.answer(results))
    if results.ranked():
        terminal.console().print(terminal.best_table(results))


def _stages_in_words(study: Study) -> list[str]:
    size, confirm, ablation, final = study.space.size, study.confirm, study.ablation, study.final
    configurations = "infinitely many" if size is None else f"{size:,}"
    said = [f"{study.method} over {configurations} configurations, {study.run_cap} trials"]
    if not study.space.dimensions:
        said.clear()
    if confirm is not None:
        said.append(f"confirm the best {confirm.top} on {confirm.seeds} seeds")
    if ablation is not None:
        seeds = ablation.seeds if isinstance(ablation.seeds, int) else f"{ablation.seeds.min} to {ablation.seeds.max}"
        said.append(f"ablation ({ablation.design}) on {seeds} seeds")
    return [*said, f"final on {final.seeds} seeds"] if final is not None else said


def _summary(results: Results) -> dict[str, Any]:
    from sweeps.record import plain
    from sweeps.report.findings import Findings
    from sweeps.report.verdicts import evidence_answer

    ranked = results.ranked()
    return {
        "study": results.name,
        "question": results.study.question,
        "metric": results.study.metric.name,
        "run_cap": results.study.run_cap,
        "counted": results.counted,
        "counts": {status.value: n for status, n in results.counts().items()},
        "best": plain(ranked[0]) if ranked else None,
        "stages": {name: len(stage.trials) for name, stage in results.stages.items()},
        "answer": evidence_answer(Findings.of(results)),
    }


def _print_json(content: Any) -> None:
    json.dump(_finite(content), sys.stdout, indent=2, allow_nan=False)
    sys.stdout.write("\n")


def _finite(content: Any) -> Any:
    """`content` with null for NaN and infinity, which JSON does not have."""
    if isinstance(content, dict):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content
