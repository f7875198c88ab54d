"""The model card of an exported model: its input and output, figures, provenance and recipe, as Markdown."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from sweeps.evidence.findings import Findings
from sweeps.formatting import MetricFormat, count, unit_of
from sweeps.io.errors import Refused
from sweeps.io.escape import markdown_code, markdown_text
from sweeps.models.trained import TrainedModels, chosen_by_its_figure, figures
from sweeps.workload import Exported

CARD, RECIPE, CLASSES = "README.md", "recipe.yaml", "classes.txt"  # beside an exported model
DATA = ("data", "fingerprint", "train_images", "validation_images", "classes", "image_size", "split_hash")


def card(trained: TrainedModels, exported: Exported) -> str:
    """Return the model card, which is README.md beside the exported model.

    Args:
        trained: The model that was exported.
        exported: What the export wrote.
    """
    results = trained.results
    parts = [
        f"# {markdown_text(results.name)}: {markdown_text(trained.called)}",
        f"> {markdown_text(results.study.question)}",
        f"One model in `{exported.file.name}`{_from_run(trained)}",
        "## Use",
        "\n".join(f"- {markdown_text(line)}" for line in exported.contract),
        f"```python\n{exported.example}\n```",
        f"Loaded again, the file gave the same {exported.unit} as the trained model: the largest difference was "
        f"{exported.difference:.2g} (allowed: {exported.tolerance:.2g}).",
        "## Figures",
        _figures(trained),
        "## Data and software",
        _table(("what", "value"), _provenance(trained)),
        "## Classes",
        f"{len(exported.names):,} classes, in the order of the output: `classes.txt`.",
        "## Recipe",
        markdown_code(recipe_text(trained.settings)).replace("```\n", "```yaml\n", 1),
    ]
    return "\n\n".join(parts) + "\n"


def require_export_folder(folder: Path, trained: TrainedModels) -> None:
    """Raise Refused where an export would overwrite files in `folder` that no export of the same model wrote."""
    names = sorted(file.name for pattern in (CARD, RECIPE, CLASSES, "model.*") for file in folder.glob(pattern))
    if names and _from_run(trained) not in _text(folder / CARD):
        raise Refused(
            f"{folder} has {', '.join(names)}, which no export of this model wrote; "
            f"choose another folder with --out, or move them"
        )


def recipe_text(settings: Mapping[str, Any]) -> str:
    """Return a recipe as YAML, with every setting written out."""
    text = io.StringIO()
    YAML(typ="safe", pure=True).dump(dict(settings), text)
    return text.getvalue()


def _from_run(trained: TrainedModels) -> str:
    return f", from the run {markdown_text(trained.origin)}."


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _figures(trained: TrainedModels) -> str:
    percentages = trained.results.percentages
    rows = [
        (part, name.replace("_", " "), MetricFormat(name, unit_of(name, percentages), "maximize").show(mean), str(n))
        for part, name, mean, n in figures(trained)
    ]
    if not rows:
        return "No figure of this recipe was recorded."
    note = "Means over the completed runs of this recipe; the exported model is one of them."
    if chosen_by_its_figure(trained):
        note += " The validation figure is the mean by which this recipe was chosen from several, and so optimistic."
    return "\n\n".join([_table(("data", "figure", "mean", "runs"), rows), note, *_on_such_images(trained)])


def _on_such_images(trained: TrainedModels) -> list[str]:
    """A sentence on each labelled set with the interval for accuracy on such images, as the report has it."""
    findings = Findings.of(trained.results)
    recipe = trained.runs[0].recipe
    return [
        f"95 % interval for accuracy on images such as those of {markdown_text(name)}, over seeds and images: "
        f"{one.such[0]:.2f} to {one.such[1]:.2f} % (it rests on {one.basis}; n = {count(one.n, 'seed')}, "
        f"{count(one.images or 0, 'image')})."
        for name, on_set in findings.crossed.items()
        for one in on_set.accuracies.values()
        if one.such is not None and recipe and one.arm.recipe == recipe
    ]


def _provenance(trained: TrainedModels) -> list[tuple[str, str]]:
    environment, run = trained.results.environment, trained.runs[0]
    data, versions = environment.get("data", {}), environment.get("versions", {})
    rows = [(name.replace("_", " "), str(data[name])) for name in DATA if name in data]
    rows += [("seed of the run", str(run.seed)), ("epochs trained", str(run.epochs))]
    return [*rows, *((name, str(version)) for name, version in versions.items())]


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [titles, ["---"] * len(titles), *([markdown_text(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
