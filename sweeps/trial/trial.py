"""The nouns of a run: what a trial is, how it ended, and what its workload holds while it trains."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    """How a trial stands. Every status but RUNNING is final."""

    RUNNING = "running"
    COMPLETE = "complete"
    PRUNED = "pruned"  # stopped by early termination
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
    def optuna_state(self) -> str:
        """The state that Optuna is told: TPE ignores FAIL and would come back to the same place, so what the
        configuration is to blame for is PRUNED.
        """
        return _OPTUNA_STATES.get(self, "PRUNED")


_OPTUNA_STATES = {
    Status.RUNNING: "RUNNING",
    Status.COMPLETE: "COMPLETE",
    Status.FAILED: "FAIL",
    Status.DUPLICATE: "FAIL",
    Status.ABANDONED: "FAIL",
}
_COUNTED = frozenset({Status.COMPLETE, Status.PRUNED, Status.DIVERGED, Status.OUT_OF_MEMORY})


@dataclass(frozen=True)
class Outcome:
    """How a trial ended, and why in one line (empty when it completed)."""

    status: Status
    reason: str = ""
    details: str = ""  # a traceback, for the trial's log


@dataclass(frozen=True)
class Trial:
    """One configuration of a study and what became of it.

    `parameters` holds the searched settings by dotted key; `curve` the study's metric by epoch, counted from 1;
    `cost` the workload's counts (`parameters`, `trainable_parameters`, `macs`); `seconds` the time that the trial
    held its device. A replicate (a run of confirm, ablation or final) names its arm in `variant` and its place among
    the stage's seeds, from 0, in `replicate`; `recipe` is the digest of its resolved settings. `metrics` holds, in the
    stage final, what each labelled set gave. `source` names the finished run (study/stage/number) that the result
    cache took the figures from; `key` is the name under which that cache knows a run.
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
    trained: int = 0  # epochs of a run of the stage final, whose curve is empty: nothing is held out
    deaths: int = 0  # how many times the process that it was trained in died under it
    drift: int = 0  # how many changes of code, data, library or study file had been accepted when it began

    @property
    def epochs(self) -> int:
        """Epochs trained and recorded."""
        return max(self.curve, default=self.trained)

    @property
    def figure(self) -> float | None:
        """The metric that the run counts with in a comparison of arms: its value or, where it diverged, chance.

        None for a run that has not ended, or of which a machine left no figure.
        """
        if self.status is Status.DIVERGED and self.curve:
            return self.curve[max(self.curve)]
        return self.value if self.status is Status.COMPLETE else None
