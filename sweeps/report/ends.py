"""Why trials did not complete: by status, and within it by reason."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sweeps.report.table import NEVER_COMPLETED
from sweeps.results import Results
from sweeps.trial import Status, Trial
from sweeps.words import MEANING, status_name

NUMBERS_SHOWN = 12
OPEN_UP_TO = 8


@dataclass(frozen=True)
class Reason:
    """A reason, the trials that ended so, and the epochs they had trained."""

    text: str
    numbers: tuple[int, ...]
    epochs: tuple[int, int]

    @property
    def trials(self) -> str:
        """The trials' numbers, the first few of many."""
        shown = ", ".join(map(str, self.numbers[:NUMBERS_SHOWN]))
        rest = len(self.numbers) - NUMBERS_SHOWN
        return f"{shown} and {rest:,} more" if rest > 0 else shown

    @property
    def span(self) -> str:
        """The epochs trained: one number or a range."""
        low, high = self.epochs
        return f"{low:,}" if low == high else f"{low:,}–{high:,}"


@dataclass(frozen=True)
class Ends:
    """The trials of one status."""

    status: str
    meaning: str
    trials: int
    reasons: tuple[Reason, ...]

    @property
    def short(self) -> bool:
        """Whether the list is short enough to stand open."""
        return len(self.reasons) <= OPEN_UP_TO


def ends(results: Results) -> list[Ends]:
    """The trials that ended otherwise than complete: statuses that occur, the most frequent reasons first."""
    grouped = {status: [trial for trial in results.trials if trial.status is status] for status in NEVER_COMPLETED}
    return [_end(status, trials) for status, trials in grouped.items() if trials]


def _end(status: Status, trials: list[Trial]) -> Ends:
    texts = dict.fromkeys(trial.reason for trial in trials)
    reasons = [_reason(text, (trial for trial in trials if trial.reason == text)) for text in texts]
    reasons.sort(key=lambda reason: (-len(reason.numbers), reason.numbers))
    return Ends(status_name(status), MEANING[status], len(trials), tuple(reasons))


def _reason(text: str, trials: Iterable[Trial]) -> Reason:
    chosen = list(trials)
    epochs = [trial.epochs for trial in chosen]
    return Reason(text or "no reason recorded", tuple(trial.number for trial in chosen), (min(epochs), max(epochs)))
