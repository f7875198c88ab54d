"""Arms over paired seeds: every arm is trained on the same replicates, those of one seed one after another."""

from __future__ import annotations

from abc import abstractmethod
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sweeps.stages.base import StageScheduler, Task
from sweeps.stages.context import Context
from sweeps.storage.stage_storage import StageStorage
from sweeps.study.stages import Stage
from sweeps.trial.arm import Arm
from sweeps.trial.seeds import stream
from sweeps.trial.trial import Status, Trial


class ReplicateStage(StageScheduler):
    """The scheduler of a stage of replicates. Replicates of one number share seed and split, whatever the arm."""

    def __init__(self, context: Context, stage: Stage, ledger: StageStorage, arms: Sequence[Arm]) -> None:
        super().__init__(context, stage, ledger)
        self.arms = tuple(arms)
        self._active = [arm for arm in arms if arm.applicable]
        ledger.set_arms(list(arms))
        self._runs: dict[tuple[str, int], Trial | None] = {}  # by recipe and replicate; None while it runs
        self._left_behind: deque[tuple[int, Arm, int]] = deque()
        for trial in ledger.trials():
            self._take_over(trial)

    @abstractmethod
    def wanted(self) -> Mapping[str, int]:
        """How many replicates each arm is to have, as far as the runs that have ended tell."""

    def pending(self) -> bool:
        """Whether a run could be started now or once those that run have ended."""
        return bool(self._left_behind) or next(self._missing(), None) is not None

    def total(self) -> int:
        """How many runs the stage comes to, those that arms of one recipe share counted once."""
        wanted: dict[str, int] = {}
        for arm in self._active:
            wanted[arm.recipe] = max(wanted.get(arm.recipe, 0), self.wanted().get(arm.name, 0))
        return sum(wanted.values())

    def figures(self, arm: Arm) -> dict[int, float]:
        """The metric of the runs of an arm that have ended and gave one, by replicate."""
        ended = {number: trial for (recipe, number), trial in self._runs.items() if recipe == arm.recipe and trial}
        return {number: trial.figure for number, trial in sorted(ended.items()) if trial.figure is not None}

    def ended(self, arm: Arm, replicates: int) -> bool:
        """Whether the first `replicates` runs of an arm have ended, one way or another."""
        return all(self._runs.get((arm.recipe, number)) is not None for number in range(replicates))

    def _next(self) -> Task | None:
        if self._left_behind:
            return self._task(*self._left_behind.popleft())
        missing = next(self._missing(), None)
        if missing is None:
            return None
        arm, replicate = missing
        self._runs[arm.recipe, replicate] = None
        return self._task(self._ledger.add_replicate(arm, replicate), arm, replicate)

    def _missing(self) -> Iterator[tuple[Arm, int]]:
        wanted = self.wanted()
        for replicate in range(max(wanted.values(), default=0)):
            for arm in self._active:
                if replicate < wanted.get(arm.name, 0) and (arm.recipe, replicate) not in self._runs:
                    yield arm, replicate

    def _task(self, number: int, arm: Arm, replicate: int) -> Task:
        stage = self._ledger.stage
        seed = stream(self._study.seed, stage, replicate)
        split_seed = stream(self._study.seed, stage, replicate, "split")
        settings = self._settings(arm)
        key = self._context.cache.key(stage, settings, seed, split_seed, self._entries())
        return Task(number, settings, arm.cost, seed, split_seed, f"{arm.name}, seed {replicate + 1}", key)

    def _settings(self, arm: Arm) -> Mapping[str, Any]:
        """The settings that the runs of an arm are trained with."""
        return arm.settings

    def _entries(self) -> Sequence[object]:
        """The labelled sets that the runs are evaluated on after training."""
        return ()

    def _used_by_next(self) -> float:
        return self._ledger.device_seconds(self._left_behind[0][0]) if self._left_behind else 0.0

    def _patience(self) -> int:
        """An arm that is broken fails in every seed: only a whole round of failures is the machine's."""
        return max(super()._patience(), len(self._active) + 1)

    def _ended(self, task: Task, trial: Trial) -> None:
        if trial.replicate is not None:
            self._runs[trial.recipe, trial.replicate] = trial

    def _take_over(self, trial: Trial) -> None:
        """Count a run of an earlier start in, unless its arm has another recipe now, or it was given up."""
        if trial.status is Status.ABANDONED:
            return
        arm = next((arm for arm in self._active if arm.recipe == trial.recipe), None)
        running = trial.status is Status.RUNNING
        if arm is None or trial.replicate is None:
            if running:
                self._ledger.abandon(trial.number, f"no arm has the recipe of {trial.variant} any more")
            return
        if (arm.recipe, trial.replicate) in self._runs:
            return
        self._runs[arm.recipe, trial.replicate] = None if running else trial
        if running:
            self._left_behind.append((trial.number, arm, trial.replicate))
