"""The card of an exported model: what goes in and comes out, how good it is and on what evidence, how it came about."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

from ruamel.yaml import YAML

from sweeps.formatting import MetricFormat, significant
from sweeps.io.escape import markdown_code, markdown_text
from sweeps.models.trained import TrainedModels, figures
from sweeps.workload import Exported

DATA = ("data", "fingerprint", "train_images", "validation_images", "classes", "image_size", "split_hash")


def card(delivery: TrainedModels, exported: Exported) -> str:
    """The text of README.md beside the exported model."""
    results = delivery.results
    parts = [
        f"# {markdown_text(results.name)}: {markdown_text(delivery.called)}",
        f"> {markdown_text(results.study.question)}",
        f"One model in `{exported.file.name}`, from the run {markdown_text(delivery.origin)}.",
        "## Use",
        "\n".join(f"- {markdown_text(line)}" for line in exported.contract),
        f"```python\n{exported.example}\n```",
        f"Loaded again, the file gave the same {exported.unit} as the trained model: the largest difference was "
        f"{exported.difference:.2g} (allowed: {exported.tolerance:.2g}).",
        "## Figures",
        _figures(delivery),
        "## Data and software",
        _table(("what", "value"), _provenance(delivery)),
        "## Classes",
        f"{len(exported.names):,} classes, in the order of the output: `classes.txt`.",
        "## Recipe",
        markdown_code(recipe_text(delivery.settings)).replace("```\n", "```yaml\n", 1),
    ]
    return "\n\n".join(parts) + "\n"


def recipe_text(settings: Mapping[str, Any]) -> str:
    """The recipe as YAML, every setting written out."""
    text = io.StringIO()
    YAML(typ="safe", pure=True).dump(dict(settings), text)
    return text.getvalue()


def _figures(delivery: TrainedModels) -> str:
    rows = [(part, name.replace("_", " "), _shown(name, mean), str(n)) for part, name, mean, n in figures(delivery)]
    if not rows:
        return "No figure of this recipe was recorded."
    note = "Means over the completed runs of this recipe; the exported model is one of them."
    return f"{_table(('data', 'figure', 'mean', 'runs'), rows)}\n\n{note}"


def _shown(name: str, value: float) -> str:
    return MetricFormat(name, "%", "maximize").show(value) if name.endswith("accuracy") else significant(value)


def _provenance(delivery: TrainedModels) -> list[tuple[str, str]]:
    environment, run = delivery.results.environment, delivery.runs[0]
    data, versions = environment.get("data", {}), environment.get("versions", {})
    rows = [(name.replace("_", " "), str(data[name])) for name in DATA if name in data]
    rows += [("seed of the run", str(run.seed)), ("epochs trained", str(run.epochs))]
    return [*rows, *((name, str(version)) for name, version in versions.items())]


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [titles, ["---"] * len(titles), *([markdown_text(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
