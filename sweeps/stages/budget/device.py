"""The device budget: start a run only if it should finish within the limits of its stage and of the study."""

from __future__ import annotations

import math
from collections.abc import Mapping

from sweeps.storage.results import Results
from sweeps.study.resources import device_share
from sweeps.study.stages import STAGES, Stage, limits, stage_of
from sweeps.study.study import Study
from sweeps.trial.trial import Status, Trial


class DeviceBudget:
    """Device-seconds spent and promised, against the limits of the stages.

    A stage may store trials under several names (the ablation also under those of its races and re-tuning searches);
    runs are expected to take as long as the longest complete one of the same name.

    Args:
        study: The study whose budget applies.
        device: "cpu", "cuda" or "mps".
        results: The trials so far.
        unfinished: Storage name -> device-seconds of the recorded epochs of trials that have not ended.
    """

    def __init__(self, study: Study, device: str, results: Results, unfinished: Mapping[str, float]) -> None:
        self._limits = limits(study)
        self._share = device_share(study, device)
        self._spent: dict[str, float] = {}
        self._running: dict[tuple[str, int], float] = {}
        self._longest: dict[str, float] = {}
        for name, seconds in unfinished.items():
            self._book(name, seconds)
        for trial in results.everything:
            if trial.ended:
                self._book(trial.stage, trial.seconds)
            self._learn(trial)

    @property
    def spent(self) -> float:
        """Device-hours spent so far."""
        return sum(self._spent.values()) * self._share / 3600

    @property
    def limited(self) -> bool:
        """Whether the study has a budget."""
        return bool(self._limits)

    def admits(
        self,
        stage: Stage,
        name: str,
        used: float = 0.0,
        needed: float | None = None,
        reserved: float = 0.0,
        promised: float | None = None,
    ) -> bool:
        """Return whether another run should end within the limit of its stage and within the whole budget.

        The limit of a stage covers what it and the stages before it have spent.

        Args:
            stage: The stage of the run.
            name: The name under which the run is stored.
            used: Device-seconds that the run has used already.
            needed: Device-seconds that the run, and each running one of the same name, takes until it makes room; by
                default those of the longest complete run.
            reserved: Device-seconds that are held back for others.
            promised: Device-seconds that the running ones of the same name still take; by default until each has taken
                as long as this one is expected to.
        """
        if not self._limits:
            return True
        per_run = self._expected(name) if needed is None else needed
        expected = max(0.0, per_run - used) + reserved
        ahead = {
            key: max(0.0, (per_run if key[0] == name else self._expected(key[0])) - spent)
            for key, spent in self._running.items()
            if promised is None or key[0] != name
        }
        names = [each.name for each in STAGES]
        spent_until_here = sum(self._spent.get(earlier, 0.0) for earlier in names[: names.index(stage.name) + 1])
        limit, whole = self._limits.get(stage.name, 0.0), max(self._limits.values())
        total = (sum(ahead.values()) + (promised or 0.0) + expected) * self._share
        within_stage = spent_until_here * self._share + total <= limit
        return within_stage and sum(self._spent.values()) * self._share + total <= whole

    def holds(self, stage: Stage, seconds: float) -> float:
        """Return how many runs of so many device-seconds the limit of a stage holds in all; infinity without one."""
        limit = self._limits.get(stage.name, math.inf)
        return limit / (seconds * self._share) if seconds * self._share > 0 else math.inf

    def is_last(self, stage: str) -> bool:
        """Whether no stage would have anything left once this one has reached its limit."""
        return bool(self._limits) and self._limits.get(stage) == max(self._limits.values())

    def start(self, name: str, number: int, used: float) -> None:
        """Note that a run starts, or continues after `used` device-seconds."""
        self._running[name, number] = used

    def spend(self, name: str, number: int, seconds: float) -> None:
        """Book `seconds` more of a run."""
        self._book(name, seconds)
        if (name, number) in self._running:
            self._running[name, number] += seconds

    def leave(self, name: str, number: int) -> None:
        """Note that a run has left its device before its end."""
        self._running.pop((name, number), None)

    def end(self, trial: Trial) -> None:
        """Note that a run has ended."""
        self._running.pop((trial.stage, trial.number), None)
        self._learn(trial)

    def _book(self, name: str, seconds: float) -> None:
        stage = stage_of(name)
        self._spent[stage] = self._spent.get(stage, 0.0) + seconds

    def _learn(self, trial: Trial) -> None:
        # A run from the result cache took no time here, so it says nothing about the next one.
        if trial.status is Status.COMPLETE and not trial.source:
            self._longest[trial.stage] = max(trial.seconds, self._longest.get(trial.stage, 0.0))

    def _expected(self, name: str) -> float:
        """The longest complete run under `name` or, before there is one, under any; 0 while nothing is known."""
        return self._longest.get(name) or max(self._longest.values(), default=0.0)
