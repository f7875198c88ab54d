"""Commands that check and write study files: validate, schema, toggles, new."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sweeps.cli.exit import print_json
from sweeps.cli.options import RUNS, Budget, Json, Searches, Sets, StudyFile, Toggles, WorkloadName

if TYPE_CHECKING:
    from sweeps.study.study import Study

app = typer.Typer()


@app.command()
def validate(study: StudyFile, sets: Sets = None) -> None:
    """Check a study file and list every mistake in it."""
    from sweeps.api.study import Study
    from sweeps.cli.study_file import study_file

    file = study_file(study, RUNS)
    checked = Study.from_file(file, assignments=sets or ())
    typer.echo(f"ok: {file}: {'; '.join(_stage_summaries(checked.definition))}")
    for warning in checked.warnings():
        typer.echo(f"warning: {warning}", err=True)


@app.command()
def schema(
    workload: WorkloadName = "cifar_sweep",
    out: Annotated[Path | None, typer.Option("--out", help="The file to write.  [default: stdout]")] = None,
) -> None:
    """Print the JSON Schema of study files, for editors."""
    from sweeps.validation.authoring import schema_text

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
        print_json(edits)
        return
    width = max(map(len, edits), default=0)
    for name, edit in edits.items():
        typer.echo(f"{name:{width}}  " + "  ".join(f"{key}={json.dumps(value)}" for key, value in edit.items()))


@app.command()
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The study's name.", show_default=False)],
    data: Annotated[
        str | None,
        typer.Option("--data", help="The dataset: digits, cifar10, cifar100, …  [default: that of the workload]"),
    ] = None,
    search: Searches = None,
    toggle: Toggles = None,
    budget: Budget = None,
    trials: Annotated[int, typer.Option("--trials", min=1, help="How many trials the search has.")] = 60,
    workload: WorkloadName = "cifar_sweep",
    out: Annotated[Path | None, typer.Option("--out", help="The file to write.  [default: studies/NAME.yaml]")] = None,
) -> None:
    """Write a commented study file that validates."""
    from sweeps.validation.authoring import write_new

    path = write_new(name, data, search or (), toggle or (), budget, trials, workload, out)
    typer.echo(f"{path}\nNext: sweep run {path}")


def _stage_summaries(study: Study) -> list[str]:
    """Each stage of a study in a few words, in the order in which they run."""
    from sweeps.formatting import count, size_of_search
    from sweeps.study.stages import fresh_runs

    size, confirm, ablation, final = study.space.size, study.confirm, study.ablation, study.final
    configurations = "infinitely many configurations" if size is None else count(size, "configuration")
    stages = []
    if study.space.dimensions:
        stages.append(f"{study.method} over {configurations}, {size_of_search(study)}")
    if confirm is not None:
        fresh = fresh_runs(study, confirm.top)
        again = f", the chosen one on {fresh} more" if fresh else ""
        stages.append(f"confirm the best {confirm.top} on {confirm.seeds} seeds{again}")
    if ablation is not None:
        seeds = ablation.seeds if isinstance(ablation.seeds, int) else f"{ablation.seeds.min} to {ablation.seeds.max}"
        stages.append(f"ablation ({ablation.design}) on {seeds} seeds")
    if final is not None:
        stages.append(f"final on {final.seeds} seeds")
    return stages
