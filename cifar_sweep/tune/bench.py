"""A step of training on random images: does it fit the device, and how fast is it?"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from cifar_sweep.inference.precision import autocast, resolve_precision
from cifar_sweep.optim import make_optimizer
from cifar_sweep.recipe import Recipe
from cifar_sweep.recipe.transfer import TransferRecipe
from cifar_sweep.training.initial import initial_network
from cifar_sweep.tune.memory import (
    CPU_SAFE_SHARE,
    MIB,
    SAFE_SHARE,
    Appetite,
    available_bytes,
    gpu_limit,
    is_out_of_memory,
)
from sweeps.workload import Run, Site

TIMED_STEPS = 3


@dataclass(frozen=True)
class Attempt:
    """A batch size that was tried: whether it fits, its peak memory (on a CPU an estimate), and its speed if timed."""

    batch_size: int
    fits: bool
    peak_mib: float | None = None
    images_per_s: float | None = None


@dataclass
class Bench:
    """A network with its optimizer, to train on random images."""

    recipe: Recipe
    site: Site
    resident: int
    step: Step
    appetite: Appetite | None = None  # on a CPU

    @classmethod
    def fitting(cls, recipe: Recipe, site: Site, resident: int) -> Bench | None:
        """The bench; None where the network alone does not fit."""
        try:
            return cls.of(recipe, site, resident)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            return None

    @classmethod
    def of(cls, recipe: Recipe, site: Site, resident: int) -> Bench:
        """The bench, on a CPU with what a batch takes measured. Raises what allocators do."""
        step = Step.of(recipe, site)
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
class Step:
    """One step of training on random images and labels."""

    recipe: Recipe
    device: torch.device
    network: torch.nn.Module
    optimizer: torch.optim.Optimizer
    generator: torch.Generator = field(default_factory=lambda: torch.Generator().manual_seed(0))

    @classmethod
    def of(cls, recipe: Recipe, site: Site) -> Step:
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
def as_in_training(site: Site) -> Iterator[None]:
    """One thread on a CPU, as a trial has; the global generator, which dropout draws from, is left as it was."""
    threads = torch.get_num_threads()
    if site.device == "cpu":
        torch.set_num_threads(1)
    try:
        with torch.random.fork_rng():
            yield
    finally:
        torch.set_num_threads(threads)
