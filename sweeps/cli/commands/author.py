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
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="The study's name; asked for on a terminal.", show_default=False),
    ] = None,
    question: Annotated[str | None, typer.Option("--question", help="The question that the study answers.")] = None,
    data: Annotated[
        str | None,
        typer.Option("--data", help="The dataset: digits, cifar10, cifar100, …  [default: that of the workload]"),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", help="The model: resnet, lenet5, …  [default: that of the workload]")
    ] = None,
    budget: Budget = None,
    epochs: Annotated[
        int | None, typer.Option("--epochs", min=1, help="Epochs of a trial.  [default: those of the workload]")
    ] = None,
    device: Annotated[str | None, typer.Option("--device", metavar="auto|cpu|cuda|mps", help="Where to train.")] = None,
    search: Searches = None,
    toggle: Toggles = None,
    ablate: Annotated[
        list[str] | None,
        typer.Option("--ablate", metavar="NAME", help="Ablate a part.  [default: the first three of the baseline]"),
    ] = None,
    trials: Annotated[
        int | None, typer.Option("--trials", min=1, help="How many trials the search has.  [default: 60]")
    ] = None,
    trainings: Annotated[
        float | None, typer.Option("--trainings", min=1, help="Or its size in full trainings of the baseline.")
    ] = None,
    workload: WorkloadName = "cifar_sweep",
    out: Annotated[Path | None, typer.Option("--out", help="The file to write.  [default: studies/NAME.yaml]")] = None,
    defaults: Annotated[bool, typer.Option("--defaults", help="Ask nothing: take the defaults.")] = False,
) -> None:
    """Write a complete, commented study file that validates.

    On a terminal, each option that is not given is asked for.
    """
    from sweeps.cli.questions import asked, on_terminal
    from sweeps.io.errors import Refused
    from sweeps.validation.draft.choices import Choices
    from sweeps.validation.draft.write import write_new

    ask = on_terminal() and not defaults
    if name is None and not ask:
        raise Refused("no name for the study: write sweep new NAME")
    if trials is not None and trainings is not None:
        raise Refused("--trials and --trainings are both the size of the search: give one of them")
    choices = Choices(
        name or "", question, data, model, budget, epochs, device,
        tuple(search) if search else None, tuple(toggle or ()), tuple(ablate) if ablate else None, trials, trainings,
    )  # fmt: skip
    if ask:
        choices = asked(choices, workload, out)
    path, draft = write_new(choices, workload, out)
    typer.echo(path)
    if draft.narrowed:
        typer.echo(f"The baseline: {draft.narrowed} {', '.join(map(str, draft.study.constraints))}.")
    typer.echo(f"Next: sweep plan {path}, then sweep run {path}")


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
