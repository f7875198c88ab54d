"""Collect the accuracies and differences over seeds and images of every labelled set of the stage final."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sweeps.artifacts.layout import FINAL
from sweeps.evidence.crossed.accuracy import SetAccuracy, set_accuracy
from sweeps.evidence.crossed.correct import correct_images, image_count
from sweeps.evidence.crossed.difference import SetDifference, set_differences
from sweeps.evidence.summary import FinalEvidence, LabelledSetResult
from sweeps.formatting import unit_of
from sweeps.storage.results import Results, StageResults


@dataclass(frozen=True)
class CrossedSet:
    """The evidence on one labelled set over seeds and such images.

    Attributes:
        name: The name of the set.
        accuracies: The accuracy of each arm that has a value, by arm.
        differences: The comparisons for which seeds and images are enough, by arm.
    """

    name: str
    accuracies: Mapping[str, SetAccuracy]
    differences: Mapping[str, SetDifference]


def crossed_sets(results: Results, final: FinalEvidence | None) -> Mapping[str, CrossedSet]:
    """Return the evidence of each labelled set, by name.

    Empty while the test set is sealed, and where the study's metric is not in percent, such as a loss.
    """
    stage = results.stages.get(FINAL)
    if final is None or stage is None or not unit_of(results.study.metric.name, results.percentages):
        return {}
    return {labelled.name: _set(results, stage, labelled) for labelled in final.sets}


def _set(results: Results, stage: StageResults, labelled: LabelledSetResult) -> CrossedSet:
    correct, accuracies = {}, {}
    for level in labelled.levels:
        found = correct_images(results, stage, level, labelled.name)
        if found is not None:
            correct[level.arm.name] = found
        images = None if found is not None else image_count(results, stage, level, labelled.name)
        accuracy = set_accuracy(level, found, images)
        if accuracy is not None:
            accuracies[level.arm.name] = accuracy
    differences = set_differences(labelled.comparisons, correct)
    return CrossedSet(labelled.name, accuracies, {one.arm.name: one for one in differences})
