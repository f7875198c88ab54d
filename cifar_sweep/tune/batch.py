"""The largest batch that trains on a device, and how fast batches are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from cifar_sweep.data.cache import load_images
from cifar_sweep.data.split import make_split
from cifar_sweep.recipe import Recipe
from cifar_sweep.tune.bench import Attempt, Bench, as_in_training
from cifar_sweep.tune.doubling import largest_fitting
from cifar_sweep.tune.memory import peak_and_total_mib
from sweeps.workload import Site

LIMIT = 1024
GRANULARITY = 8
SLOW_S = 1.0  # once a step takes this long, larger batches are not timed


@dataclass(frozen=True)
class Batches:
    """The `largest` batch up to `limit` that fits (0: none does), and what was tried, by size."""

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
    """The largest batch, up to `limit` and to the number of training `images`, that `recipe` trains with at `site`.

    Sizes are doubled, then bisected to `granularity`. On a GPU each one trains for two steps on random images within
    90 % of the trial's share of its memory, `resident` bytes for the images set aside. On a CPU, where running out of
    memory ends the process, the need is estimated from what small batches keep for the backward pass, against 70 % of
    what is free. Frozen parameters are counted as trained, a teacher not at all. `timed`: the sizes that were doubled
    to, and the largest, are timed. `fits` decides in place of all that.
    """
    limit = min(limit, images)
    smallest = min(2 if recipe.model.batch_statistics else 1, limit)
    if fits is not None:
        return _searched(lambda size: Attempt(size, fits(size)), smallest, limit, granularity)
    with as_in_training(site):
        bench = Bench.fitting(recipe, site, resident)
        if bench is None:
            return Batches(0, limit, ())
        found = _searched(bench.attempt, smallest, limit, granularity)
        return _timed(found, bench) if timed else found


def auto_batch_size(recipe: Recipe, site: Site) -> int:
    """The number that `batch_size: auto` stands for at `site`. Raises ValueError when not even the smallest fits."""
    images, resident = training_images(recipe, site)
    found = largest_batch(recipe, site, images, resident=resident)
    if not found.largest:
        raise ValueError(f"batch_size is auto but no batch fits the memory of the {site.device}: use a smaller network")
    return found.largest


def training_images(recipe: Recipe, site: Site) -> tuple[int, int]:
    """How many images `recipe` trains on, and the bytes that all it holds in memory take."""
    images = load_images(recipe.data, site.data_dir, "train")
    return len(make_split(recipe.data, images.labels, split_seed=0).train), images.pixels.nbytes


def out_of_memory_report(recipe: Recipe, site: Site, batch_size: int) -> str:
    """One line for a run that ran out of memory: its peak, what there is, and the largest batch that fits now.

    To be called when the run's tensors are gone. On a CPU the peak is that of the whole process.
    """
    device = torch.device(site.device)
    peak, total = peak_and_total_mib(device)
    said = f"batch_size {batch_size} does not fit: peak {peak:,.0f} MiB of the {site.device}'s {total:,.0f} MiB"
    if device.type == "cuda":
        torch.cuda.empty_cache()
    smaller = max(1, batch_size - 1)
    found = largest_batch(recipe, site, smaller, limit=smaller).largest
    return f"{said}; {f'batch_size {found} would fit' if found else 'no batch fits: use a smaller network'}"


def _searched(attempt: Callable[[int], Attempt], smallest: int, limit: int, granularity: int) -> Batches:
    attempts: dict[int, Attempt] = {}

    def fits(size: int) -> bool:
        attempts[size] = attempt(size)
        return attempts[size].fits

    largest = largest_fitting(fits, smallest, limit, granularity)
    return Batches(largest, limit, tuple(attempts[size] for size in sorted(attempts)))


def _timed(found: Batches, bench: Bench) -> Batches:
    """The same with the speed of the sizes doubled to and of the largest, up to where a step is slow."""
    attempts, slow = [], False
    for attempt in found.attempts:
        size, speed = attempt.batch_size, None
        if attempt.fits and not slow and (size == found.largest or size & (size - 1) == 0):
            speed = bench.images_per_s(size)
            slow = size / speed > SLOW_S
        attempts.append(replace(attempt, images_per_s=speed))
    return Batches(found.largest, found.limit, tuple(attempts))
