"""The accuracy on the test images of which no duplicate was trained on, from the predictions for each image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from sweeps.artifacts.duplicates import leaked_test_images
from sweeps.artifacts.layout import FINAL, TEST
from sweeps.artifacts.predictions import read_predictions
from sweeps.duplicates.record import DuplicateRecord
from sweeps.evidence import Level
from sweeps.evidence.findings import Findings
from sweeps.stats import interval
from sweeps.trial.arm import Arm
from sweeps.trial.trial import Status


@dataclass(frozen=True)
class Unseen:
    """The test accuracy of an arm over its seeds, in percent, with and without test images that were trained on.

    Attributes:
        arm: The arm.
        every: On all test images.
        unseen: Without those of which a duplicate was trained on; without values if no image is left.
        left: The number of test images that are left.
    """

    arm: Arm
    every: Level
    unseen: Level
    left: int


def unseen_accuracies(findings: Findings) -> list[Unseen] | None:
    """Return the accuracies of every arm of the stage final.

    A diverged run counts at chance level in both figures.

    Returns:
        None where they cannot be had: a run has no predictions, or the list of duplicates is missing or damaged.
    """
    record = DuplicateRecord.of(findings.results.environment)
    leaked = leaked_test_images(findings.results.folder, record.digest) if record is not None else None
    if leaked is None or findings.final is None or not findings.final.sets:
        return None
    found = [_unseen(findings, level.arm, leaked) for level in findings.final.sets[0].levels if level.values]
    return [each for each in found if each is not None] if all(each is not None for each in found) else None


def _unseen(findings: Findings, arm: Arm, leaked: np.ndarray) -> Unseen | None:
    stage, rows, left, images = findings.results.stages[FINAL], [], 0, 0
    for run in stage.replicates(arm).values():
        if run.status is Status.DIVERGED and run.figure is not None and findings.metric_format.unit:
            rows.append((run.figure, run.figure))
        if run.status is not Status.COMPLETE:
            continue
        made = read_predictions(findings.results.run_folder(run), TEST)
        if made is None:
            return None
        right, unseen = made.predicted == made.labels, ~np.isin(made.images, leaked)
        left, images = int(unseen.sum()), len(unseen)
        rows.append((100 * float(right.mean()), 100 * float(right[unseen].mean()) if left else float("nan")))
    others = [row[1] for row in rows] if left else []
    return Unseen(arm, _level(arm, [row[0] for row in rows], images), _level(arm, others, left), left)


def _level(arm: Arm, accuracies: Sequence[float], images: int) -> Level:
    """The mean over the seeds as that of any arm: its interval is cut at 0 and 100, and knows the size of one image."""
    mean = interval(accuracies, 100 / images if images else None)
    cut = replace(mean, low=max(0.0, mean.low), high=min(100.0, mean.high)) if mean else None
    return Level(arm, dict(enumerate(accuracies)), cut, 0, ())
