"""Made-up predictions, in memory and in the folders of a study's runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from sweeps.artifacts.confusion import Confusion, write_confusion
from sweeps.artifacts.layout import trial_folder
from sweeps.artifacts.predictions import ImagePredictions, write_predictions
from sweeps.evidence.images.runs import ArmRuns, SetRuns
from sweeps.storage.results import StageResults
from sweeps.trial.arm import Arm

NAMES = ("cat", "dog", "cow")


def answers(labels: ArrayLike, predicted: ArrayLike, images: ArrayLike | None = None) -> ImagePredictions:
    """Predictions without interesting probabilities."""
    count = len(np.asarray(labels))
    return ImagePredictions.of(
        np.arange(count) if images is None else images, labels, predicted, np.full(count, 0.9), np.full(count, -0.5)
    )


def drawn(seed: int, share: float, count: int = 90, *, logits: bool = False, first: int = 0) -> ImagePredictions:
    """Predictions of three classes, of which about `share` are right."""
    draws = np.random.default_rng([seed, round(1000 * share)])
    labels = np.arange(first, first + count) % 3
    scores = draws.normal(size=(count, 3))
    scores[np.arange(count), labels] += 4 * share
    logs = scores - np.log(np.exp(scores).sum(1, keepdims=True))
    return ImagePredictions.of(
        np.arange(first, first + count), labels, logs.argmax(1), np.exp(logs.max(1)),
        logs[np.arange(count), labels], scores if logits else None,
    )  # fmt: skip


def set_runs(arms: Mapping[str, Sequence[ImagePredictions]]) -> SetRuns:
    """The runs of a set; the first arm is the reference of all others."""
    first = next(iter(arms))
    made = (
        ArmRuns(Arm(name, {"arm": name}, reference="" if name == first else first), dict(enumerate(runs)))
        for name, runs in arms.items()
    )
    return SetRuns("final", "test", NAMES, tuple(made), sum(map(len, arms.values())), ())


def leave(
    folder: Path,
    stage: StageResults,
    set_name: str,
    shares: Mapping[str, float],
    *,
    logits: bool,
    names: Sequence[str] = NAMES,
) -> None:
    """Write the predictions of every completed run, as a workload would: on validation data other images per seed."""
    for run in stage.trials:
        if run.variant in shares and run.status.value == "complete":
            where = trial_folder(folder, run.number, stage.name)
            where.mkdir(parents=True, exist_ok=True)
            seed = run.replicate or 0
            first = 30 * seed if set_name == "validation" else 0
            made = drawn(seed, shares[run.variant], logits=logits, first=first)
            write_predictions(where, set_name, made)
            counts = np.zeros((3, 3), int)
            np.add.at(counts, (made.labels, made.predicted), 1)
            write_confusion(where, set_name, Confusion.of(names, counts.tolist()))
