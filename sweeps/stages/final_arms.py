"""Select the arms of the stage final, and replace settings that need validation data."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sweeps.artifacts.layout import INCUMBENT_RUNS
from sweeps.stages.context import Context
from sweeps.stages.incumbent import NotYet, incumbent
from sweeps.storage.results import Results
from sweeps.study.stages import ABLATION, CONFIRM
from sweeps.trial.arm import BASELINE, INCUMBENT, Arm
from sweeps.trial.trial import Status


def final_arms(context: Context) -> list[Arm]:
    """Return the incumbent and, with `arms: all`, every applicable arm of the ablation; each recipe once.

    Raises:
        NoCandidate: No trial has completed.
        NotYet: An earlier stage has not ended.
    """
    study, results = context.study, context.storage.results()
    assert study.final is not None
    best = incumbent(results, context.gate).arm
    name = BASELINE if best.name == BASELINE else INCUMBENT
    if study.final.arms == "best":
        return [Arm(name, best.settings, cost=best.cost)]
    arms = _ablated(results)
    if not _ablation_ended(results):
        raise NotYet(f"{results.name}: final.arms is all, but the ablation has not ended; run it first")
    included = any(arm.recipe == best.recipe for arm in arms)
    return arms if included else [Arm(name, best.settings, cost=best.cost), *arms]


def settings_without_validation(context: Context, arm: Arm) -> dict[str, Any]:
    """Return the settings, by dotted key, that replace what needs validation data, such as early stopping.

    Final runs train on everything but the test set. The workload derives the settings from the epochs that the recipe's
    replicates trained for or, without any, its trial of the search.
    """
    results = context.storage.results()
    stages = (results.stages.get(name) for name in (CONFIRM.name, INCUMBENT_RUNS, ABLATION.name))
    runs = [run for stage in stages if stage is not None for run in stage.replicates(arm).values()]
    if not any(run.status is Status.COMPLETE for run in runs):
        runs = [trial for trial in results.trials if trial.status is Status.COMPLETE]
        runs = [trial for trial in runs if context.gate.assess(trial.parameters).settings == arm.settings]
    epochs = [run.epochs for run in runs if run.status is Status.COMPLETE]
    return context.workload.without_validation(context.workload.schema.validate(arm.settings), epochs)


def _ablation_ended(results: Results) -> bool:
    stage = results.stages.get(ABLATION.name)
    replicates = stage.facts.get("wanted", {}) if stage else {}
    if stage is None or not replicates:
        return False
    runs_by_arm = {arm.name: stage.replicates(arm) for arm in stage.arms if arm.applicable}
    return all(
        number in runs and runs[number].ended
        for name, runs in runs_by_arm.items()
        for number in range(replicates.get(name, 0))
    )


def _ablated(results: Results) -> list[Arm]:
    """The applicable arms of the ablation, the first of each recipe; none refers to one that is left out."""
    stage = results.stages.get(ABLATION.name)
    arms: list[Arm] = []
    for arm in stage.arms if stage else ():
        if arm.applicable and all(arm.recipe != other.recipe for other in arms):
            arms.append(arm)
    names = {arm.name for arm in arms}
    return [arm if arm.reference in names else replace(arm, reference="") for arm in arms]
