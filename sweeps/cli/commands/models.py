"""Commands that use the trained models of a study: predict, export."""

from __future__ import annotations

import csv
import io
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sweeps.cli.exit import print_json
from sweeps.cli.help.completion import study_name
from sweeps.cli.options import RUNS, DataDir, Json, RunsDir

if TYPE_CHECKING:
    from sweeps.api.models import Model
    from sweeps.workload import Predictions

app = typer.Typer()

ModelName = Annotated[
    str,
    typer.Argument(
        metavar="STUDY[:TRIAL]",
        help="A study: its final model, else its incumbent or best trial. Or one run: digits:7, digits:final/0.",
        show_default=False,
        autocompletion=study_name,
    ),
]


@app.command()
def predict(
    model: ModelName,
    source: Annotated[
        Path,
        typer.Argument(
            metavar="DATA", help="Unlabelled examples: a pickle, .npz, image or folder.", show_default=False
        ),
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
    from sweeps.io.screen.working import working

    titles = _titles(header)
    _require_output(out, source)
    with working("finding the model") as phase:
        from sweeps.api.models import Model

        trained = Model.of(model, runs_dir=runs_dir, ensemble=ensemble, data_dir=data_dir)
        phase(f"predicting with {trained.description}")
        predictions = trained.predict(source, tta=tta)
    write_predictions(out, titles, predictions, names)
    for warning in predictions.warnings:
        typer.echo(f"warning: {visible(warning)}", err=True)
    if as_json:
        content = {"study": trained.study, "runs": _run_names(trained), "predictions": len(predictions.labels)}
        counts, warnings = _class_counts(predictions), list(predictions.warnings)
        print_json({**content, "out": str(out), "classes": counts, "warnings": warnings})
        return
    typer.echo(f"{out}: {len(predictions.labels):,} predictions by {trained.description}")


@app.command()
def export(
    model: ModelName,
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
    from sweeps.io.screen.working import working

    with working("finding the model") as phase:
        from sweeps.api.models import Model

        trained = Model.of(model, runs_dir=runs_dir, data_dir=data_dir)
        phase(f"exporting {trained.origin} as {form}, and checking its outputs")
        exported = trained.export(out, format=form)
    if as_json:
        check = {"difference": exported.difference, "tolerance": exported.tolerance, "file": str(exported.file)}
        print_json({"study": trained.study, "runs": _run_names(trained), **check})
        return
    typer.echo(f"{exported.file}: {trained.origin}")
    difference = f"largest difference {exported.difference:.2g}, allowed {exported.tolerance:.2g}"
    typer.echo(f"Loaded again, it gives the same {exported.unit}: {difference}. Model card: {out / 'README.md'}")


def _titles(header: str) -> list[str]:
    titles = [title.strip() for title in header.split(",")]
    if len(titles) != 2 or not all(titles):
        raise typer.BadParameter(f"give two titles, as ID,Labels, but got {header!r}", param_hint="--header")
    return titles


def _require_output(out: Path, source: Path) -> None:
    """Refuse, before anything is predicted, a file that cannot be written or would replace the examples."""
    if out.is_dir():
        raise typer.BadParameter(f"{out} is a folder; name a CSV file", param_hint="--out")
    if out.resolve() == source.resolve():
        raise typer.BadParameter(f"{out} would replace the examples themselves", param_hint="--out")


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


def _run_names(trained: Model) -> list[str]:
    return [f"{run.stage}/{run.number}" for run in trained.runs]


def _class_counts(predictions: Predictions) -> dict[str, int]:
    counts = Counter(predictions.labels)
    return {name: counts[label] for label, name in enumerate(predictions.names)}
