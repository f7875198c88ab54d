"""The engine's side: a study with the default search and early termination, inline for one worker, else through Ray."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.known_table import KnownTable
from benchmarks.search_real.searched import METRIC, WORKLOAD, Clock, Found, Task
from sweeps.engine import execute
from sweeps.prepare.prepared import settle
from sweeps.recipe.keys import value_at
from sweeps.runners.protocol import TrialResources
from sweeps.runners.startup import start_runner
from sweeps.storage.results import Results
from sweeps.study.stages import RunRequest, stages_of
from sweeps.study.study import Study
from sweeps.trial.trial import Trial
from sweeps.workload import load


class Watch(Clock):
    """An observer that counts."""

    def on_stage(self, stage: str, wanted: int) -> None:
        """Ignore the event."""

    def on_note(self, text: str) -> None:
        """Ignore the event."""

    def on_start(self, stage: str, number: int, label: str, resumed_at: int) -> None:
        """Count a hand-out."""
        self.handed_out += 1

    def on_epoch(self, stage: str, number: int, epoch: int, metrics: Mapping[str, float]) -> None:
        """Count an epoch."""
        self.epoch(metrics)

    def on_pause(self, stage: str, number: int, epoch: int) -> None:
        """Ignore the event."""

    def on_end(self, trial: Trial) -> None:
        """Ignore the event."""

    def on_trainings(self, spent: float, budget: float) -> None:
        """Ignore the event."""

    def on_interrupt(self, why: str) -> None:
        """Ignore the event."""


def study_of(task: Task) -> Study:
    """Return the study: the table's, searched with the engine's defaults within the budget."""
    table = task.table
    baseline = table.nearest(settings_of_baseline(table))
    return table.study.edited(
        {
            "name": f"{task.problem}_search",
            "workload": WORKLOAD,
            "method": "bayes",
            "metric": {"name": METRIC, "goal": "maximize", "at": "last"},
            "early_terminate": {"type": "asha"},
            "run_cap": len(table.rows),
            "budget": {"trainings": task.budget_s / (table.epochs * table.epoch_seconds[baseline])},
            "seed": task.seed,
        }
    )


def settings_of_baseline(table: KnownTable) -> dict[str, Any]:
    """Return the baseline's values of the searched settings, by dotted key."""
    recipe = load(WORKLOAD).schema.validate(table.study.baseline).model_dump(mode="json")
    return {dimension.key: value_at(recipe, dimension.key) for dimension in table.space.dimensions}


def search(task: Task) -> Found:
    """Run the study and return what it cost and found."""
    watch, study = Watch(), study_of(task)
    kind = "inline" if task.workers == 1 else "ray"
    starts = start_runner(kind, TrialResources(cpu=1, gpu=0, workers=task.workers), None)
    try:
        prepared = settle(study, load(study.workload), task.data_dir, {}, check_test=False)
        result = execute.run(
            prepared, task.folder / study.name, starts.ready, watch, RunRequest(stages_of(study)), cache=False
        )
        spent_s = sum(trial.epochs * trial.cost["macs"] / 1e6 for trial in result.results.trials)
        best = handed_over(result.results)
        return watch.record(task, best.parameters, max(best.curve.items()), spent_s)
    finally:
        starts.close()


def handed_over(results: Results) -> Trial:
    """Return the best complete trial; without one, the best of those that were trained longest."""
    ranked = results.ranked()
    return ranked[0] if ranked else max(results.trials, key=lambda trial: max(trial.curve.items(), default=(0, 0.0)))
