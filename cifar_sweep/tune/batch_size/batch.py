"""Find the largest batch that trains on a device, and how fast batches are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from cifar_sweep.data.cache import load_images
from cifar_sweep.data.duplicates.groups import duplicates_of
from cifar_sweep.data.split import make_split
from cifar_sweep.recipe import Recipe
from cifar_sweep.tune.batch_size.doubling import largest_fitting
from cifar_sweep.tune.batch_size.resident import Resident
from cifar_sweep.tune.bench import Attempt, Bench, as_in_training
from cifar_sweep.tune.memory import MIB, SAFE_SHARE, peak_and_total_mib
from sweeps.workload import Site

LIMIT = 1024
GRANULARITY = 8
SLOW_S = 1.0  # once a step takes this long, larger batches are not timed


@dataclass(frozen=True)
class Batches:
    """The largest batch that fits.

    Attributes:
        largest: Number of images; 0 where no batch fits.
        limit: The largest size that could be tried.
        attempts: The sizes that were tried, ascending.
    """

    largest: int
    limit: int
    attempts: tuple[Attempt, ...]


def largest_batch(
    recipe: Recipe,
    site: Site,
    images: int,
    *,
    resident: int = 0,
    limit: int = LIMIT,
    granularity: int = GRANULARITY,
    timed: bool = False,
    fits: Callable[[int], bool] | None = None,
) -> Batches:
    """Find the largest batch that a recipe trains with.

    Sizes are doubled, then bisected. On a GPU each size is trained for two steps on random images, within 90 % of the
    trial's share of its memory. On a CPU, where running out of memory ends the process, the need is estimated from the
    tensors that small batches keep for the backward pass, and may be 70 % of the free memory. Frozen parameters are
    counted as trained.

    Args:
        recipe: The recipe.
        site: The device, and the share of its memory that a trial gets.
        images: Number of training images, which bounds the batch.
        resident: Bytes to set aside for what a run holds beside its network (see `Resident`); not used on a CPU.
        limit: The largest size to try.
        granularity: To which multiple sizes are bisected.
        timed: Whether to time the sizes that were doubled to, and the largest.
        fits: Decides whether a size fits, in place of all that.
    """
    limit = min(limit, images)
    smallest = min(2 if recipe.model.batch_statistics else 1, limit)
    if fits is not None:
        return _searched(lambda size: Attempt(size, fits(size)), smallest, limit, granularity)
    with as_in_training(site):
        bench = Bench.fitting(recipe, site, resident)
        if bench is None:
            return Batches(0, limit, ())
        batches = _searched(bench.attempt, smallest, limit, granularity)
        return _timed(batches, bench) if timed else batches


def auto_batch_size(recipe: Recipe, site: Site) -> int:
    """Return the number for `batch_size: auto` at `site`. Raises ValueError where not even the smallest batch fits."""
    images, resident = training_images(recipe, site)
    largest = largest_batch(recipe, site, images, resident=resident).largest
    if not largest:
        raise ValueError(f"batch_size is auto but no batch fits the memory of the {site.device}: use a smaller network")
    return largest


def training_images(recipe: Recipe, site: Site) -> tuple[int, int]:
    """Return the number of images to train on, and the bytes that a run holds on its device beside the network."""
    images = load_images(recipe.data, site.data_dir, "train")
    duplicates = duplicates_of(recipe.data, site.data_dir)
    return len(make_split(recipe.data, images.labels, 0, duplicates).train), Resident.of(recipe, site).total


def out_of_memory_report(recipe: Recipe, site: Site, batch_size: int) -> str:
    """Return a line for a run that ran out of memory: its peak, the device's memory, and the largest batch that fits.

    Call it when the run's tensors are freed. On a CPU the peak is that of the whole process.

    Args:
        recipe: The recipe.
        site: The device, and the share of its memory that the run had.
        batch_size: The number of images per step that did not fit.
    """
    device = torch.device(site.device)
    peak, total = peak_and_total_mib(device)
    problem = f"batch_size {batch_size} does not fit: peak {peak:,.0f} MiB of the {site.device}'s {total:,.0f} MiB"
    if site.share < 1:
        problem += f" (a trial has {site.share:g} of it, {site.share * total:,.0f} MiB)"
    resident = Resident.of(recipe, site) if device.type == "cuda" else Resident()
    return f"{problem}; {_advice(recipe, site, batch_size, resident, SAFE_SHARE * site.share * total * MIB)}"


def _advice(recipe: Recipe, site: Site, batch_size: int, resident: Resident, usable: float) -> str:
    """Return what would fit into `usable` bytes, of which `resident` are taken."""
    if resident.total >= usable:
        more = ", or give a trial more of the device" if site.share < 1 else ""
        return (
            f"what every batch needs does not fit by itself ({resident}, where {usable / MIB:,.0f} MiB can be used): a "
            f"smaller batch does not help; use fewer or smaller images{more}"
        )
    smaller = max(1, batch_size - 1)
    largest = largest_batch(recipe, site, smaller, resident=resident.total, limit=smaller).largest
    return f"batch_size {largest} would fit" if largest else "no batch fits: use a smaller network"


def _searched(attempt: Callable[[int], Attempt], smallest: int, limit: int, granularity: int) -> Batches:
    attempts: dict[int, Attempt] = {}

    def fits(size: int) -> bool:
        attempts[size] = attempt(size)
        return attempts[size].fits

    largest = largest_fitting(fits, smallest, limit, granularity)
    return Batches(largest, limit, tuple(attempts[size] for size in sorted(attempts)))


def _timed(batches: Batches, bench: Bench) -> Batches:
    """Return `batches` with the speed of powers of two and of the largest size, up to where a step is slow."""
    attempts, slow = [], False
    for attempt in batches.attempts:
        size, speed = attempt.batch_size, None
        if attempt.fits and not slow and (size == batches.largest or size & (size - 1) == 0):
            speed = bench.images_per_s(size)
            slow = size / speed > SLOW_S
        attempts.append(replace(attempt, images_per_s=speed))
    return Batches(batches.largest, batches.limit, tuple(attempts))
