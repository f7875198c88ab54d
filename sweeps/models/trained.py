"""Select the trained models of a study: one run, or all runs of a recipe, with their checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sweeps.artifacts.layout import ABLATION, CONFIRM, RACE, REPEATS, SEARCH
from sweeps.artifacts.references import Reference, Saved, find
from sweeps.evidence.selection import ModelSelection, completed, selections
from sweeps.formatting import count, status_name
from sweeps.io.errors import UserError
from sweeps.storage.results import Results
from sweeps.storage.runs import find_trial, open_results, settings_of
from sweeps.trial.trial import Status, Trial

CHOICES = frozenset({CONFIRM, RACE})
"""The stages whose runs choose a recipe."""


class NoModel(UserError):
    """There is no trained model of the requested name."""


@dataclass(frozen=True)
class TrainedModels:
    """Trained models of one recipe.

    Attributes:
        results: The results of the study.
        called: What they are, in words: "the incumbent".
        runs: The runs that trained them.
        folders: The checkpoint folder of each run.
        settings: The recipe that all were trained with, as nested settings.
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


def deliver(runs_dir: Path, name: str, ensemble: bool = False) -> TrainedModels:
    """Select the trained model, or models, of a study.

    Args:
        runs_dir: The runs folder.
        name: "STUDY:7" for trial 7 of the search, "STUDY:final/0" for a run of another stage. "STUDY" stands for the
            final model; before there is one for the incumbent, or the best trial of the search.
        ensemble: Whether to select all completed runs of the recipe instead of one.

    Raises:
        NotFound: There is no such study or trial.
        NoModel: The run has not completed, or an ensemble has one run only.
        Unavailable: The checkpoint is missing or damaged.

    Example:
        >>> deliver(Path("runs"), "digits").origin
        'digits, the incumbent (final/0)'
    """
    study, colon, run = name.partition(":")
    results = open_results(runs_dir, study)
    if colon and not run:
        raise _no_run(run)
    return select(results, run, ensemble)


def select(results: Results, run: str = "", ensemble: bool = False) -> TrainedModels:
    """Select the trained model, or models, of a study that has been opened.

    Args:
        results: The results of the study.
        run: "7" for trial 7 of the search, "final/0" for a run of another stage; by default what stands for the study.
        ensemble: Whether to select all completed runs of the recipe instead of one.

    Raises:
        NotFound, NoModel, Unavailable: As `deliver`.
    """
    selection = _run_selection(results, run, ensemble) if run else _best_selection(results)
    if ensemble and len(selection.runs) < 2:
        single = f"{selection.called} of {results.name} is one run"
        raise NoModel(f"{single}, and an ensemble needs two or more: `confirm` or `final` makes them")
    runs = selection.runs if ensemble else selection.runs[:1]
    models = [_saved(results, run) for run in runs]
    return TrainedModels(results, selection.called, runs, tuple(model.folder for model in models), models[0].settings)


def _best_selection(results: Results) -> ModelSelection:
    """The runs that stand for the whole study."""
    completed_selections = [selection for selection in selections(results) if selection.runs]
    if not completed_selections:
        raise NoModel(f"{results.name} has no model yet: none of its runs has completed")
    # The ablation's baseline comes last, although it has more runs than the best trial: it may be the baseline of the
    # study file, which the search has improved upon.
    return min(completed_selections, key=lambda selection: selection.stage == ABLATION)


def _run_selection(results: Results, name: str, ensemble: bool) -> ModelSelection:
    """The run that `name` ("7" or "final/0") stands for; for an ensemble, all runs of its recipe in its stage."""
    stage, slash, number = name.rpartition("/")
    if not number.isdecimal() or len(number) > 9:
        raise _no_run(name)
    trial = find_trial(results, int(number), stage if slash else SEARCH)
    called = f"{trial.variant}, replicate {trial.replicate}" if trial.variant else f"trial {trial.number}"
    if not ensemble or trial.stage not in results.stages:
        return ModelSelection(trial.stage, "", called, (trial,))
    replicates = results.stages[trial.stage]
    arm = next((arm for arm in replicates.arms if arm.recipe == trial.recipe), None)
    return ModelSelection(trial.stage, "", trial.variant, completed(replicates, arm) if arm else (trial,))


def _no_run(name: str) -> NoModel:
    return NoModel(f"{name!r} names no run: write a number of the search, as 7, or stage and number, as final/0")


def _saved(results: Results, run: Trial) -> Saved:
    """The checkpoint and the recipe of a run. Raises NoModel if it has not completed."""
    if run.status is not Status.COMPLETE:
        why = f": {run.reason}" if run.reason else ""
        name = f"{run.stage}/{run.number} of {results.name}"
        raise NoModel(f"{name} has no trained model: it is {status_name(run.status)}{why}")
    return find(results.folder.parent, str(Reference(results.name, run.number, run.stage)))


def figures(trained: TrainedModels) -> list[tuple[str, str, float, int]]:
    """Return the figures of the recipe: part of the data, metric, mean over the completed runs, number of runs."""
    metric = trained.results.study.metric.name
    values = dict[tuple[str, str], list[float]]()
    for run in _completed_runs(trained):
        for part, metrics in run.metrics.items():
            for name, value in metrics.items():
                values.setdefault((part, name), []).append(value)
        if not run.metrics and run.value is not None:
            values.setdefault(("validation", metric.removeprefix("val_")), []).append(run.value)
    return [(part, name, sum(of_runs) / len(of_runs), len(of_runs)) for (part, name), of_runs in values.items()]


def _completed_runs(trained: TrainedModels) -> list[Trial]:
    """The completed runs of the recipe in all later stages, or the selected ones if there are none.

    Runs by which the recipe was chosen make an optimistic mean: they count only where there are no others. Final runs
    hold no images out, so they have no validation figure: the search's best trial is added for it, if it has the same
    recipe.
    """
    results, recipe = trained.results, trained.runs[0].recipe
    runs = [run for stage in results.stages.values() if stage.name != REPEATS for run in stage.trials]
    same = [run for run in runs if recipe and run.recipe == recipe and run.status is Status.COMPLETE]
    same = _without_choice(same) or list(trained.runs)
    best = results.ranked()[:1]
    if best and all(run.metrics for run in same) and settings_of(results, best[0].number) == trained.settings:
        return [*same, *best]
    return same


def chosen_by_its_figure(trained: TrainedModels) -> bool:
    """Return whether the recipe's validation figure is the mean by which it was chosen from several candidates."""
    stage = trained.results.stages.get(CONFIRM)
    validated = [run.stage for run in _completed_runs(trained) if not run.metrics]
    return stage is not None and len(stage.arms) > 1 and bool(validated) and set(validated) <= CHOICES


def _without_choice(runs: list[Trial]) -> list[Trial]:
    """The runs without those by which a recipe was chosen, unless they alone have validation figures."""
    others = [run for run in runs if run.stage not in CHOICES]
    return others if any(not run.metrics for run in others) else runs


def in_words(trained: TrainedModels) -> str:
    """Return how many models there are, and which: "1 model: digits, the incumbent (final/0)"."""
    return f"{count(len(trained.runs), 'model')}: {trained.origin}"
