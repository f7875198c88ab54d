"""The largest batch that trains on a device, and how fast batches are."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from cifar_sweep.cache import load_images
from cifar_sweep.data import make_split
from cifar_sweep.initial import initial_network
from cifar_sweep.optim import make_optimizer
from cifar_sweep.precision import autocast, resolve_precision
from cifar_sweep.recipe import Recipe
from cifar_sweep.recipe.transfer import TransferRecipe
from cifar_sweep.tune.doubling import largest_fitting
from cifar_sweep.tune.memory import (
    CPU_SAFE_SHARE,
    MIB,
    SAFE_SHARE,
    Appetite,
    available_bytes,
    gpu_limit,
    is_out_of_memory,
    peak_and_total_mib,
)
from sweeps.workload import Run, Site

LIMIT = 1024
GRANULARITY = 8
TIMED_STEPS = 3
SLOW_S = 1.0  # once a step takes this long, larger batches are not timed


@dataclass(frozen=True)
class Attempt:
    """A batch size that was tried: whether it fits, its peak memory (on a CPU an estimate), and its speed if timed."""

    batch_size: int
    fits: bool
    peak_mib: float | None = None
    images_per_s: float | None = None


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
    with _as_in_training(site):
        bench = _Bench.of(recipe, site, resident)
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
    try:
        found = largest_batch(recipe, site, max(1, batch_size - 1)).largest
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        found = 0
    return f"{said}; {f'batch_size {found} would fit' if found else 'no batch fits: use a smaller network'}"


@dataclass
class _Bench:
    """A network with its optimizer, to train on random images."""

    recipe: Recipe
    site: Site
    resident: int
    step: _Step
    appetite: Appetite | None = None  # on a CPU

    @classmethod
    def of(cls, recipe: Recipe, site: Site, resident: int) -> _Bench:
        step = _Step.of(recipe, site)
        if site.device == "cuda":
            return cls(recipe, site, resident, step)
        step(2)  # the optimizer's state is there from now on
        return cls(recipe, site, resident, step, Appetite.measured(step.network, step.optimizer, step.loss))

    def attempt(self, size: int) -> Attempt:
        """Whether a batch fits: by training with it or, on a CPU, by the estimate."""
        if self.appetite is not None:
            need = self.appetite.bytes(size)
            return Attempt(size, need <= CPU_SAFE_SHARE * self.site.share * available_bytes(), need / MIB)
        device = torch.device(self.site.device)
        total = torch.cuda.get_device_properties(device).total_memory
        torch.cuda.reset_peak_memory_stats(device)
        with gpu_limit(device, SAFE_SHARE * self.site.share - self.resident / total):
            fits = self._trains(size)
        return Attempt(size, fits, torch.cuda.max_memory_allocated(device) / MIB)

    def images_per_s(self, size: int) -> float:
        """The speed of training with batches of `size`, after a step that is not timed."""
        self.step(size)
        started = self._now()
        for _ in range(TIMED_STEPS):
            self.step(size)
        return TIMED_STEPS * size / (self._now() - started)

    def _trains(self, size: int) -> bool:
        try:
            for _ in range(2):
                self.step(size)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            return False
        finally:
            self.step.network.zero_grad(set_to_none=True)
        return True

    def _now(self) -> float:
        if self.site.device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()


@dataclass
class _Step:
    """One step of training on random images and labels."""

    recipe: Recipe
    device: torch.device
    network: torch.nn.Module
    optimizer: torch.optim.Optimizer
    generator: torch.Generator = field(default_factory=lambda: torch.Generator().manual_seed(0))

    @classmethod
    def of(cls, recipe: Recipe, site: Site) -> _Step:
        plain = recipe.model_copy(update={"transfer": TransferRecipe()})  # whatever the weights, the memory is the same
        run = Run(seed=0, split_seed=0, device=site.device, data_dir=site.data_dir, folder=site.data_dir)
        network = initial_network(plain, run, seed=0).train()
        return cls(recipe, torch.device(site.device), network, make_optimizer(recipe.optimizer, network))

    def loss(self, size: int) -> Tensor:
        """The loss on a batch of `size`."""
        shape = self.recipe.data.shape
        images = torch.randn(size, shape.channels, shape.size, shape.size, generator=self.generator)
        labels = torch.randint(shape.classes, (size,), generator=self.generator)
        images = images.to(self.device, memory_format=torch.channels_last)
        with autocast(resolve_precision(self.recipe.precision, self.device.type), self.device):
            return cross_entropy(self.network(images), labels.to(self.device))

    def __call__(self, size: int) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        self.loss(size).backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()


@contextmanager
def _as_in_training(site: Site) -> Iterator[None]:
    """One thread on a CPU, as a trial has; the global generator, which dropout draws from, is left as it was."""
    threads = torch.get_num_threads()
    if site.device == "cpu":
        torch.set_num_threads(1)
    try:
        with torch.random.fork_rng():
            yield
    finally:
        torch.set_num_threads(threads)


def _searched(attempt: Callable[[int], Attempt], smallest: int, limit: int, granularity: int) -> Batches:
    attempts: dict[int, Attempt] = {}

    def fits(size: int) -> bool:
        attempts[size] = attempt(size)
        return attempts[size].fits

    largest = largest_fitting(fits, smallest, limit, granularity)
    return Batches(largest, limit, tuple(attempts[size] for size in sorted(attempts)))


def _timed(found: Batches, bench: _Bench) -> Batches:
    """The same with the speed of the sizes doubled to and of the largest, up to where a step is slow."""
    attempts, slow = [], False
    for attempt in found.attempts:
        size, speed = attempt.batch_size, None
        if attempt.fits and not slow and (size == found.largest or size & (size - 1) == 0):
            speed = bench.images_per_s(size)
            slow = size / speed > SLOW_S
        attempts.append(Attempt(size, attempt.fits, attempt.peak_mib, speed))
    return Batches(found.largest, found.limit, tuple(attempts))
