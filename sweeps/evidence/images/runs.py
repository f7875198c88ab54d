"""The predictions of a stage's runs for one labelled set, by arm and replicate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from sweeps.artifacts.confusion import read_confusion
from sweeps.artifacts.layout import ABLATION, CONFIRM, FINAL, VALIDATION
from sweeps.artifacts.predictions import BadPredictions, ImagePredictions, load_predictions
from sweeps.storage.results import Results, StageResults
from sweeps.trial.arm import Arm
from sweeps.trial.trial import Status, Trial


@dataclass(frozen=True)
class ArmRuns:
    """The predictions of one arm's completed runs, by replicate."""

    arm: Arm
    runs: Mapping[int, ImagePredictions]


@dataclass(frozen=True)
class PairedRuns:
    """An arm beside its reference: the predictions of both for the same images, by replicate."""

    arm: Arm
    reference: Arm
    pairs: Mapping[int, tuple[ImagePredictions, ImagePredictions]]


@dataclass(frozen=True)
class SetRuns:
    """The predictions for one labelled set.

    Attributes:
        stage: The stage of the runs.
        name: The name of the set.
        classes: The names of the classes.
        arms: The arms that have predictions, in their order.
        completed: The number of completed runs.
        damaged: A sentence for each file that cannot be read.
    """

    stage: str
    name: str
    classes: tuple[str, ...]
    arms: tuple[ArmRuns, ...]
    completed: int
    damaged: tuple[str, ...]

    @property
    def kept(self) -> int:
        """The number of runs that have predictions."""
        return sum(len(each.runs) for each in self.arms)

    @property
    def shared(self) -> bool:
        """Whether all runs have the same images; validation splits differ by seed."""
        every = [run.images for each in self.arms for run in each.runs.values()]
        return all(np.array_equal(images, every[0]) for images in every[1:])

    def class_name(self, label: int) -> str:
        """Return the name of a class; its number where the run left no names."""
        return self.classes[label] if label < len(self.classes) else str(label)

    def paired(self) -> Iterator[PairedRuns]:
        """Yield each arm beside its reference, with the replicates in which both have the same images."""
        by_name = {each.arm.name: each for each in self.arms}
        for each in self.arms:
            reference = by_name.get(each.arm.reference)
            if reference is None:
                continue
            both = sorted(each.runs.keys() & reference.runs.keys())
            pairs = {n: (reference.runs[n], each.runs[n]) for n in both if _same(reference.runs[n], each.runs[n])}
            if pairs:
                yield PairedRuns(each.arm, reference.arm, pairs)


def set_names(results: Results) -> list[tuple[str, str]]:
    """Return the stages and labelled sets of which runs may have predictions, those of the final last.

    The runs of confirm are left out where there is an ablation, whose runs have references to compare with.
    """
    names = [(stage, VALIDATION) for stage in (ABLATION, CONFIRM) if _has_arms(results, stage)][:1]
    final = results.stages.get(FINAL)
    return names + [(FINAL, str(name)) for name in (final.facts.get("sets", ()) if final else ())]


def _has_arms(results: Results, stage: str) -> bool:
    """Whether a stage has arms; an ablation may only have been declared, before its race or its re-tuning."""
    return stage in results.stages and bool(results.stages[stage].arms)


def read_set(results: Results, stage_name: str, set_name: str) -> SetRuns:
    """Read the predictions of a stage's completed runs for a labelled set. Arms without any are left out."""
    stage, damaged = results.stages[stage_name], list[str]()
    arms: list[ArmRuns] = []
    completed = 0
    names: tuple[str, ...] = ()
    for arm in stage.arms:
        trials = _completed(stage, arm) if arm.applicable else {}
        completed += len(trials)
        read = {n: _read(results, trial, set_name, damaged) for n, trial in trials.items()}
        if runs := {n: predictions for n, predictions in read.items() if predictions is not None}:
            names = names or _class_names(results, trials[min(runs)], set_name)
            arms.append(ArmRuns(arm, runs))
    return SetRuns(stage_name, set_name, names, tuple(arms), completed, tuple(damaged))


def _completed(stage: StageResults, arm: Arm) -> dict[int, Trial]:
    return {n: run for n, run in sorted(stage.replicates(arm).items()) if run.status is Status.COMPLETE}


def _read(results: Results, trial: Trial, set_name: str, damaged: list[str]) -> ImagePredictions | None:
    try:
        return load_predictions(results.run_folder(trial), set_name)
    except FileNotFoundError:
        return None
    except BadPredictions as error:
        damaged.append(str(error))
        return None


def _class_names(results: Results, trial: Trial, set_name: str) -> tuple[str, ...]:
    try:
        confusion = read_confusion(results.run_folder(trial), set_name)
    except ValueError:  # the section on classes names the file
        return ()
    return confusion.names if confusion is not None else ()


def _same(one: ImagePredictions, other: ImagePredictions) -> bool:
    return np.array_equal(one.images, other.images) and np.array_equal(one.labels, other.labels)
