"""Try a step of training on random images: does it fit the device, and how fast is it?"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from cifar_sweep.device.errors import is_out_of_memory
from cifar_sweep.device.generators import forked_generators
from cifar_sweep.device.wait import synchronize
from cifar_sweep.inference.precision import autocast, resolve_precision
from cifar_sweep.optim import make_optimizer
from cifar_sweep.recipe import Recipe
from cifar_sweep.recipe.transfer import TransferRecipe
from cifar_sweep.training.initial import initial_network
from cifar_sweep.tune.memory import (
    CPU_SAFE_SHARE,
    MIB,
    SAFE_SHARE,
    MemoryEstimate,
    available_bytes,
    gpu_limit,
)
from sweeps.workload import Run, Site

TIMED_STEPS = 3


@dataclass(frozen=True)
class Attempt:
    """A batch size that was tried.

    Attributes:
        batch_size: Number of images.
        fits: Whether a step fits the device.
        peak_mib: Its peak memory in MiB; on a CPU an estimate.
        images_per_s: Its speed; None if it was not timed.
    """

    batch_size: int
    fits: bool
    peak_mib: float | None = None
    images_per_s: float | None = None


@dataclass
class Bench:
    """A network with its optimizer, to try batch sizes on.

    Attributes:
        recipe: The recipe.
        site: The device, and the share of its memory that a trial gets.
        resident: Bytes of that share that are taken whatever the batch.
        step: The step to try.
        estimate: The memory of a step on a CPU; None on a GPU, where steps are run instead.
    """

    recipe: Recipe
    site: Site
    resident: int
    step: Step
    estimate: MemoryEstimate | None = None

    @classmethod
    def fitting(cls, recipe: Recipe, site: Site, resident: int) -> Bench | None:
        """Return the bench; None where the network alone does not fit."""
        try:
            return cls.of(recipe, site, resident)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            return None

    @classmethod
    def of(cls, recipe: Recipe, site: Site, resident: int) -> Bench:
        """Return the bench, on a CPU with its memory estimate. Allocators raise where the network does not fit."""
        step = Step.of(recipe, site)
        if site.device == "cuda":
            return cls(recipe, site, resident, step)
        step(2)  # makes the optimizer's state, which the estimate counts
        return cls(recipe, site, resident, step, MemoryEstimate.measured(step.network, step.optimizer, step.loss))

    def attempt(self, size: int) -> Attempt:
        """Return whether a batch fits: by training with it or, on a CPU, by the estimate."""
        if self.estimate is not None:
            need = self.estimate.bytes(size)
            return Attempt(size, need <= CPU_SAFE_SHARE * self.site.share * available_bytes(), need / MIB)
        device = torch.device(self.site.device)
        total = torch.cuda.get_device_properties(device).total_memory
        torch.cuda.reset_peak_memory_stats(device)
        with gpu_limit(device, SAFE_SHARE * self.site.share - self.resident / total):
            fits = self._trains(size)
        return Attempt(size, fits, torch.cuda.max_memory_allocated(device) / MIB)

    def images_per_s(self, size: int) -> float:
        """Return the speed of training with batches of `size`, after a step that is not timed."""
        self.step(size)
        started = self._now()
        for _ in range(TIMED_STEPS):
            self.step(size)
        return TIMED_STEPS * size / (self._now() - started)

    def _trains(self, size: int) -> bool:
        """Return whether two steps run; the optimizer makes its state in the first."""
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
        synchronize(self.site.device)
        return time.perf_counter()


@dataclass
class Step:
    """A step of training on random images and labels.

    Attributes:
        recipe: The recipe.
        device: Where the network is.
        network: The network, in training mode.
        optimizer: Its optimizer.
        generator: The source of images and labels.
    """

    recipe: Recipe
    device: torch.device
    network: torch.nn.Module
    optimizer: torch.optim.Optimizer
    generator: torch.Generator = field(default_factory=lambda: torch.Generator().manual_seed(0))

    @classmethod
    def of(cls, recipe: Recipe, site: Site) -> Step:
        """Return a step of `recipe`, with random weights in place of any to start from: they take the same memory."""
        without_transfer = recipe.model_copy(update={"transfer": TransferRecipe()})
        run = Run(seed=0, split_seed=0, device=site.device, data_dir=site.data_dir, folder=site.data_dir)
        network = initial_network(without_transfer, run, seed=0).train()
        return cls(recipe, torch.device(site.device), network, make_optimizer(recipe.optimizer, network))

    def loss(self, size: int) -> Tensor:
        """Return the loss () on a batch of `size` images."""
        shape = self.recipe.data.shape
        images = torch.randn(size, shape.channels, shape.size, shape.size, generator=self.generator)
        labels = torch.randint(shape.classes, (size,), generator=self.generator)
        images = images.to(self.device, memory_format=torch.channels_last)
        with autocast(resolve_precision(self.recipe.precision, self.device.type), self.device):
            return cross_entropy(self.network(images), labels.to(self.device))

    def __call__(self, size: int) -> None:
        """Train on a batch of `size` images."""
        self.optimizer.zero_grad(set_to_none=True)
        self.loss(size).backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()


@contextmanager
def as_in_training(site: Site) -> Iterator[None]:
    """Use one thread on a CPU, as a trial does; on leaving, threads and the global random generators are restored."""
    threads = torch.get_num_threads()
    if site.device == "cpu":
        torch.set_num_threads(1)
    try:
        with forked_generators(torch.device(site.device)):  # dropout draws from the global generator
            yield
    finally:
        torch.set_num_threads(threads)
