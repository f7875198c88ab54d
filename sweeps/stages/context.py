"""sweeps.stages.context."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from sweeps.samplers.feasibility import ConstraintGate
from sweeps.stages.budget import DeviceBudget
from sweeps.storage.result_cache import ResultCache
from sweeps.storage.study_storage import StudyStorage
from sweeps.study.study import Study
from sweeps.trial.trial import Trial
from sweeps.workload import Site, Workload
from sweeps.workload.references import References


class Observer(Protocol):
    """Whoever follows a study: the terminal view."""

    def on_stage(self, stage: str, wanted: int) -> None:
        """A stage begins, goes on, or has grown to `wanted` runs."""

    def on_start(self, stage: str, number: int, label: str, resumed_at: int) -> None:
        """A trial starts, or goes on after epoch `resumed_at`; `label` tells it from others."""

    def on_epoch(self, stage: str, number: int, epoch: int, metrics: Mapping[str, float]) -> None:
        """An epoch has been recorded."""

    def on_pause(self, stage: str, number: int, epoch: int) -> None:
        """A trial has left after an epoch, until the others have come as far."""

    def on_end(self, trial: Trial) -> None:
        """A trial has ended, or was refused before it started."""

    def on_note(self, text: str) -> None:
        """Something that a person is to know."""

    def on_interrupt(self, why: str) -> None:
        """The study has been asked to end early: by what, and what happens now."""


@dataclass(frozen=True)
class Context:
    """What every leg of a study works with."""

    study: Study
    workload: Workload
    site: Site
    gate: ConstraintGate
    store: StudyStorage
    cache: ResultCache
    references: References
    allowance: DeviceBudget
    observer: Observer
    drift: int = 0  # how many changes have been accepted since the study began
