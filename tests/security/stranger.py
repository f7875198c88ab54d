"""A workload with hostile texts as names of metrics, classes, predictions and data, and in errors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sweeps.workload import Predictions, Prepared, Run, Site

CLEAR, LINK = "\x1b[2J", "\x1b]8;;http://owned.example\x07a\x1b]8;;\x07"  # terminal control sequences
REVERSED, MARKUP = "\u202etxt.exe", "[red]a[/red][link=http://owned.example]b[/link]"
TEXTS = (f"{CLEAR}a", MARKUP, f"{LINK}\r{REVERSED}", "=1+1", "<script>alert(1)</script>")


@dataclass(frozen=True)
class Stranger:
    """With `fault` the run fails with a hostile text."""

    x: float = 0.5
    epochs: int = 1
    fault: bool = False


def prepare(recipe: Stranger, site: Site) -> Prepared:
    """Return hostile provenance."""
    return Prepared(provenance={"fingerprint": TEXTS[1], TEXTS[0]: list(TEXTS)})


def train(recipe: Stranger, run: Run) -> Iterator[Mapping[str, float]]:
    """Yield one epoch with hostile names of metrics."""
    if recipe.fault:
        raise RuntimeError(" ".join(TEXTS))
    counts = [[9 if row == place else 1 for place in range(len(TEXTS))] for row in range(len(TEXTS))]
    run.record_confusion("validation", TEXTS, counts)
    yield {"val_accuracy": recipe.x, **dict.fromkeys(TEXTS, 1.0)}
    with run.checkpoint() as folder:
        (folder / "state").write_text("x")


def predict(recipe: Stranger, models: Sequence[Path], site: Site, source: Path, tta: str) -> Predictions:
    """Predict a class per text."""
    return Predictions(TEXTS, range(len(TEXTS)), TEXTS, TEXTS)


def toggles() -> dict[str, dict[str, Any]]:
    """Return no toggles."""
    return {}
