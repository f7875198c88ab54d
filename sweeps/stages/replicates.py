"""Base class of the stages that train arms over paired seeds.

Replicate r of every arm has the same seed and the same split, so that arms are compared pair by pair. The runs of one
seed are started one after another: a study that is interrupted has whole pairs.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sweeps.formatting import count
from sweeps.runners.protocol import Job
from sweeps.stages.base import MAX_FAILURES_IN_A_ROW, StageScheduler
from sweeps.stages.context import Context, declare
from sweeps.storage.stage_storage import StageStorage
from sweeps.study.stages import Stage
from sweeps.trial.arm import Arm
from sweeps.trial.seeds import stream
from sweeps.trial.trial import Status, Trial


class ReplicateStage(StageScheduler):
    """The scheduler of a stage of replicates.

    Runs are identified by the digest of their resolved recipe and their replicate, not by the arm's name: arms of one
    recipe share their runs, and a component that is renamed costs nothing.

    A run that failed in an earlier start is run again with the same seeds, as a further trial, once per start. A broken
    arm fails again each time: after `MAX_FAILURES_IN_A_ROW` of its runs have, the rest are left for the next start.
    """

    def __init__(self, context: Context, stage: Stage, storage: StageStorage, arms: Sequence[Arm]) -> None:
        super().__init__(context, stage, storage)
        self.arms = tuple(arms)
        self._active = [arm for arm in arms if arm.applicable]
        declare(context, stage)
        storage.set_arms(list(arms))
        self._runs: dict[tuple[str, int], Trial | None] = {}  # by (recipe, replicate); None while it runs
        self._unfinished: deque[tuple[int, Arm, int]] = deque()  # (number, arm, replicate) of an earlier start
        self._lost: dict[tuple[str, int], Trial] = {}  # the latest attempt at each run that failed in an earlier start
        self._repeats: set[int] = set()  # the numbers of the runs that repeat one of these
        self._failed_again: Counter[str] = Counter()  # by recipe: how many of these in a row failed again
        for trial in storage.trials():
            self._take_over(trial)

    @abstractmethod
    def replicates_needed(self) -> Mapping[str, int]:
        """Return the number of replicates that each arm needs, judging by the runs that have ended."""

    def pending(self) -> bool:
        """Whether a run could be started now, or once the running ones have ended."""
        return bool(self._unfinished) or next(self._missing(), None) is not None

    def total(self) -> int:
        """Return the number of runs of the stage; those that arms of one recipe share count once."""
        totals: dict[str, int] = {}
        for arm in self._active:
            totals[arm.recipe] = max(totals.get(arm.recipe, 0), self.replicates_needed().get(arm.name, 0))
        return sum(totals.values())

    def figures(self, arm: Arm) -> dict[int, float]:
        """Return the metric of an arm's ended runs by replicate; runs without one are left out."""
        ended = {number: trial for (recipe, number), trial in self._runs.items() if recipe == arm.recipe and trial}
        return {number: trial.figure for number, trial in sorted(ended.items()) if trial.figure is not None}

    def ended(self, arm: Arm, replicates: int) -> bool:
        """Return whether the first `replicates` runs of an arm have ended, in whichever way."""
        return all(self._runs.get((arm.recipe, replicate)) is not None for replicate in range(replicates))

    def _next(self) -> Job | None:
        if self._unfinished:
            return self._replicate(*self._unfinished.popleft())
        missing = next(self._missing(), None)
        if missing is None:
            return None
        return self._replicate(self._add(*missing), *missing)

    def _add(self, arm: Arm, replicate: int) -> int:
        """Store a new run of an arm and return its number."""
        number = self._storage.add_replicate(arm, replicate)
        self._runs[arm.recipe, replicate] = None
        if self._lost.pop((arm.recipe, replicate), None) is not None:
            self._repeats.add(number)
        return number

    def _missing(self) -> Iterator[tuple[Arm, int]]:
        """The runs that do not exist yet or are to be run again, the arms of one replicate side by side."""
        needed = self.replicates_needed()
        for replicate in range(max(needed.values(), default=0)):
            for arm in self._active:
                if replicate < needed.get(arm.name, 0) and (arm.recipe, replicate) not in self._runs:
                    yield arm, replicate

    def _replicate(self, number: int, arm: Arm, replicate: int) -> Job:
        """The job of one replicate of an arm, stored as trial `number`."""
        name = self._storage.stage
        seed = stream(self._study.seed, name, replicate)
        split_seed = stream(self._study.seed, name, replicate, "split")
        settings = self._settings(arm)
        return Job(
            stage=name,
            number=number,
            settings=settings,
            cost=arm.cost,
            label=f"{arm.name}, seed {replicate + 1}{', again' if number in self._repeats else ''}",
            seed=seed,
            split_seed=split_seed,
            key=self._context.cache.key(name, settings, seed, split_seed, self._entries()),
        )

    def _settings(self, arm: Arm) -> Mapping[str, Any]:
        """The settings that the runs of an arm are trained with."""
        return arm.settings

    def _entries(self) -> Sequence[object]:
        """The labelled sets that the runs are evaluated on after training."""
        return ()

    def _used_by_next(self) -> float:
        return self._storage.device_seconds(self._unfinished[0][0]) if self._unfinished else 0.0

    def _patience(self) -> int:
        # A broken arm fails in every seed. Only a whole round of failures points to the machine.
        return max(super()._patience(), len(self._active) + 1)

    def _ended(self, job: Job, trial: Trial) -> None:
        if trial.replicate is not None:
            self._runs[trial.recipe, trial.replicate] = trial
        if trial.number in self._repeats:
            self._failed_again[trial.recipe] = self._failed_again[trial.recipe] + 1 if trial.status.lost else 0
            if self._is_given_up(trial.recipe):
                self._leave_lost(trial)

    def _is_given_up(self, recipe: str) -> bool:
        return self._failed_again[recipe] >= MAX_FAILURES_IN_A_ROW

    def _leave_lost(self, last: Trial) -> None:
        """Leave the failed runs of an arm that have not been run again yet as they are, until the next start."""
        left = {run: trial for run, trial in self._lost.items() if run[0] == last.recipe}
        if left:
            again = f"{self._failed_again[last.recipe]} runs of {last.variant} in a row failed again"
            self._context.observer.on_note(
                f"{self._storage.stage}: {again}; {count(len(left), 'more failed run')} left for the next start"
            )
        self._runs |= left
        self._lost = {run: trial for run, trial in self._lost.items() if run not in left}

    def _give_up_after_failures(self, trial: Trial) -> None:
        # What failed before has not kept the stage from going on, and does not do so when it fails again.
        if trial.number not in self._repeats:
            super()._give_up_after_failures(trial)

    def _take_over(self, trial: Trial) -> None:
        """Count a run of an earlier start, unless it was given up or its arm has another recipe now."""
        if trial.status is Status.ABANDONED:
            return
        arm = next((arm for arm in self._active if arm.recipe == trial.recipe), None)
        running = trial.status is Status.RUNNING
        if arm is None or trial.replicate is None:
            if running:
                self._storage.abandon(trial.number, f"no arm has the recipe of {trial.variant} any more")
            return
        run = arm.recipe, trial.replicate
        if run in self._runs and (trial.status.lost or not _is_lost(self._runs[run])):
            return
        self._lost.pop(run, None)
        if trial.status.lost and not self._is_given_up(arm.recipe):
            self._lost[run] = trial
            return
        self._runs[run] = None if running else trial
        if running:
            self._unfinished.append((trial.number, arm, trial.replicate))


def _is_lost(trial: Trial | None) -> bool:
    return trial is not None and trial.status.lost
