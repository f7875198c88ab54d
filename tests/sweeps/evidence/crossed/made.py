"""Studies with an opened test set and predictions for its images, made up without training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sweeps.artifacts.predictions import ImagePredictions, write_predictions
from sweeps.storage.results import Results, StageResults
from sweeps.trial.arm import Arm
from sweeps.trial.trial import Status, Trial
from tests.sweeps.support import toy_study

BASE = Arm("baseline", {"a": 1})
NO_A = Arm("a", {"a": 0}, removed=("a",), reference="baseline")
IMAGES = 400
Table = NDArray[np.bool_]


def drawn(share: float, seeds: int = 3) -> Table:
    """Draw which images are right in each run, shape (seeds, IMAGES)."""
    generator = np.random.default_rng([seeds, int(1000 * share)])
    easy = np.where(generator.random(IMAGES) < share, 0.97, 0.3)
    return generator.random((seeds, IMAGES)) < easy


def keep(folder: Path, set_name: str, right: NDArray[np.bool_], order: NDArray[np.int64] | None = None) -> None:
    """Keep the predictions of a run of a set with two classes, in the given order of the images."""
    images = np.arange(len(right)) if order is None else order
    labels = images % 2
    predicted = np.where(right[images], labels, 1 - labels)
    half = np.full(len(images), 0.5)
    folder.mkdir(parents=True, exist_ok=True)
    write_predictions(folder, set_name, ImagePredictions.of(images, labels, predicted, half, np.log(half)))


def opened(folder: Path, *tables: tuple[Arm, Table], predictions: bool = True, **environment: Any) -> Results:
    """Return a study whose final has one run for each row of each arm, on the sets "test" and "usps"."""
    runs = []
    for arm, table in tables:
        for replicate, right in enumerate(table):
            value = 100 * float(right.mean())
            metrics = {name: {"accuracy": value} for name in ("test", "usps")}
            facts: dict[str, Any] = {"variant": arm.name, "replicate": replicate, "recipe": arm.recipe}
            runs.append(Trial(len(runs), "final", Status.COMPLETE, {}, value, metrics=metrics, **facts))
    stage = StageResults("final", tuple(arm for arm, _ in tables), tuple(runs), {"sets": ["test", "usps"]})
    results = Results(toy_study(), (), environment, folder, {"final": stage})
    if predictions:
        rows = [right for _, table in tables for right in table]
        for run, right in zip(runs, rows, strict=True):
            keep(results.trial_folder(run.number, "final"), "test", right)
    return results
