"""What a study may still spend: no work is begun that the budget could not see to its end."""

from __future__ import annotations

from collections.abc import Mapping

from sweeps.storage.results import Results
from sweeps.study.resources import device_share
from sweeps.study.stages import STAGES, Stage, limits, stage_of
from sweeps.study.study import Study
from sweeps.trial.trial import Status, Trial


class DeviceBudget:
    """Device-seconds spent and promised, against the limits of the stages."""

    def __init__(self, study: Study, device: str, results: Results, unfinished: Mapping[str, float]) -> None:
        """`unfinished` is the device time, by ledger, of the recorded epochs of trials that have not ended."""
        self._limits = limits(study)
        self._share = device_share(study, device)
        self._spent: dict[str, float] = {}
        self._running: dict[tuple[str, int], float] = {}
        self._longest: dict[str, float] = {}
        for ledger, seconds in unfinished.items():
            self._book(ledger, seconds)
        for trial in results.everything:
            if trial.status is not Status.RUNNING:
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
        self, stage: Stage, ledger: str, used: float = 0.0, needed: float | None = None, kept: float = 0.0
    ) -> bool:
        """Whether another run would end in time, if it takes as long as the longest of its ledger did.

        In time is: within the limit of its stage, for what this stage and those before it have spent, and within the
        whole budget. `used` are the seconds that the run itself has had already; `needed` those that it and the other
        running ones of its ledger take until they make room, where that is known better; `kept` are held back.
        """
        if not self._limits:
            return True
        own = self._expected(ledger) if needed is None else needed
        expected = max(0.0, own - used) + kept
        promised = sum(
            max(0.0, (own if key[0] == ledger else self._expected(key[0])) - spent)
            for key, spent in self._running.items()
        )
        names = [each.name for each in STAGES]
        before = sum(self._spent.get(name, 0.0) for name in names[: names.index(stage.name) + 1])
        limit, whole = self._limits.get(stage.name, 0.0), max(self._limits.values())
        ahead = (promised + expected) * self._share
        return before * self._share + ahead <= limit and sum(self._spent.values()) * self._share + ahead <= whole

    def is_last(self, stage: str) -> bool:
        """Whether nothing would be left for any stage when this one has reached its limit."""
        return bool(self._limits) and self._limits.get(stage) == max(self._limits.values())

    def start(self, ledger: str, number: int, used: float) -> None:
        """A run starts, or goes on after `used` seconds."""
        self._running[ledger, number] = used

    def spend(self, ledger: str, number: int, seconds: float) -> None:
        """A run has held its device for `seconds` more."""
        self._book(ledger, seconds)
        if (ledger, number) in self._running:
            self._running[ledger, number] += seconds

    def leave(self, ledger: str, number: int) -> None:
        """A run has left its device before its end."""
        self._running.pop((ledger, number), None)

    def end(self, trial: Trial) -> None:
        """A run has ended."""
        self._running.pop((trial.stage, trial.number), None)
        self._learn(trial)

    def _book(self, ledger: str, seconds: float) -> None:
        stage = stage_of(ledger)
        self._spent[stage] = self._spent.get(stage, 0.0) + seconds

    def _learn(self, trial: Trial) -> None:
        if trial.status is Status.COMPLETE and not trial.source:
            self._longest[trial.stage] = max(trial.seconds, self._longest.get(trial.stage, 0.0))

    def _expected(self, ledger: str) -> float:
        """The longest complete run of the ledger or, before there is one, of any; 0 while nothing is known."""
        return self._longest.get(ledger) or max(self._longest.values(), default=0.0)
