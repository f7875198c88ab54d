"""The context of a running study, which its stage schedulers share, and the protocol of its observer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from sweeps.evidence.declaration import DECLARING, declared_now
from sweeps.samplers.constraint_gate import ConstraintGate
from sweeps.stages.budget import DeviceBudget
from sweeps.storage.result_cache import ResultCache
from sweeps.storage.results import DECLARED
from sweeps.storage.study_storage import StudyStorage
from sweeps.study.stages import Stage
from sweeps.study.study import Study
from sweeps.trial.trial import Trial
from sweeps.workload import Site, Workload
from sweeps.workload.references import References


class Observer(Protocol):
    """Follows a study as it runs, such as the progress view. All calls come from the driver's thread."""

    def on_stage(self, stage: str, total: int | None) -> None:
        """A stage begins, continues, or has grown to `total` runs; None for a search that only its budget limits."""

    def on_trainings(self, spent: float, budget: float) -> None:
        """The search has used `spent` of its budget, in full trainings of the baseline."""

    def on_start(self, stage: str, number: int, label: str, resumed_at: int) -> None:
        """A trial starts, or continues after epoch `resumed_at` (0: from the beginning). `label` is for people."""

    def on_epoch(self, stage: str, number: int, epoch: int, metrics: Mapping[str, float]) -> None:
        """An epoch (counted from 1) has been recorded."""

    def on_pause(self, stage: str, number: int, epoch: int) -> None:
        """A trial waits after an epoch until the others have come as far."""

    def on_end(self, trial: Trial) -> None:
        """A trial has ended, or was refused before it started."""

    def on_note(self, text: str) -> None:
        """A message for the user."""

    def on_interrupt(self, why: str) -> None:
        """The study has been asked to end early: by what, and what happens now."""


@dataclass(frozen=True)
class Context:
    """The context of a running study, shared by its stage schedulers.

    Attributes:
        study: The study as it runs: `gpu: auto` is replaced by the measured share.
        workload: The workload that the trials train.
        site: The device and the folders of the study.
        gate: Checks configurations against the constraints, starting from the baseline.
        storage: The stored trials, stages and provenance of the study.
        cache: Finds runs of other studies of the same runs folder that can be reused.
        references: Finds the models of other studies that recipes refer to.
        budget: Counts device-seconds, and decides whether another run may start.
        observer: Is notified of every stage, trial, epoch and message.
        drift: The number of accepted drifts so far: runs that continued after code, data, a library, the device, a
            model or the study file had changed.
    """

    study: Study
    workload: Workload
    site: Site
    gate: ConstraintGate
    storage: StudyStorage
    cache: ResultCache
    references: References
    budget: DeviceBudget
    observer: Observer
    drift: int = 0


def declare(context: Context, stage: Stage) -> None:
    """Store what a stage is to do before its first run, or what the study file has changed since.

    A search declares nothing: repeats of one of its runs may be the only replicates of a study.
    """
    if stage.name not in DECLARING:
        return
    storage = context.storage.stage(stage.name)
    stored = storage.decided()["facts"].get(DECLARED)
    declared = declared_now(stored, context.study, stage.name, context.storage.results)
    if declared != stored:
        storage.set_facts({**storage.decided()["facts"], DECLARED: declared})
