"""The models that a study can hand out: which one is meant, what it was trained with, and where it was saved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sweeps.artifacts.layout import SEARCH
from sweeps.artifacts.references import Reference, Saved, find
from sweeps.evidence.selection import ABLATION, ModelSelection, choices, completed
from sweeps.formatting import count, status_name
from sweeps.io.errors import UserError
from sweeps.storage.results import Results
from sweeps.storage.runs import find_trial, open_results
from sweeps.trial.trial import Status, Trial


class NoModel(UserError):
    """What is asked for has left no model."""


class Refused(UserError):
    """A workload cannot do with a model what is asked."""


@dataclass(frozen=True)
class TrainedModels:
    """Models of one recipe: `folders` are the checkpoints of `runs`, `settings` the recipe that all were trained with.

    `called` says in words what they are: "the incumbent".
    """

    results: Results
    called: str
    runs: tuple[Trial, ...]
    folders: tuple[Path, ...]
    settings: Mapping[str, Any]

    @property
    def origin(self) -> str:
        """Where they come from: "digits, the incumbent (final/0, final/1)"."""
        places = ", ".join(f"{run.stage}/{run.number}" for run in self.runs)
        return f"{self.results.name}, {self.called} ({places})"


def deliver(runs_dir: Path, wanted: str, ensemble: bool = False) -> TrainedModels:
    """The model that `wanted` names: "STUDY", "STUDY:7" (trial 7 of the search) or "STUDY:final/0" (stage, number).

    A study alone stands for its final model; before that for the incumbent, or the best trial of the search. One run of
    that recipe; with `ensemble` all that completed. Raises NotFound, NoModel.
    """
    name, colon, place = wanted.partition(":")
    results = open_results(runs_dir, name)
    choice = _named(results, place, ensemble) if colon else _best(results)
    if ensemble and len(choice.runs) < 2:
        one = f"{choice.called} of {name} is one run"
        raise NoModel(f"{one}, and an ensemble needs two or more: `confirm` or `final` makes them")
    runs = choice.runs if ensemble else choice.runs[:1]
    saved = [_saved(results, run) for run in runs]
    return TrainedModels(results, choice.called, runs, tuple(each.folder for each in saved), saved[0].settings)


def _best(results: Results) -> ModelSelection:
    """What stands for the whole study; the ablation's baseline, which may have been given, only for want of better."""
    found = sorted((choice for choice in choices(results) if choice.runs), key=lambda choice: choice.stage == ABLATION)
    if not found:
        raise NoModel(f"{results.name} has no model yet: none of its runs has completed")
    return found[0]


def _named(results: Results, place: str, ensemble: bool) -> ModelSelection:
    stage, slash, number = place.rpartition("/")
    if not number.isdecimal() or len(number) > 9:
        raise NoModel(f"{place!r} names no run: write a number of the search, as 7, or stage and number, as final/0")
    trial = find_trial(results, int(number), stage if slash else SEARCH)
    called = f"{trial.variant}, replicate {trial.replicate}" if trial.variant else f"trial {trial.number}"
    if not ensemble or trial.stage not in results.stages:
        return ModelSelection(trial.stage, "", called, (trial,))
    found = results.stages[trial.stage]
    arm = next((arm for arm in found.arms if arm.recipe == trial.recipe), None)
    return ModelSelection(trial.stage, "", trial.variant, completed(found, arm) if arm else (trial,))


def _saved(results: Results, run: Trial) -> Saved:
    about = f"{run.stage}/{run.number} of {results.name}"
    if run.status is not Status.COMPLETE:
        why = f": {run.reason}" if run.reason else ""
        raise NoModel(f"{about} has no model to hand out: it is {status_name(run.status)}{why}")
    return find(results.folder.parent, str(Reference(results.name, run.number, run.stage)))


def figures(delivery: TrainedModels) -> list[tuple[str, str, float, int]]:
    """What is known of the recipe: (part of the data, metric, mean over the completed runs, how many there are)."""
    results, recipe = delivery.results, delivery.runs[0].recipe
    metric, found = results.study.metric.name, dict[tuple[str, str], list[float]]()
    for run in _runs_of(delivery, recipe):
        for part, metrics in run.metrics.items():
            for name, value in metrics.items():
                found.setdefault((part, name), []).append(value)
        if not run.metrics and run.value is not None:
            found.setdefault(("validation", metric.removeprefix("val_")), []).append(run.value)
    return [(part, name, sum(values) / len(values), len(values)) for (part, name), values in found.items()]


def _runs_of(delivery: TrainedModels, recipe: str) -> list[Trial]:
    """The completed runs of a recipe: those of the stages and, where these held no images out, the search's best."""
    results, own = delivery.results, list(delivery.runs)
    everything = [run for stage in results.stages.values() for run in stage.trials]
    same = [run for run in everything if recipe and run.recipe == recipe and run.status is Status.COMPLETE] or own
    best = results.ranked()[:1]
    if best and all(run.metrics for run in same) and _saved(results, best[0]).settings == delivery.settings:
        return [*same, *best]
    return same


def in_words(delivery: TrainedModels) -> str:
    """How many models there are, and which: "1 model: digits, the incumbent (final/0)"."""
    return f"{count(len(delivery.runs), 'model')}: {delivery.origin}"
