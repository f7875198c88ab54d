"""Which images each run of an arm had right on a labelled set, as far as its files tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sweeps.artifacts.confusion import read_confusion
from sweeps.artifacts.layout import TEST
from sweeps.artifacts.predictions import read_predictions
from sweeps.evidence.level import Level
from sweeps.storage.results import Results, StageResults
from sweeps.trial.trial import Status, Trial

TEST_IMAGES = "test_images"  # the key of the data's provenance with the number of test images


@dataclass(frozen=True)
class Correct:
    """Which images the runs of an arm had right.

    Attributes:
        images: The index of each image, sorted, shape (N,).
        by_replicate: Whether each image was right, shape (N,), by replicate.
    """

    images: NDArray[np.int64]
    by_replicate: Mapping[int, NDArray[np.bool_]]

    @property
    def table(self) -> NDArray[np.bool_]:
        """Whether each run was right on each image, shape (n, N), by replicate."""
        return np.stack([self.by_replicate[replicate] for replicate in sorted(self.by_replicate)])


def correct_images(results: Results, stage: StageResults, level: Level, set_name: str) -> Correct | None:
    """Return which images the runs of an arm had right; None unless all runs with a value tell it of the same images.

    Predictions count only if their accuracy is the recorded value of the run, in percent: the study's metric may be
    another figure than the share of images that are right.
    """
    runs, images = stage.replicates(level.arm), None
    by_replicate: dict[int, NDArray[np.bool_]] = {}
    for replicate, value in level.values.items():
        sorted_run = _of_run(results, runs[replicate], value, set_name)
        if sorted_run is None or (images is not None and not np.array_equal(images, sorted_run[0])):
            return None
        images, by_replicate[replicate] = sorted_run
    return None if images is None else Correct(images, by_replicate)


def image_count(results: Results, stage: StageResults, level: Level, set_name: str) -> int | None:
    """Return the number of images of a labelled set on which a run's value is the share that is right.

    It is that of the confusion matrices of the runs, or for the test set of the data's provenance; None if neither is
    known.
    """
    runs = stage.replicates(level.arm)
    totals = {_confusion_total(results, runs[n], value, set_name) for n, value in level.values.items()} - {None}
    if totals:
        return totals.pop() if len(totals) == 1 else None
    data = results.environment.get("data")
    recorded = data.get(TEST_IMAGES) if isinstance(data, Mapping) and set_name == TEST else None
    is_accuracy = results.study.metric.name.rpartition("_")[2] == "accuracy"
    return recorded if is_accuracy and isinstance(recorded, int) and recorded > 1 else None


def _of_run(
    results: Results, run: Trial, value: float, set_name: str
) -> tuple[NDArray[np.int64], NDArray[np.bool_]] | None:
    """The images of a run, sorted, and whether each was right."""
    if run.status is not Status.COMPLETE:
        return None
    predictions = read_predictions(results.run_folder(run), set_name)
    if predictions is None or not _same(predictions.accuracy, value, len(predictions)):
        return None
    order = np.argsort(predictions.images, kind="stable")
    images = predictions.images[order]
    if len(images) < 2 or not (np.diff(images) > 0).all():
        return None
    return images, predictions.correct[order]


def _confusion_total(results: Results, run: Trial, value: float, set_name: str) -> int | None:
    """The number of images in a run's confusion matrix, if the share of right ones is the run's value."""
    if run.status is not Status.COMPLETE:
        return None
    try:
        confusion = read_confusion(results.run_folder(run), set_name)
    except ValueError:  # the table of the classes names the damaged file
        return None
    if confusion is None or confusion.total < 2:
        return None
    accuracy = 100 * sum(confusion.correct) / confusion.total
    return confusion.total if _same(accuracy, value, confusion.total) else None


def _same(accuracy: float, value: float, images: int) -> bool:
    """Whether two accuracies in percent differ by less than half an image."""
    return abs(accuracy - value) < 50 / images
