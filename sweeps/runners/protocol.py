"""The protocol between schedulers and runners.

A runner asks a scheduler for jobs, trains them in this process or in workers, and passes back the events of each job.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, Protocol

from sweeps.artifacts.checkpoint import EVERY_S
from sweeps.io.errors import UserError
from sweeps.trial.trial import Outcome

MAX_WORKER_DEATHS = 3  # a trial continues from its checkpoint after so many deaths of its process; one more fails it
MAX_DEVICE_LOSSES = 1  # likewise after so many losses of its device


class RunnerError(UserError):
    """The runner cannot be started, or cannot provide the requested resources."""


class RunnerLost(ConnectionError):
    """The runner did not start, or has died. Nothing is lost: the same command, run again, may well succeed."""


class Decision(Enum):
    """The scheduler's answer to an event."""

    CONTINUE = "continue"
    STOP = "stop"


@dataclass(frozen=True)
class TrialResources:
    """The resources of one trial.

    Attributes:
        cpu: CPU cores per trial; may be a fraction.
        gpu: GPUs per trial; a fraction where trials share a GPU, 0 on the CPU.
        workers: The most trials that run at once. None: as many as the machine holds.
        gpus: The usable GPUs of this machine. A runner that starts here is told, since what it finds by itself may be
            another number; a cluster knows its own.
    """

    cpu: float
    gpu: float
    workers: int | None = None
    gpus: int = 0


@dataclass(frozen=True)
class Job:
    """One trial to train or evaluate: plain data, so that it can be pickled for another process.

    A sampler or a stage fills in what is trained; the stage's scheduler fills in where, when it starts the trial.

    Attributes:
        stage: The name under which the trial is stored.
        number: The trial's number within its stage.
        settings: The resolved recipe as nested settings.
        cost: Counts known before training, such as `parameters` and `macs`.
        parameters: The searched settings, by dotted key; empty for a replicate.
        seed: Seeds initialisation, data order, augmentation and dropout.
        split_seed: Seeds the split into training and validation data.
        label: What distinguishes the trial from others, for the user.
        key: The trial's key in the result cache.
        workload: The name that the workload is loaded by.
        device: "cpu", "cuda" or "mps".
        data_dir: The data folder.
        folder: The trial's own folder.
        access: The parts of the data that may be read: "train", "validation", "test".
        final: Whether the trial trains on everything but the test set.
        evaluate: None to train. Otherwise nothing is trained: the latest checkpoint is evaluated on the test set and on
            the labelled sets of these entries of the study file.
        runs_dir: The folder of all studies.
        stop_file: Where this file exists, the job ends as soon as it has saved its state.
        until: The epoch after which the job pauses. A workload that saves no state is stopped before its next epoch.
        timeout_s: Seconds without progress (the end of an epoch, or a checkpoint) after which the job fails.
        share: The fraction of the device's memory for the trial.
        checkpoint_every: Seconds of training that a kill may repeat; 0 saves the state after every epoch.
    """

    stage: str
    number: int
    settings: Mapping[str, Any]
    cost: Mapping[str, int] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    split_seed: int = 0
    label: str = ""
    key: str = ""
    workload: str = ""
    device: str = "cpu"
    data_dir: Path = Path()
    folder: Path = Path()
    access: frozenset[str] = frozenset()
    final: bool = False
    evaluate: tuple[Any, ...] | None = None
    runs_dir: Path | None = None
    stop_file: Path | None = None
    until: int | None = None
    timeout_s: float | None = None
    share: float = 1.0
    checkpoint_every: float = EVERY_S


@dataclass(frozen=True)
class Epoch:
    """A finished epoch.

    Attributes:
        number: The epoch, from 1.
        metrics: The metrics that the workload yielded.
        seconds: Device time since the job's previous event.
    """

    number: int
    metrics: Mapping[str, float]
    seconds: float


@dataclass(frozen=True)
class End:
    """The end of a job.

    Attributes:
        outcome: The status, with the reason where it did not complete.
        seconds: Device time since the job's previous event.
        metrics: The metrics of each labelled set, by the set's name; empty unless the job evaluated.
    """

    outcome: Outcome
    seconds: float
    metrics: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class DeviceLoss:
    """A job whose device failed in such a way that its process can never use it again: the last event of the process.

    The runner must start no other job in that process, but end it, and then call `on_death`.

    Attributes:
        outcome: A failure, with the reason: how the trial ends if it is not tried again.
        seconds: Device time since the job's previous event.
    """

    outcome: Outcome
    seconds: float


@dataclass(frozen=True)
class Preemption:
    """A job that stopped before its end and can be resumed from its latest checkpoint.

    Attributes:
        reason: Why the study cannot continue, for example a full disk; empty after an ordinary pause or stop.
    """

    reason: str = ""


@dataclass(frozen=True)
class Note:
    """A message about a job for the user."""

    text: str


Event = Epoch | End | DeviceLoss | Preemption | Note


class Scheduler(Protocol):
    """Chooses jobs and handles their events: a study, one of its stages, or a part of one.

    A runner makes all calls from one thread.
    """

    @property
    def failure(self) -> str:
        """Why it gave up; empty while it has not."""

    @property
    def cut(self) -> bool:
        """Whether the budget keeps it from going on."""

    @property
    def done(self) -> bool:
        """Whether no job runs and none is left that may be started."""

    @property
    def stopping(self) -> bool:
        """Whether the runner must stop now and abandon the running jobs; they resume at the next start."""

    def suggest(self) -> Job | None:
        """Return a job to start now, or None when there is none until a running job ends or fails."""

    def on_epoch(self, job: Job, epoch: Epoch) -> Decision:
        """Record an epoch of a job; after STOP the trial is over and the job must be stopped."""

    def on_end(self, job: Job, end: End) -> None:
        """Record the end of a job."""

    def on_device_loss(self, job: Job, loss: DeviceLoss) -> Decision:
        """Record that the process of a job has lost its device; after STOP the trial is over.

        The end of the process follows: `on_death` gives the same answer then, and does not count it as a death.
        """

    def on_preempted(self, job: Job, preemption: Preemption) -> None:
        """Handle a job that stopped before its end; a later call of `suggest`, or the next start, resumes it."""

    def on_note(self, job: Job, note: Note) -> None:
        """Show a message about a job."""

    def on_death(self, job: Job) -> Decision:
        """Handle the death of a job's process; after CONTINUE the runner must start the job again."""


def dispatch(event: Event, job: Job, scheduler: Scheduler) -> Decision:
    """Pass an event of `job` to the scheduler.

    Returns:
        CONTINUE while the job is to continue, and after a loss of the device, until the process has ended; STOP where
        the scheduler stopped it, or it has ended or was preempted.
    """
    match event:
        case Epoch():
            return scheduler.on_epoch(job, event)
        case Note():
            scheduler.on_note(job, event)
            return Decision.CONTINUE
        case DeviceLoss():
            scheduler.on_device_loss(job, event)
            return Decision.CONTINUE
        case Preemption():
            scheduler.on_preempted(job, event)
        case End():
            scheduler.on_end(job, event)
    return Decision.STOP


class Runner(Protocol):
    """Trains the jobs of a scheduler."""

    def run(self, scheduler: Scheduler) -> None:
        """Train jobs until the scheduler has none and none is running, or until it is stopping."""

    def interrupt(self, grace_s: float) -> None:
        """Prepare for `scheduler.stopping` to become true within `grace_s` seconds; called from a signal handler."""

    def close(self) -> None:
        """Release the runner's resources."""
