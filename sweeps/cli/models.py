"""Commands that hand out what a study has trained: predict, export."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sweeps.cli.exit import print_json
from sweeps.cli.options import RUNS, DataDir, Json, RunsDir

if TYPE_CHECKING:
    from sweeps.models.trained import TrainedModels
    from sweeps.workload import Predictions, Site, Workload

app = typer.Typer()

Model = Annotated[
    str,
    typer.Argument(
        metavar="STUDY[:TRIAL]",
        help="A study: its final model, else its incumbent or best trial. Or a run of it: digits:7, digits:final/0.",
        show_default=False,
    ),
]


@app.command()
def predict(
    model: Model,
    source: Annotated[
        Path, typer.Argument(metavar="DATA", help="Unlabelled examples: a pickle, .npz or folder.", show_default=False)
    ],
    out: Annotated[Path, typer.Option("--out", help="The CSV file to write.")] = Path("submission.csv"),
    header: Annotated[str, typer.Option("--header", metavar="ID,LABEL", help="The two titles.")] = "ID,Labels",
    tta: Annotated[
        str, typer.Option("--tta", help="Test-time augmentation: none, mirror, mirror_translate; recipe: the recipe's.")
    ] = "recipe",
    ensemble: Annotated[
        bool, typer.Option("--ensemble", help="Average the probabilities over all runs of the recipe.")
    ] = False,
    names: Annotated[bool, typer.Option("--names", help="Write names of classes instead of their indices.")] = False,
    data_dir: DataDir = None,
    runs_dir: RunsDir = RUNS,
    as_json: Json = False,
) -> None:
    """Predict the classes of unlabelled examples, and warn where they are unlike those of training."""
    from sweeps.io.escape import visible
    from sweeps.models.trained import deliver, in_words

    titles = _titles(header)
    delivery = deliver(runs_dir, model, ensemble)
    workload, site = _where(delivery, data_dir)
    recipe = workload.schema.validate(delivery.settings)
    with _refusals():
        found = workload.predict(recipe, delivery.folders, site, source, tta)
    write_predictions(out, titles, found, names)
    for warning in found.warnings:
        typer.echo(f"warning: {visible(warning)}", err=True)
    if as_json:
        runs = [f"{run.stage}/{run.number}" for run in delivery.runs]
        told = {"study": delivery.results.name, "runs": runs, "predictions": len(found.labels)}
        print_json({**told, "out": str(out), "classes": _histogram(found), "warnings": list(found.warnings)})
        return
    typer.echo(f"{out}: {len(found.labels):,} predictions by {in_words(delivery)}")


@app.command()
def export(
    model: Model,
    out: Annotated[Path, typer.Option("--out", help="The folder to write.", show_default=False)],
    form: Annotated[
        str, typer.Option("--format", help="safetensors, onnx, torchscript or torch.export.")
    ] = "safetensors",
    data_dir: DataDir = None,
    runs_dir: RunsDir = RUNS,
    as_json: Json = False,
) -> None:
    """Write a trained model for other programs, with a card that says what it is, and check what was written."""
    from sweeps.io.escape import one_line
    from sweeps.io.files import write_atomic
    from sweeps.models.card import card, recipe_text
    from sweeps.models.trained import deliver

    delivery = deliver(runs_dir, model)
    workload, site = _where(delivery, data_dir)
    recipe = workload.schema.validate(delivery.settings)
    out.mkdir(parents=True, exist_ok=True)
    with _refusals():
        exported = workload.export(recipe, delivery.folders[0], site, form, out)
    write_atomic(out / "recipe.yaml", recipe_text(delivery.settings))
    write_atomic(out / "classes.txt", "".join(f"{one_line(name)}\n" for name in exported.names))
    write_atomic(out / "README.md", card(delivery, exported))
    if as_json:
        told = {"difference": exported.difference, "tolerance": exported.tolerance, "file": str(exported.file)}
        print_json({"study": delivery.results.name, "runs": [f"{r.stage}/{r.number}" for r in delivery.runs], **told})
        return
    typer.echo(f"{exported.file}: {delivery.origin}")
    same = f"largest difference {exported.difference:.2g}, allowed {exported.tolerance:.2g}"
    typer.echo(f"Loaded again, it gives the same {exported.unit}: {same}. What it is: {out / 'README.md'}")


def _titles(header: str) -> list[str]:
    titles = [title.strip() for title in header.split(",")]
    if len(titles) != 2 or not all(titles):
        raise typer.BadParameter(f"give two titles, as ID,Labels, but got {header!r}", param_hint="--header")
    return titles


def _where(delivery: TrainedModels, data_dir: Path | None) -> tuple[Workload, Site]:
    """The workload of a study and the machine that is here."""
    from sweeps.prepare import environment as sites
    from sweeps.workload import Site, load

    study = delivery.results.study
    device = "cuda" if study.resources.gpu != 0 and sites.gpu_count() else "cpu"
    return load(study.workload), Site(sites.data_dir(data_dir), device)


@contextmanager
def _refusals() -> Iterator[None]:
    """What a workload cannot do with what it was given is told as any mistake is."""
    from sweeps.models.trained import Refused

    try:
        yield
    except ValueError as error:
        raise Refused(str(error)) from error


def write_predictions(out: Path, titles: list[str], found: Predictions, names: bool) -> None:
    """The predictions as CSV, in the order of the examples; no cell is taken for a formula."""
    from sweeps.io.escape import csv_cell
    from sweeps.io.files import write_atomic

    labels = [csv_cell(found.names[label]) if names else label for label in found.labels]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(csv_cell, titles))
    writer.writerows(zip(map(csv_cell, found.ids), labels, strict=True))
    out.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(out, text.getvalue())


def _histogram(found: Predictions) -> dict[str, int]:
    counts = Counter(found.labels)
    return {name: counts[label] for label, name in enumerate(found.names)}
