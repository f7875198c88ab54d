"""The protocol of a pruner."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

Curve = Mapping[int, float]
"""The study's metric of one trial: epoch, from 1 -> value."""


class Rule(Protocol):
    """Decides which trials stop early.

    A rule has no state: its decisions depend on the recorded curves only, so a restarted study decides as before.
    """

    def stops(self, number: int, curves: Mapping[int, Curve]) -> bool:
        """Return whether a trial stops at its last epoch.

        Args:
            number: The number of the trial.
            curves: The curves of all trials by number, including this one.
        """

    def why(self, epoch: int) -> str:
        """Return the reason that is recorded for a trial that stops at `epoch`."""

    def judged(self, epochs: int) -> tuple[int, ...]:
        """Return the epochs, ascending, at which trials of `epochs` epochs may stop."""
