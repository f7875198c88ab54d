"""A small workload that starts from a teacher, the model of another study, and adds to its points."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median_low
from typing import Any

from sweeps.workload import Prepared, Run, Site, is_reference


@dataclass(frozen=True)
class Pupil:
    """`teacher` names a trial of another study, or a file; with `patience` it stops early."""

    teacher: str = ""
    points: float = 10.0
    epochs: int = 2
    patience: int = 0
    draws: int = 0


def train(recipe: Pupil, run: Run) -> Iterator[Mapping[str, float]]:
    """Yield an accuracy that grows by `points` per epoch, from half of the teacher's."""
    start = 0.0
    if is_reference(recipe.teacher):
        start = json.loads((run.saved(recipe.teacher).folder / "state.json").read_text())["points"] / 2
    last = recipe.epochs
    if recipe.patience and not run.final:  # stop early, at an epoch that depends on the seed
        last = min(last, recipe.patience + run.seed % 3)
    for epoch in range(run.epoch + 1, last + 1):
        points = start + recipe.points * epoch
        yield {"train_loss": 1.0} if run.final else {"val_accuracy": points, "train_loss": 1.0}
        with run.checkpoint() as folder:
            (folder / "state.json").write_text(json.dumps({"points": points}))


def references(recipe: Pupil) -> dict[str, str]:
    """Return the teacher, unless it is a file."""
    return {"teacher": recipe.teacher} if is_reference(recipe.teacher) else {}


def without_validation(recipe: Pupil, epochs: Sequence[int]) -> dict[str, Any]:
    """Return the lower median of the epochs, if the recipe stops early."""
    return {"epochs": median_low(epochs), "patience": 0} if recipe.patience and epochs else {}


def prepare(recipe: Pupil, site: Site) -> Prepared:
    """Raise ValueError for the evaluation set "missing", before anything is trained."""
    if "missing" in site.evaluate:
        raise ValueError(f"no set 'missing' in {site.data_dir}")
    return Prepared(provenance={"fingerprint": "pupils"})


def smoke(recipe: Pupil) -> dict[str, Any]:
    """Return one epoch, without early stopping."""
    return {"epochs": 1, **({"patience": 0} if recipe.patience else {})}


def evaluations(recipe: Pupil, entry: Any) -> list[str]:
    """Accept any name of a set."""
    return [str(entry)]


def evaluate(recipe: Pupil, run: Run, entries: Sequence[Any]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """Yield the same accuracy for each set."""
    assert run.restored is not None
    points = json.loads((run.restored / "state.json").read_text())["points"]
    for name in ("test", *entries):
        yield name, {"accuracy": points}
