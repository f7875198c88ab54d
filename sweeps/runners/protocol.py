"""What a runner is: it asks a scheduler for jobs, trains them somewhere, and brings back what happened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, Protocol

from sweeps.io.errors import UserError
from sweeps.trial.trial import Outcome

DEATHS_ALLOWED = 3  # so often a job goes on from its checkpoint after its process died


class RunnerError(UserError):
    """The place where trials run cannot be had as asked; the text says why and the way out."""


class Decision(Enum):
    """What a scheduler says after an epoch."""

    CONTINUE = "continue"
    STOP = "stop"


@dataclass(frozen=True)
class TrialResources:
    """What one trial takes of the machine, and how many may run at once (None: as many as fit)."""

    cpu: float
    gpu: float
    workers: int | None = None


@dataclass(frozen=True)
class Job:
    """One trial to train: plain data, so that it travels to another process. `settings` is the resolved recipe.

    `final` trains on all but the test set. With `evaluate`, nothing is trained: the trial's latest checkpoint is
    measured on the test set and on the labelled sets that these entries of the study stand for. `runs_dir` is the
    folder of all studies. Where `stop_file` exists, the job leaves as soon as it has saved its state, and so it does
    after epoch `until`: one that saves nothing leaves before another epoch counts. It is given up after `timeout_s`
    seconds without progress: without an epoch's end or a checkpoint.
    """

    stage: str
    number: int
    workload: str
    settings: Mapping[str, Any]
    seed: int
    split_seed: int
    device: str
    data_dir: Path
    folder: Path
    access: frozenset[str]
    final: bool = False
    evaluate: tuple[Any, ...] | None = None
    runs_dir: Path | None = None
    stop_file: Path | None = None
    until: int | None = None
    timeout_s: float | None = None


@dataclass(frozen=True)
class Epoch:
    """A finished epoch: its number from 1, what the workload yielded, and the device time since the last event."""

    number: int
    metrics: Mapping[str, float]
    seconds: float


@dataclass(frozen=True)
class End:
    """The end of a job, the device time since the last event, and what each labelled set gave where it was measured."""

    outcome: Outcome
    seconds: float
    metrics: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Preemption:
    """A job that left before its end, its state saved as far as it was; with a `reason` the study cannot go on."""

    reason: str = ""


@dataclass(frozen=True)
class Note:
    """Something about a job that a person is to know."""

    text: str


Event = Epoch | End | Preemption | Note


class Scheduler(Protocol):
    """What next: hands out jobs and decides after each epoch. All calls come from one thread."""

    @property
    def stopping(self) -> bool:
        """Whether a signal or a failure asks for an early end: running jobs are to be left as they are."""

    def suggest(self) -> Job | None:
        """A job to start now, or None: there is none unless a running one fails."""

    def on_epoch(self, job: Job, epoch: Epoch) -> Decision:
        """Record an epoch of a job; STOP means that its trial has been ended and the job is to leave."""

    def on_end(self, job: Job, end: End) -> None:
        """Record how a job ended."""

    def on_left(self, job: Job, left: Preemption) -> None:
        """A job has left before its end: it goes on when it is handed out again, in this run or at a later start."""

    def on_note(self, job: Job, note: Note) -> None:
        """Tell of a job."""

    def on_death(self, job: Job) -> Decision:
        """The process that a job was in has died; STOP where it is not to be begun again."""


def dispatch(event: Event, job: Job, scheduler: Scheduler) -> Decision:
    """Tell the scheduler what happened; STOP where the job is to leave, or has."""
    match event:
        case Epoch():
            return scheduler.on_epoch(job, event)
        case Note():
            scheduler.on_note(job, event)
            return Decision.CONTINUE
        case Preemption():
            scheduler.on_left(job, event)
        case End():
            scheduler.on_end(job, event)
    return Decision.STOP


class Runner(Protocol):
    """Where trials run."""

    def run(self, scheduler: Scheduler) -> None:
        """Train jobs until the scheduler has none left and none runs, or it is stopping."""

    def interrupt(self, grace_s: float) -> None:
        """The scheduler will be stopping within so many seconds; called from a signal's handler."""

    def close(self) -> None:
        """Give back what the runner holds."""
