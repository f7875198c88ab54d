"""Which runs stand for what a study has found: those of its final model, else of what came nearest to one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sweeps import evidence
from sweeps.artifacts.layout import SEARCH, TEST, VALIDATION, trial_folder
from sweeps.storage.results import Results, StageResults
from sweeps.trial.arm import BASELINE, Arm
from sweeps.trial.trial import Status, Trial

INCUMBENT = "incumbent"
FINAL, CONFIRM, ABLATION = "final", "confirm", "ablation"


@dataclass(frozen=True)
class ModelSelection:
    """Completed runs of one recipe: their stage, the part of the data that judged them, and what to call them."""

    stage: str
    part: str
    called: str
    runs: tuple[Trial, ...]


def choices(results: Results) -> Iterator[ModelSelection]:
    """The final model, the incumbent of confirm, the ablation's baseline and the search's best, as far as there are."""
    final, confirm, ablation = (results.stages.get(name) for name in (FINAL, CONFIRM, ABLATION))
    confirmed = evidence.confirmation(results)
    if final is not None and (arm := final_arm(final)) is not None:
        yield ModelSelection(FINAL, TEST, _called(arm), completed(final, arm))
    if confirm is not None and confirmed is not None and confirmed.levels:
        leader = confirmed.levels[0].arm
        yield ModelSelection(CONFIRM, VALIDATION, _called(leader), completed(confirm, leader))
    if ablation is not None and (baseline := ablation.arm(BASELINE)) is not None:
        yield ModelSelection(ABLATION, VALIDATION, "the ablation's baseline", completed(ablation, baseline))
    if ranked := results.ranked():
        yield ModelSelection(SEARCH, VALIDATION, f"trial {ranked[0].number}, the search's best", tuple(ranked[:1]))


def final_arm(stage: StageResults) -> Arm | None:
    """The arm that a final stage is about: the incumbent, which the baseline may be."""
    named = (stage.arm(INCUMBENT), stage.arm(BASELINE), *stage.arms)
    return next((arm for arm in named if arm is not None and arm.applicable), None)


def completed(stage: StageResults, arm: Arm) -> tuple[Trial, ...]:
    """The runs of an arm that completed, by replicate."""
    return tuple(run for _, run in sorted(stage.replicates(arm).items()) if run.status is Status.COMPLETE)


def run_folder(results: Results, trial: Trial) -> Path:
    """Where the files of a run are: those of the run that the result cache took it from, where it did."""
    if not trial.source:
        return results.trial_folder(trial.number, trial.stage)
    study, stage, number = trial.source.rsplit("/", 2)
    return trial_folder(results.folder.parent / study, int(number), stage)


def _called(arm: Arm) -> str:
    return f"the {arm.name}" if arm.name in (INCUMBENT, BASELINE) else arm.name
