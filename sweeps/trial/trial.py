"""A trial, its status, and the outcome that ended it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    """The status of a trial. Every status except RUNNING is final."""

    RUNNING = "running"
    COMPLETE = "complete"
    PRUNED = "pruned"  # by early termination: stopped at its rung, or not promoted from it
    DIVERGED = "diverged"  # NaN or infinity in its metrics
    OUT_OF_MEMORY = "out_of_memory"
    REJECTED = "rejected"  # over a constraint or not buildable: never trained
    DUPLICATE = "duplicate"  # the sampler repeated a configuration: never trained
    FAILED = "failed"  # a machine or a bug
    ABANDONED = "abandoned"  # half-sampled when the driver died: never trained

    @property
    def counted(self) -> bool:
        """Whether a trial of this status counts towards `run_cap`."""
        return self in _COUNTED

    @property
    def lost(self) -> bool:
        """Whether a replicate of this status has no result: the next start of the study runs it again."""
        return self in (Status.FAILED, Status.OUT_OF_MEMORY)

    @property
    def optuna_state(self) -> str:
        """The name of the trial's state in Optuna's storage.

        TPE ignores FAIL and would propose the same region again. So a trial that its configuration caused to fail is
        PRUNED.
        """
        return _OPTUNA_STATES.get(self, "PRUNED")


_OPTUNA_STATES = {
    Status.RUNNING: "RUNNING",
    Status.COMPLETE: "COMPLETE",
    Status.FAILED: "FAIL",
    Status.DUPLICATE: "FAIL",
    Status.ABANDONED: "FAIL",
}
_IN_EPOCH = re.compile(r" in epoch (\d+)$")  # how `diverged_in` ends
_ON_TEST = " on the test set"  # how `diverged_on_test` ends
PAUSED = "paused"  # the state of a trial that waits to be handed out again; its status is RUNNING
STATES = (Status.RUNNING.value, PAUSED, *(status.value for status in Status if status is not Status.RUNNING))
"""Every state of a trial (`Trial.state`): the statuses, and `PAUSED` beside running."""
_COUNTED = frozenset({Status.COMPLETE, Status.PRUNED, Status.DIVERGED, Status.OUT_OF_MEMORY})


@dataclass(frozen=True)
class Outcome:
    """How a trial ended.

    Attributes:
        status: A final status.
        reason: Why it ended, in one line; empty if it completed.
        details: A traceback for the trial's log.
    """

    status: Status
    reason: str = ""
    details: str = ""


def diverged_in(epoch: int, metric: str, value: float) -> Outcome:
    """Return the outcome of a trial whose `metric` was not finite in an epoch."""
    return Outcome(Status.DIVERGED, f"{metric} was {value} in epoch {epoch}")


def diverged_on_test(metric: str, value: float) -> Outcome:
    """Return the outcome of a trial whose `metric` was not finite on the test set."""
    return Outcome(Status.DIVERGED, f"{metric} was {value}{_ON_TEST}")


@dataclass(frozen=True)
class Trial:
    """One configuration of a study and its result.

    A replicate is a run of a later stage (confirm, race, ablation, final): one arm on one of the stage's seeds.

    Attributes:
        number: From 0, per stage.
        parameters: The searched settings by dotted key; empty for a replicate.
        value: The study's metric, if the trial completed.
        curve: The study's metric by epoch, counted from 1.
        cost: The workload's counts: `parameters`, `trainable_parameters`, `macs`.
        seconds: How long the trial held its device, in seconds.
        variant: The name of a replicate's arm.
        replicate: The index of a replicate's seed in its stage, from 0.
        recipe: The digest of a replicate's resolved settings.
        metrics: The metrics of each labelled set, by set, in the stage final.
        source: The finished run (study/stage/number) whose result the result cache reused; empty for a trained run.
        key: The run's key in the result cache.
        trained: The trained epochs of a run of the stage final, whose curve is empty because nothing is held out.
        deaths: How often the process that trained it died.
        drift: How many accepted changes of code, data, libraries or study file preceded its start.
        decisions: Why it was handed out, each time that it was, in a search whose trials pause. Each
            has `until`, the epoch at which the trial pauses next, and `last`, true where it goes on to its end.
    """

    number: int
    stage: str
    status: Status
    parameters: Mapping[str, Any]
    value: float | None = None
    curve: Mapping[int, float] = field(default_factory=dict)
    cost: Mapping[str, int] = field(default_factory=dict)
    reason: str = ""
    seed: int = 0
    seconds: float = 0.0
    started: datetime | None = None
    finished: datetime | None = None
    variant: str = ""
    replicate: int | None = None
    recipe: str = ""
    metrics: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    source: str = ""
    key: str = ""
    trained: int = 0
    deaths: int = 0
    drift: int = 0
    decisions: tuple[Mapping[str, Any], ...] = ()

    @property
    def epochs(self) -> int:
        """The number of recorded epochs."""
        return max(self.curve, default=self.trained)

    @property
    def ended(self) -> bool:
        """Whether the trial has a final status."""
        return self.status is not Status.RUNNING

    @property
    def paused(self) -> bool:
        """Whether the trial waits at its checkpoint until the search hands it out again."""
        last = self.decisions[-1] if self.decisions else None
        if self.ended or not isinstance(last, Mapping) or last.get("last", False):
            return False
        until = last.get("until")
        return isinstance(until, int) and self.epochs >= until

    @property
    def state(self) -> str:
        """The status as a word, with `PAUSED` for a running trial that is paused."""
        return PAUSED if self.paused else self.status.value

    @property
    def figure(self) -> float | None:
        """The metric with which the run enters a comparison of arms: its value, or the chance level if it diverged.

        None for a run that has not ended or that a machine's failure left without a metric.
        """
        if self.imputed:
            return self.curve[max(self.curve)]
        return self.value if self.status is Status.COMPLETE else None

    @property
    def imputed(self) -> bool:
        """Whether the last value of the curve was not measured: the run diverged, and it is the chance level.

        A workload that defines no chance level leaves the epoch in which a run diverged without a value. Where the run
        diverged on the test set, the chance level stands after its trained epochs.
        """
        if self.status is not Status.DIVERGED or not self.curve:
            return False
        if self.reason.endswith(_ON_TEST):
            return max(self.curve) > self.trained
        in_epoch = _IN_EPOCH.search(self.reason)
        return in_epoch is None or max(self.curve) == int(in_epoch[1])

    @property
    def measured(self) -> Mapping[int, float]:
        """The curve without an imputed value."""
        if not self.imputed:
            return self.curve
        last = max(self.curve)
        return {epoch: value for epoch, value in self.curve.items() if epoch != last}
