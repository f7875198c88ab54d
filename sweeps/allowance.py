"""What a study may still spend: no work is begun that the budget could not see to its end."""

from __future__ import annotations

from sweeps.results import Results
from sweeps.stages import limits
from sweeps.study import Study
from sweeps.trial import Status, Trial


def device_share(study: Study, device: str) -> float:
    """The part of a device (on a CPU: the cores) that one trial is given: an hour of it is this many device-hours."""
    if device == "cuda":
        return 1.0 if study.resources.gpu is None else study.resources.gpu
    return study.resources.cpu


class Allowance:
    """Device-seconds spent and promised, against the limits of the stages."""

    def __init__(self, study: Study, device: str, results: Results, unfinished_s: float) -> None:
        """`unfinished_s` is the device time of the recorded epochs of trials that have not ended."""
        self._limits = limits(study)
        self._share = device_share(study, device)
        self._spent = sum(trial.seconds for trial in results.everything) + unfinished_s
        self._running: dict[tuple[str, int], float] = {}
        self._longest: dict[str, float] = {}
        for trial in results.everything:
            self._learn(trial)

    @property
    def spent(self) -> float:
        """Device-hours spent so far."""
        return self._spent * self._share / 3600

    def admits(self, stage: str, ledger: str) -> bool:
        """Whether another run would end within its stage's limit, if it takes as long as the longest of its ledger."""
        limit = self._limits.get(stage)
        if limit is None:
            return True
        expected = self._expected(ledger)
        promised = sum(max(0.0, self._expected(key[0]) - used) for key, used in self._running.items())
        return (self._spent + promised + expected) * self._share <= limit

    def is_last(self, stage: str) -> bool:
        """Whether nothing would be left for any stage when this one has reached its limit."""
        return bool(self._limits) and self._limits.get(stage) == max(self._limits.values())

    def start(self, ledger: str, number: int, used: float) -> None:
        """A run starts, or goes on after `used` seconds."""
        self._running[ledger, number] = used

    def spend(self, ledger: str, number: int, seconds: float) -> None:
        """A run has held its device for `seconds` more."""
        self._spent += seconds
        if (ledger, number) in self._running:
            self._running[ledger, number] += seconds

    def end(self, trial: Trial) -> None:
        """A run has ended."""
        self._running.pop((trial.stage, trial.number), None)
        self._learn(trial)

    def _learn(self, trial: Trial) -> None:
        if trial.status is Status.COMPLETE and not trial.source:
            self._longest[trial.stage] = max(trial.seconds, self._longest.get(trial.stage, 0.0))

    def _expected(self, ledger: str) -> float:
        """The longest complete run of the ledger or, before there is one, of any; 0 while nothing is known."""
        return self._longest.get(ledger) or max(self._longest.values(), default=0.0)
