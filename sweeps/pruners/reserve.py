"""The work that the end of a search needs whose trials pause: so many of them trained to their end."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Standing:
    """Where a trial stands, or will stand once it has trained as far as it was handed out for.

    Attributes:
        epoch: The epoch.
        rest: What it needs from there to its end, in any unit of work or time.
    """

    epoch: int
    rest: float


def to_the_end(standings: Iterable[Standing], missing: int, newcomer: float) -> float:
    """Return what it takes to train `missing` more trials to their end, at most.

    At the end of such a search the trials at the highest rung go on. Which of those at one rung is best is not known
    ahead, so the ones that need most are counted.

    Args:
        standings: The trials that wait or train.
        missing: How many more are to train to their end.
        newcomer: What a trial needs that does not exist yet.
    """
    nearest = sorted(standings, key=lambda standing: (-standing.epoch, -standing.rest))[: max(0, missing)]
    return sum(standing.rest for standing in nearest) + newcomer * max(0, missing - len(nearest))
