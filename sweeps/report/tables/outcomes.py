"""Why trials did not complete: by status, and within it by reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from sweeps.formatting import MEANING, status_name
from sweeps.report.tables.frames import NEVER_COMPLETED, frame_of
from sweeps.storage.results import Results
from sweeps.trial.trial import Status, Trial

NUMBERS_SHOWN = 12
OPEN_UP_TO = 8


@dataclass(frozen=True)
class Reason:
    """A reason, the stage and the trials that ended so, and the epochs they had trained."""

    text: str
    stage: str
    numbers: tuple[int, ...]
    epochs: tuple[int, int]
    arms: tuple[str, ...] = ()  # by number, for replicates

    @property
    def trials(self) -> str:
        """The trials' numbers, the first few of many; replicates with their arm."""
        named = [f"{number} ({arm})" for number, arm in zip(self.numbers, self.arms, strict=True)] if self.arms else ()
        shown = ", ".join(list(named or map(str, self.numbers))[:NUMBERS_SHOWN])
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
    """The trials of all stages that ended otherwise than complete, by status, the most frequent reasons first."""
    grouped = {status: [trial for trial in results.everything if trial.status is status] for status in NEVER_COMPLETED}
    return [_end(status, trials) for status, trials in grouped.items() if trials]


def ends_table(results: Results) -> pd.DataFrame:
    """One row per status, stage and reason: how many trials, the epochs they had trained, and which they are."""
    rows = [
        (end.status, reason.stage, reason.text, len(reason.numbers), reason.span, reason.trials)
        for end in ends(results)
        for reason in end.reasons
    ]
    columns = ["status", "stage", "reason", "trials", "epochs trained", "which"]
    return frame_of(rows, columns)


def _end(status: Status, trials: list[Trial]) -> Ends:
    kinds = dict.fromkeys((trial.stage, trial.reason) for trial in trials)
    reasons = [_reason(kind, [trial for trial in trials if (trial.stage, trial.reason) == kind]) for kind in kinds]
    reasons.sort(key=lambda reason: (-len(reason.numbers), reason.numbers))
    return Ends(status_name(status), MEANING[status], len(trials), tuple(reasons))


def _reason(kind: tuple[str, str], chosen: Sequence[Trial]) -> Reason:
    stage, text = kind
    epochs = [trial.epochs for trial in chosen]
    arms = tuple(f"{trial.variant}, replicate {trial.replicate}" for trial in chosen if trial.variant)
    numbers = tuple(trial.number for trial in chosen)
    return Reason(text or "no reason recorded", stage, numbers, (min(epochs), max(epochs)), arms)
