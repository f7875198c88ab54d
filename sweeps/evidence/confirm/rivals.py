"""Which candidates of confirm can be told apart from the one with the best mean, over the seeds that they share.

The best one is chosen by the same seeds, so any two candidates might have been the ones compared: p is adjusted over
all pairs of candidates. Adjusted over the comparisons with the best alone, 7 % of confirms with five equal candidates
over three seeds told one apart, and 11 % of those with ten over five.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from sweeps.evidence.level import Level
from sweeps.stats import ALPHA, Location, holm, location, rounding_sd
from sweeps.stats.goal import Goal, sign


@dataclass(frozen=True)
class Rival:
    """A candidate against the one with the best mean.

    Attributes:
        level: The candidate.
        difference: Candidate minus best, paired by seed over those that both have; None below 2.
        p_holm: The p of the paired t test, adjusted over all pairs of candidates (Holm).
        family: The number of those pairs.
        apart: Whether the test tells the candidate apart: it is worse.
    """

    level: Level
    difference: Location | None
    p_holm: float | None
    family: int
    apart: bool

    @property
    def indistinct(self) -> bool:
        """Whether the candidate was compared with the best, and cannot be told apart from it."""
        return self.difference is not None and not self.apart


def rivals(levels: Sequence[Level], goal: Goal, resolution: float | None = None) -> tuple[Rival, ...]:
    """Compare each candidate with the first one, pair by pair, and correct over all pairs of candidates.

    Args:
        levels: The candidates, best mean first.
        goal: Whether larger or smaller values are better.
        resolution: The step to which the metric of a run is rounded; None if it is not known.

    Returns:
        A comparison for each candidate but the first.
    """
    pairs = combinations(range(len(levels)), 2)
    found = {(one, other): _difference(levels[one], levels[other], resolution) for one, other in pairs}
    tested = {pair: difference for pair, difference in found.items() if difference is not None}
    adjusted = dict(zip(tested, holm([each.p for each in tested.values()]), strict=True))
    return tuple(
        _rival(level, found[0, place], adjusted.get((0, place)), len(tested), goal)
        for place, level in enumerate(levels[1:], 1)
    )


def smallest(levels: Sequence[Level]) -> Level | None:
    """Return the arm with the fewest parameters, then MACs; the first of equal ones; None where none has a size."""
    sized = [level for level in levels if "parameters" in level.arm.cost]
    return min(sized, key=lambda level: (level.arm.cost["parameters"], level.arm.cost.get("macs", 0)), default=None)


def _difference(better: Level, other: Level, resolution: float | None) -> Location | None:
    shared = sorted(better.values.keys() & other.values.keys())
    if len(shared) < 2:
        return None
    floor = rounding_sd(resolution or 0.0, [1.0, -1.0])
    return location([other.values[n] - better.values[n] for n in shared], floor=floor)


def _rival(level: Level, compared: Location | None, p_holm: float | None, family: int, goal: Goal) -> Rival:
    worse = compared is not None and sign(goal) * compared.estimate.mean < 0
    return Rival(level, compared, p_holm, family, apart=worse and p_holm is not None and p_holm < ALPHA)
