"""Summarize the per-image evidence of a study, set by set, so that one set's predictions are in memory at a time."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sweeps.artifacts.layout import TEST, VALIDATION
from sweeps.evidence.images.class_differences import ClassDifference, class_differences
from sweeps.evidence.images.flips import Flips, flips
from sweeps.evidence.images.quality import Quality, quality
from sweeps.evidence.images.runs import SetRuns, read_set, set_names
from sweeps.formatting import count
from sweeps.storage.results import Results


@dataclass(frozen=True)
class SetEvidence:
    """The per-image evidence of one stage on one labelled set.

    Attributes:
        stage: The stage.
        name: The name of the set.
        classes: The names of the classes; empty where the runs left none.
        shared: Whether all seeds have the same images; validation splits differ by seed.
        differences: How much each arm changes the accuracy of each class.
        flips: Which images each arm decides.
        qualities: Agreement, calibration and ensemble of each arm.
    """

    stage: str
    name: str
    classes: tuple[str, ...]
    shared: bool
    differences: tuple[ClassDifference, ...]
    flips: tuple[Flips, ...]
    qualities: tuple[Quality, ...]

    @property
    def compared(self) -> bool:
        """Whether arms are compared with their references."""
        return bool(self.flips or self.differences)

    def class_name(self, label: int) -> str:
        """Return the name of a class; its number where the runs left no names."""
        return self.classes[label] if label < len(self.classes) else str(label)


@dataclass(frozen=True)
class ImageEvidence:
    """The per-image evidence of a study.

    Attributes:
        sets: The sets for which runs have kept predictions.
        missing: A sentence for each stage and set of which runs have none, and for each damaged file.
    """

    sets: tuple[SetEvidence, ...]
    missing: tuple[str, ...]

    @property
    def main(self) -> SetEvidence | None:
        """The set to show first: the test set, if its arms are compared, else the set that compares arms."""
        compared = [each for each in self.sets if each.compared]
        return min(compared or self.sets, key=lambda each: _rank(each.name), default=None)


def image_evidence(results: Results) -> ImageEvidence:
    """Return the per-image evidence of the stages after the search."""
    sets, damaged = list[SetEvidence](), list[str]()
    without: dict[tuple[str, int, bool], list[str]] = {}
    classes: dict[str, tuple[str, ...]] = {}  # by stage: not every set has names of its own
    for stage, name in set_names(results):
        runs = read_set(results, stage, name)
        damaged += runs.damaged
        absent = runs.completed - runs.kept - len(runs.damaged)
        if absent:
            without.setdefault((stage, absent, absent == runs.completed), []).append(name)
        if runs.arms:
            classes.setdefault(stage, runs.classes)
            sets.append(_evidence(replace(runs, classes=runs.classes or classes[stage])))
    missing = (_missing(*key, names) for key, names in without.items())
    return ImageEvidence(tuple(sets), (*missing, *damaged))


def compared_set(results: Results) -> SetEvidence | None:
    """Return `ImageEvidence.main` without reading the other sets; None where no set compares arms."""
    for stage, name in sorted(set_names(results), key=lambda each: _rank(each[1])):
        found = _evidence(read_set(results, stage, name))
        if found.compared:
            return found
    return None


def _rank(set_name: str) -> tuple[bool, bool]:
    """The order in which sets are looked at: the test set, validation data, further sets."""
    return set_name != TEST, set_name != VALIDATION


def _evidence(runs: SetRuns) -> SetEvidence:
    return SetEvidence(
        stage=runs.stage,
        name=runs.name,
        classes=runs.classes,
        shared=runs.shared,
        differences=class_differences(runs),
        flips=flips(runs),
        qualities=tuple(map(quality, runs.arms)),
    )


def _missing(stage: str, absent: int, every: bool, names: list[str]) -> str:
    shown = names[0] if len(names) == 1 else f"{names[0]} and {count(len(names) - 1, 'further set')}"
    if every:
        return (
            f"no run of {stage} has kept its predictions for {shown}: the workload records none, or an earlier version "
            "of this program made the runs"
        )
    return f"{count(absent, 'run')} of {stage} left no predictions for {shown}, and are not in these figures"
