"""Which candidates of confirm can be told apart from the one with the best mean, over the seeds that they share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sweeps.evidence.level import Level
from sweeps.stats import ALPHA, Location, holm, location
from sweeps.stats.goal import Goal, sign


@dataclass(frozen=True)
class Rival:
    """A candidate against the one with the best mean.

    Attributes:
        level: The candidate.
        difference: Candidate minus best, paired by seed over those that both have; None below 2.
        p_holm: The p of the paired t test, adjusted over the candidates (Holm).
        apart: Whether the test tells the candidate apart: it is worse.
    """

    level: Level
    difference: Location | None
    p_holm: float | None
    apart: bool

    @property
    def indistinct(self) -> bool:
        """Whether the candidate was compared with the best, and cannot be told apart from it."""
        return self.difference is not None and not self.apart


def rivals(levels: Sequence[Level], goal: Goal) -> tuple[Rival, ...]:
    """Compare each candidate with the first one, pair by pair, and correct over all of them.

    Args:
        levels: The candidates, best mean first.
        goal: Whether larger or smaller values are better.

    Returns:
        A comparison for each candidate but the first.
    """
    if not levels:
        return ()
    best, *others = levels
    compared = [_difference(best, other) for other in others]
    adjusted = iter(holm([each.p for each in compared if each is not None]))
    return tuple(
        _rival(other, each, None if each is None else next(adjusted), goal)
        for other, each in zip(others, compared, strict=True)
    )


def smallest(levels: Sequence[Level]) -> Level | None:
    """Return the arm with the fewest parameters, then MACs; the first of equal ones; None where none has a size."""
    sized = [level for level in levels if "parameters" in level.arm.cost]
    return min(sized, key=lambda level: (level.arm.cost["parameters"], level.arm.cost.get("macs", 0)), default=None)


def _difference(best: Level, other: Level) -> Location | None:
    shared = sorted(best.values.keys() & other.values.keys())
    return location([other.values[n] - best.values[n] for n in shared]) if len(shared) > 1 else None


def _rival(level: Level, compared: Location | None, p_holm: float | None, goal: Goal) -> Rival:
    worse = compared is not None and sign(goal) * compared.estimate.mean < 0
    return Rival(level, compared, p_holm, apart=worse and p_holm is not None and p_holm < ALPHA)
