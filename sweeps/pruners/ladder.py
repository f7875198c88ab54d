"""The rungs of a search that promotes, from what it may train."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

ETA = 2
"""The ratio of successive rungs. Half of a rung goes on, so that slow starters do: with 3 they fare worse."""
CONFIGURATIONS = 200
"""The first rung is as late as leaves so many configurations: where it is late, curves have shown more, but with fewer
configurations the search finds worse ones."""
FEWEST_RUNGS = 2
LOADS = 2
"""A step to the next rung takes at least so many times as long as loading the state from which it goes on."""


FEWEST_PER_WORKER = 4
"""With fewer full trainings for each worker hardly a trial comes to its end in time if all pause at every rung."""


def pays(trainings: float, workers: int) -> bool:
    """Return whether trials that pause find more than trials that stop.

    Args:
        trainings: How many full trainings all trials together may take.
        workers: How many trials train at once.
    """
    return trainings >= FEWEST_PER_WORKER * workers


def ladder(epochs: int, trainings: float, load_epochs: float = 0.0) -> tuple[int, int]:
    """Return the first rung in epochs, and the ratio of successive rungs, of a search that promotes.

    Args:
        epochs: The epochs of a full training, at least 1.
        trainings: How many full trainings all trials together may take.
        load_epochs: What loading a paused trial's state takes, in epochs.

    Example:
        >>> ladder(27, trainings=20), ladder(100, trainings=40)
        ((1, 2), (6, 2))
    """
    latest = max(1, epochs // ETA**FEWEST_RUNGS)
    allowed = [rung for rung in range(1, latest + 1) if configurations(epochs, trainings, rung) >= CONFIGURATIONS]
    affordable = max(allowed, default=1)
    return min(max(affordable, math.ceil(LOADS * load_epochs)), max(1, epochs - 1)), ETA


def configurations(epochs: int, trainings: float, min_iter: int, eta: int = ETA) -> float:
    """Return about how many configurations are begun if the best 1/`eta` of each rung go on to the next.

    Args:
        epochs: The epochs of a full training.
        trainings: How many full trainings all trials together may take.
        min_iter: The epochs of the first rung.
        eta: The ratio of successive rungs.
    """
    rungs = [0, *_rungs(epochs, min_iter, eta), epochs]
    shares = (eta**-place * (end - begin) for place, (begin, end) in enumerate(itertools.pairwise(rungs)))
    return trainings * epochs / math.fsum(shares)


def _rungs(epochs: int, min_iter: int, eta: int) -> Iterator[int]:
    rung = min_iter
    while rung < epochs:
        yield rung
        rung *= eta
