"""The forecast of the search in lines: its size, its rungs, its disk space."""

from __future__ import annotations

from collections.abc import Iterator

from sweeps.forecast.disk import DiskForecast
from sweeps.forecast.search import Ladder
from sweeps.formatting import count
from sweeps.io.disk import in_bytes


def ladder_line(ladder: Ladder, trials: float, trainings: float) -> str:
    """Return how many trials are expected at each rung, and what all of them cost in trainings of the baseline."""
    rungs = " · ".join(f"epoch {epoch}: {_about(number)}" for epoch, number in ladder.rungs)
    return (
        f"trials pause at each rung (min_iter {ladder.min_iter}, eta {ladder.eta}) and the best go on; expected of "
        f"{_about(trials)}: {rungs} · to the end: {_about(ladder.to_the_end)}; in all about {trainings:.1f} full "
        "trainings of the baseline"
    )


def disk_lines(disk: DiskForecast) -> Iterator[str]:
    """Yield the peak of the checkpoints on disk."""
    number = f"at most {count(disk.checkpoints, 'checkpoint')} of paused and running trials at once"
    if disk.checkpoint_bytes is None or disk.peak_bytes is None:
        yield f"{number}, of a size that is not known"
        return
    how = "as the probe saved it" if disk.measured else "estimated from the baseline's parameters"
    yield f"{number}: {in_bytes(disk.peak_bytes)} ({in_bytes(disk.checkpoint_bytes)} each, {how})"


def _about(number: float) -> str:
    return f"{number:.0f}" if number >= 10 or number == int(number) else f"{number:.1f}"
