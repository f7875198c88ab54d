"""Find how many trials share a GPU best: add copies of the baseline while their common speed grows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise

from cifar_sweep.recipe import Recipe
from cifar_sweep.tune.copies import CopyResult, train_copies
from cifar_sweep.tune.memory import SAFE_SHARE
from sweeps.workload import Sharing, Site

TIMED_S = 4.0
LEAST_GAIN = 0.1  # of the images per second of all copies together


@dataclass(frozen=True)
class SharingMeasurement:
    """What a number of copies do at once.

    Attributes:
        copies: Number of copies.
        images_per_s: The speed of all of them together.
        used_mib: The memory that they take in all, in MiB.
        total_mib: The memory of the device, in MiB.
        failure: Why one of them did not run; empty if all did.
    """

    copies: int
    images_per_s: float
    used_mib: float
    total_mib: float
    failure: str = ""

    @classmethod
    def of(cls, results: Sequence[CopyResult], device: str) -> SharingMeasurement:
        """Sum up the results of copies that ran at once on `device` ("cpu" or "cuda")."""
        failure = next((result.failure for result in results if result.failure and not result.seconds), "")
        if failure:
            return cls(len(results), 0.0, 0.0, 0.0, failure)
        used = [result.used_mib for result in results]
        speed = sum(result.images / result.seconds for result in results)
        # On a GPU each copy reports the memory of all of them.
        return cls(len(results), speed, max(used) if device == "cuda" else sum(used), results[0].total_mib)


def gpu_share(
    recipe: Recipe, site: Site, most: int, measure: Callable[[int], SharingMeasurement] | None = None
) -> Sharing:
    """Find how many trials like `recipe` should share the device: try 1, 2, ... copies until `stop_reason` gives one.

    Args:
        recipe: The baseline's recipe.
        site: The device and the folder of the data.
        most: The largest number of copies to try.
        measure: Returns what a number of copies do, in place of training them.
    """
    measure = measure or (
        lambda copies: SharingMeasurement.of(train_copies(recipe, site, copies, TIMED_S), site.device)
    )
    measured: list[SharingMeasurement] = []
    while not (reason := stop_reason(measured, most)):
        measured.append(measure(len(measured) + 1))
    copies = best_copies(measured)
    speeds = ", ".join(f"{one.copies}: {one.images_per_s:,.0f}" for one in measured if not one.failure)
    note = f"{copies} on each GPU; images/s of all together by copies: {speeds or 'none'}; {reason}"
    return Sharing(copies, [asdict(measurement) for measurement in measured], note)


def stop_reason(measured: Sequence[SharingMeasurement], most: int) -> str:
    """Return why no further copy is tried; empty if one is.

    A further copy is taken to need the memory of the average one; a tenth of the device must stay free.

    Args:
        measured: The measurements of 1, 2, ... copies.
        most: The largest number of copies to try.
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


def best_copies(measured: Sequence[SharingMeasurement]) -> int:
    """Return the largest number of copies up to which each one gained enough; 1 without measurements."""
    copies = 1
    for fewer, more in pairwise(measured):
        if more.failure or more.images_per_s < (1 + LEAST_GAIN) * fewer.images_per_s:
            break
        copies = more.copies
    return copies
