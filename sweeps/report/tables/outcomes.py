"""List why trials did not complete, by status and reason."""

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
    """The trials of one stage that ended for the same reason.

    Attributes:
        text: The reason.
        stage: The stage.
        numbers: The numbers of the trials.
        epochs: The fewest and the most epochs that they trained.
        arms: The arm and replicate of each, in the order of `numbers`; empty for the search.
    """

    text: str
    stage: str
    numbers: tuple[int, ...]
    epochs: tuple[int, int]
    arms: tuple[str, ...] = ()

    @property
    def trials(self) -> str:
        """The numbers as text, with the arms of replicates; of many, the first few."""
        named = [f"{number} ({arm})" for number, arm in zip(self.numbers, self.arms, strict=True)] if self.arms else ()
        shown = ", ".join(list(named or map(str, self.numbers))[:NUMBERS_SHOWN])
        more = len(self.numbers) - NUMBERS_SHOWN
        return f"{shown} and {more:,} more" if more > 0 else shown

    @property
    def span(self) -> str:
        """The epochs trained: one number or a range."""
        low, high = self.epochs
        return f"{low:,}" if low == high else f"{low:,}–{high:,}"


@dataclass(frozen=True)
class Ends:
    """The trials that ended with one status, by reason, and the status in words."""

    status: str
    meaning: str
    trials: int
    reasons: tuple[Reason, ...]

    @property
    def short(self) -> bool:
        """Whether the list is short enough to be shown unfolded."""
        return len(self.reasons) <= OPEN_UP_TO


def ends(results: Results) -> list[Ends]:
    """Return the trials of all stages that ended otherwise than complete, with the most frequent reasons first."""
    grouped = {status: [trial for trial in results.everything if trial.status is status] for status in NEVER_COMPLETED}
    return [_end(status, trials) for status, trials in grouped.items() if trials]


def ends_table(groups: Sequence[Ends]) -> pd.DataFrame:
    """Return one row per status, stage and reason: the number of trials, the epochs trained, and which trials."""
    rows = [
        (end.status, reason.stage, reason.text, len(reason.numbers), reason.span, reason.trials)
        for end in groups
        for reason in end.reasons
    ]
    columns = ["status", "stage", "reason", "trials", "epochs trained", "which"]
    return frame_of(rows, columns)


def _end(status: Status, trials: list[Trial]) -> Ends:
    by_reason: dict[tuple[str, str], list[Trial]] = {}
    for trial in trials:
        by_reason.setdefault((trial.stage, trial.reason), []).append(trial)
    reasons = [_reason(stage, text, group) for (stage, text), group in by_reason.items()]
    reasons.sort(key=lambda reason: (-len(reason.numbers), reason.numbers))
    return Ends(status_name(status), MEANING[status], len(trials), tuple(reasons))


def _reason(stage: str, text: str, trials: Sequence[Trial]) -> Reason:
    epochs = [trial.epochs for trial in trials]
    arms = tuple(f"{trial.variant}, replicate {trial.replicate}" for trial in trials if trial.variant)
    numbers = tuple(trial.number for trial in trials)
    return Reason(text or "no reason recorded", stage, numbers, (min(epochs), max(epochs)), arms)
