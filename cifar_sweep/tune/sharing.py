"""How many trials share a device best: copies of the baseline are added while that adds to what they do together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise

from cifar_sweep.recipe import Recipe
from cifar_sweep.tune.copies import Lap, together
from cifar_sweep.tune.memory import SAFE_SHARE
from sweeps.workload import Sharing, Site

TIMED_S = 4.0
LEAST_GAIN = 0.1  # of the images per second of all copies together


@dataclass(frozen=True)
class Together:
    """What so many `copies` do at once: images per second of all of them, and the memory that they take in all."""

    copies: int
    images_per_s: float
    used_mib: float
    total_mib: float
    failure: str = ""

    @classmethod
    def of(cls, laps: Sequence[Lap], device: str) -> Together:
        """The sum of `laps` that were run at once on `device`."""
        failure = next((lap.failure for lap in laps if lap.failure and not lap.seconds), "")
        if failure:
            return cls(len(laps), 0.0, 0.0, 0.0, failure)
        used = [lap.used_mib for lap in laps]  # of a GPU each one tells of all that is on it
        speed = sum(lap.images / lap.seconds for lap in laps)
        return cls(len(laps), speed, max(used) if device == "cuda" else sum(used), laps[0].total_mib)


def gpu_share(recipe: Recipe, site: Site, most: int, measure: Callable[[int], Together] | None = None) -> Sharing:
    """How many trials like `recipe` are to share the device, up to `most`: 1, 2, ... are tried until `stops` says why.

    `measure` takes a number of copies to what they do, in place of training them.
    """
    measure = measure or (lambda copies: Together.of(together(recipe, site, copies, TIMED_S), site.device))
    measured: list[Together] = []
    while not (reason := stops(measured, most)):
        measured.append(measure(len(measured) + 1))
    chosen = best(measured)
    shown = ", ".join(f"{each.copies}: {each.images_per_s:,.0f}" for each in measured if not each.failure)
    note = f"{chosen} on each GPU; images/s of all together by copies: {shown or 'none'}; {reason}"
    return Sharing(chosen, [asdict(each) for each in measured], note)


def stops(measured: Sequence[Together], most: int) -> str:
    """Why no further copy is tried after what was `measured` with 1, 2, ... of them; empty: one is.

    A further copy is taken to need the memory of the average one, and a tenth of the device stays free.
    """
    if not measured:
        return ""
    last = measured[-1]
    if last.failure:
        return f"{last.copies} failed: {last.failure}"
    if len(measured) > 1 and last.images_per_s < (1 + LEAST_GAIN) * measured[-2].images_per_s:
        return f"one more gains under {100 * LEAST_GAIN:.0f} %"
    if last.used_mib * (last.copies + 1) / last.copies > SAFE_SHARE * last.total_mib:
        return f"{last.used_mib:,.0f} of {last.total_mib:,.0f} MiB leave no room for another"
    return f"{most} is the most that the cores allow" if last.copies >= most else ""


def best(measured: Sequence[Together]) -> int:
    """The largest number of copies each of which was worth it; 1 where nothing is known."""
    chosen = 1
    for before, after in pairwise(measured):
        if after.failure or after.images_per_s < (1 + LEAST_GAIN) * before.images_per_s:
            break
        chosen = after.copies
    return chosen
