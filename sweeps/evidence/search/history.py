"""The course of a search in numbers: what started its trials, and how many went on from each rung."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from sweeps.evidence.search.calibration import Calibration, calibration
from sweeps.evidence.search.decisions import NEW, TO_THE_END, UNBOUNDED, Bounds, Step, steps_of
from sweeps.trial.trial import Status, Trial

ORIGINS = ("baseline", "enqueued", "start", "model", "tpe", "random", "grid")


@dataclass(frozen=True)
class RungCount:
    """The trials that paused at one epoch, each once.

    Attributes:
        epoch: The epoch.
        paused: How many trials have paused there.
        promoted: How many of them were promoted.
        sent: How many were sent to the end because no new trial came any more.
        waiting: How many wait there now.
        ended: How many ended there, such as those that were not promoted.
    """

    epoch: int
    paused: int
    promoted: int
    sent: int
    waiting: int
    ended: int


@dataclass(frozen=True)
class SearchHistory:
    """The decisions of a search in their order, and what they add up to."""

    steps: tuple[Step, ...]

    @cached_property
    def started(self) -> dict[str, int]:
        """How many trials were started by what; those on no record are "unknown"."""
        counts = Counter(step.decision.by or "unknown" for step in self.steps if step.decision.why == NEW)
        return {name: counts[name] for name in (*ORIGINS, *sorted(counts.keys() - set(ORIGINS))) if counts[name]}

    @cached_property
    def rungs(self) -> tuple[RungCount, ...]:
        """The epochs at which trials paused, in their order."""
        by_epoch: dict[int, list[Step]] = {}
        for step in self.steps:
            until = step.decision.until
            if until is not None and step.reached is not None and not step.to_the_end:
                by_epoch.setdefault(until, []).append(step)
        departures = {(step.decision.trial, step.decision.start): step.decision.why for step in self.steps}
        return tuple(_rung(epoch, by_epoch[epoch], departures) for epoch in sorted(by_epoch))

    @cached_property
    def completed(self) -> int:
        """How many of the trials were trained to their end."""
        return len({step.decision.trial for step in self.steps if step.end is not None})

    @cached_property
    def calibration(self) -> Calibration:
        """Whether the predictions held."""
        return calibration(self.steps)

    @property
    def predicted(self) -> bool:
        """Whether any decision has a prediction."""
        return any(step.decision.predicted is not None for step in self.steps)

    def plain(self) -> dict[str, Any]:
        """Return what the decisions add up to as plain data for JSON."""
        return {
            "started": self.started,
            "rungs": [asdict(rung) for rung in self.rungs],
            "completed": self.completed,
            "calibration": asdict(self.calibration) if self.predicted else None,
        }

    def of_trial(self, number: int) -> tuple[Step, ...]:
        """Return the decisions on one trial."""
        return tuple(step for step in self.steps if step.decision.trial == number)


def search_history(trials: Sequence[Trial], bounds: Bounds = UNBOUNDED) -> SearchHistory:
    """Return the history of a search; it has no steps where no decision is on record.

    Args:
        trials: The trials of the search.
        bounds: Those of the metric, which predictions are cut to.
    """
    return SearchHistory(steps_of(trials, bounds))


def _rung(epoch: int, steps: Sequence[Step], departures: Mapping[tuple[int, int | None], str]) -> RungCount:
    trials = {step.decision.trial: step.trial for step in steps}
    gone = Counter(departures[number, epoch] for number in trials if (number, epoch) in departures)
    stayed = [trial for number, trial in trials.items() if (number, epoch) not in departures]
    return RungCount(
        epoch,
        len(trials),
        gone.total() - gone[TO_THE_END],
        gone[TO_THE_END],
        sum(trial.status is Status.RUNNING for trial in stayed),
        sum(trial.status is not Status.RUNNING for trial in stayed),
    )
