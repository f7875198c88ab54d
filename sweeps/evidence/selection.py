"""Select the runs that stand for a study: the final model, the incumbent, the baseline or the best trial."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sweeps.artifacts.layout import (
    ABLATION,
    CONFIRM,
    FINAL,
    INCUMBENT_RUNS,
    SEARCH,
    TEST,
    VALIDATION,
)
from sweeps.evidence.confirm.confirmation import Confirmation
from sweeps.evidence.summary import confirmation
from sweeps.recipe.keys import value_at
from sweeps.space.space import TOGGLE
from sweeps.storage.results import Results, StageResults
from sweeps.trial.arm import BASELINE, INCUMBENT, Arm
from sweeps.trial.trial import Status, Trial


@dataclass(frozen=True)
class ModelSelection:
    """Completed runs of one recipe.

    Attributes:
        stage: The stage of the runs.
        part: The part of the data on which they were measured: "validation" or "test".
        called: What the report calls them, such as "the incumbent".
        runs: The runs; empty as long as none has completed.
    """

    stage: str
    part: str
    called: str
    runs: tuple[Trial, ...]


def selections(results: Results) -> Iterator[ModelSelection]:
    """Yield the selections that exist, in the order of preference.

    These are the final model, the fresh runs of the incumbent, its runs in confirm, the baseline of the ablation, and
    the best trial of the search.
    """
    return selections_after(results, confirmation(results))


def selections_after(results: Results, confirmed: Confirmation | None) -> Iterator[ModelSelection]:
    """Yield the same as `selections`, from the evidence of confirm that the caller has."""
    final, confirm, ablation = (results.stages.get(name) for name in (FINAL, CONFIRM, ABLATION))
    if final is not None and (arm := final_arm(final)) is not None:
        yield ModelSelection(FINAL, TEST, _called(arm), completed(final, arm))
    if confirm is not None and confirmed is not None and confirmed.chosen is not None:
        leader = confirmed.chosen.arm
        if (fresh := results.stages.get(INCUMBENT_RUNS)) is not None:
            yield ModelSelection(INCUMBENT_RUNS, VALIDATION, _called(leader), completed(fresh, leader))
        yield ModelSelection(CONFIRM, VALIDATION, _called(leader), completed(confirm, leader))
    if ablation is not None and (baseline := ablation.arm(BASELINE)) is not None:
        yield ModelSelection(ABLATION, VALIDATION, "the ablation's baseline", completed(ablation, baseline))
    if ranked := results.ranked():
        yield ModelSelection(SEARCH, VALIDATION, f"trial {ranked[0].number}, the search's best", tuple(ranked[:1]))


def final_arm(stage: StageResults) -> Arm | None:
    """Return the arm of the final model: the incumbent or, where the baseline is the incumbent, the baseline."""
    candidates = (stage.arm(INCUMBENT), stage.arm(BASELINE), *stage.arms)
    return next((arm for arm in candidates if arm is not None and arm.applicable), None)


def completed(stage: StageResults, arm: Arm) -> tuple[Trial, ...]:
    """Return the completed runs of an arm, by replicate."""
    return tuple(run for _, run in sorted(stage.replicates(arm).items()) if run.status is Status.COMPLETE)


def baseline_trial(results: Results) -> Trial | None:
    """Return trial 0 of the search if its settings are those of the study's baseline, else None.

    Each of its settings must be written in the baseline: a default of the workload is not known here.
    """
    first = next((trial for trial in results.trials if trial.number == 0), None)
    if first is None or not first.parameters:
        return None
    settings = {**results.study.space.constants, **first.parameters}
    return first if all(_same(results.study.baseline, key, value) for key, value in settings.items()) else None


def _same(baseline: Mapping[str, Any], key: str, value: Any) -> bool:
    """Whether the nested `baseline` has `value` at a dotted key."""
    if key.startswith(TOGGLE):
        return value is True  # the baseline has every part that a toggle may remove
    of_baseline = value_at(baseline, key, object())  # an object that equals no value: None may be a setting
    if isinstance(of_baseline, list | tuple) and isinstance(value, list | tuple):
        return list(of_baseline) == list(value)
    return bool(of_baseline == value)


def _called(arm: Arm) -> str:
    return f"the {arm.name}" if arm.name in (INCUMBENT, BASELINE) else arm.name
