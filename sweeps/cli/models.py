"""Commands that use the trained models of a study: predict, export."""

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
        help="A study: its final model, else its incumbent or best trial. Or one run: digits:7, digits:final/0.",
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
    header: Annotated[
        str, typer.Option("--header", metavar="ID,LABEL", help="The titles of the two columns.")
    ] = "ID,Labels",
    tta: Annotated[
        str,
        typer.Option("--tta", help="Test-time augmentation: none, mirror, mirror_translate, or recipe: the recipe's."),
    ] = "recipe",
    ensemble: Annotated[
        bool, typer.Option("--ensemble", help="Average the probabilities over all runs of the recipe.")
    ] = False,
    names: Annotated[bool, typer.Option("--names", help="Write class names instead of indices.")] = False,
    data_dir: DataDir = None,
    runs_dir: RunsDir = RUNS,
    as_json: Json = False,
) -> None:
    """Predict the classes of unlabelled examples.

    Writes a CSV file, and warns if the examples differ from the training data.
    """
    from sweeps.io.escape import visible
    from sweeps.models.trained import deliver, in_words

    titles = _titles(header)
    trained = deliver(runs_dir, model, ensemble)
    workload, site = _workload_and_site(trained, data_dir)
    recipe = workload.schema.validate(trained.settings)
    with _refusals():
        predictions = workload.predict(recipe, trained.folders, site, source, tta)
    write_predictions(out, titles, predictions, names)
    for warning in predictions.warnings:
        typer.echo(f"warning: {visible(warning)}", err=True)
    if as_json:
        content = {"study": trained.results.name, "runs": _run_names(trained), "predictions": len(predictions.labels)}
        counts, warnings = _class_counts(predictions), list(predictions.warnings)
        print_json({**content, "out": str(out), "classes": counts, "warnings": warnings})
        return
    typer.echo(f"{out}: {len(predictions.labels):,} predictions by {in_words(trained)}")


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
    """Export a trained model in a format for other programs.

    Writes the model, its recipe, the class names and a model card, and checks that the file gives the model's outputs.
    """
    from sweeps.io.escape import one_line
    from sweeps.io.files import write_atomic
    from sweeps.models.card import card, recipe_text
    from sweeps.models.trained import deliver

    trained = deliver(runs_dir, model)
    workload, site = _workload_and_site(trained, data_dir)
    recipe = workload.schema.validate(trained.settings)
    out.mkdir(parents=True, exist_ok=True)
    with _refusals():
        exported = workload.export(recipe, trained.folders[0], site, form, out)
    write_atomic(out / "recipe.yaml", recipe_text(trained.settings))
    write_atomic(out / "classes.txt", "".join(f"{one_line(name)}\n" for name in exported.names))
    write_atomic(out / "README.md", card(trained, exported))
    if as_json:
        check = {"difference": exported.difference, "tolerance": exported.tolerance, "file": str(exported.file)}
        print_json({"study": trained.results.name, "runs": _run_names(trained), **check})
        return
    typer.echo(f"{exported.file}: {trained.origin}")
    difference = f"largest difference {exported.difference:.2g}, allowed {exported.tolerance:.2g}"
    typer.echo(f"Loaded again, it gives the same {exported.unit}: {difference}. Model card: {out / 'README.md'}")


def _titles(header: str) -> list[str]:
    titles = [title.strip() for title in header.split(",")]
    if len(titles) != 2 or not all(titles):
        raise typer.BadParameter(f"give two titles, as ID,Labels, but got {header!r}", param_hint="--header")
    return titles


def _workload_and_site(trained: TrainedModels, data_dir: Path | None) -> tuple[Workload, Site]:
    """The workload of a study, and this machine, on which its models were not necessarily trained."""
    from sweeps.prepare import environment
    from sweeps.workload import Site, load

    study = trained.results.study
    device = "cuda" if study.resources.gpu != 0 and environment.gpu_count() else "cpu"
    return load(study.workload), Site(environment.data_dir(data_dir), device)


@contextmanager
def _refusals() -> Iterator[None]:
    """Turn a workload's ValueError, for data or a format that it cannot handle, into an error of the user's."""
    from sweeps.models.trained import Refused

    try:
        yield
    except ValueError as error:
        raise Refused(str(error)) from error


def write_predictions(out: Path, titles: list[str], predictions: Predictions, names: bool) -> None:
    """Write predictions as CSV, in the order of the examples.

    Args:
        out: The file; missing folders are created.
        titles: The titles of the two columns.
        predictions: The predictions.
        names: Whether to write class names instead of indices.
    """
    from sweeps.io.escape import csv_cell
    from sweeps.io.files import write_atomic

    # File names and class names are foreign text: `csv_cell` keeps spreadsheets from taking them for formulas.
    labels = [csv_cell(predictions.names[label]) if names else label for label in predictions.labels]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(csv_cell, titles))
    writer.writerows(zip(map(csv_cell, predictions.ids), labels, strict=True))
    out.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(out, text.getvalue())


def _run_names(trained: TrainedModels) -> list[str]:
    return [f"{run.stage}/{run.number}" for run in trained.runs]


def _class_counts(predictions: Predictions) -> dict[str, int]:
    counts = Counter(predictions.labels)
    return {name: counts[label] for label, name in enumerate(predictions.names)}
