"""Train a recipe for a moment without counting epochs: the process of one copy (see `copies`)."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import torch

from cifar_sweep.device.wait import synchronize
from cifar_sweep.inference.precision import backends
from cifar_sweep.optim import apply_schedule
from cifar_sweep.recipe import Recipe
from cifar_sweep.training.execution import Guarded
from cifar_sweep.training.trainer import Trainer
from cifar_sweep.tune.copies import GO, READY, RESULT, CopyResult
from cifar_sweep.tune.memory import MIB, peak_and_total_mib
from cifar_sweep.tune.rate import batches
from sweeps.workload import Run, Site

CHECKED_STEPS = 8  # steps whose losses are reported, before any is timed
BLOCK = 10  # steps between two readings of the clock, which make a GPU wait


@dataclass
class Rehearsal:
    """Steps of a trainer on the batches that a run would train on, not counted into any epoch.

    Attributes:
        trainer: The trainer.
        steps_done: Number of steps taken so far.
    """

    trainer: Trainer
    steps_done: int = 0

    @classmethod
    def of(cls, recipe: Recipe, site: Site, folder: Path) -> Rehearsal:
        """Return the rehearsal of a run of seed 0 before its first step.

        Args:
            recipe: The recipe.
            site: The device and the folder of the data.
            folder: Takes the run's log.

        Raises:
            Unavailable: The data, the initial weights or the teacher are missing.
            ValueError: They do not fit the recipe.
        """
        run = Run(
            seed=0,
            split_seed=0,
            device=site.device,
            data_dir=site.data_dir,
            folder=folder,
            runs_dir=site.runs_dir,
        )
        return cls(Trainer.start(recipe, run))

    def __post_init__(self) -> None:
        self._batches = batches(self.trainer.recipe, self.trainer.images, self.trainer.seed)
        self._steps_per_epoch = len(self.trainer.images.train) // self.trainer.recipe.images_per_step
        self.trainer.begin_epoch()

    def step(self) -> torch.Tensor:
        """Take a step and return its loss (), which later steps may overwrite."""
        recipe, total = self.trainer.recipe, self._steps_per_epoch * self.trainer.recipe.epochs
        # A fast device may take more steps than a trial has: the schedule then stays at its end.
        step = min(self.steps_done, total - 1)
        apply_schedule(
            recipe.schedule, self.trainer.optimizer, recipe.optimizer.lr, step, self._steps_per_epoch, recipe.epochs
        )
        self.steps_done += 1
        return self.trainer.learn(next(self._batches))[0]

    def losses(self) -> tuple[tuple[float, ...], float]:
        """Take the first steps; return their losses, and the seconds that the first one took."""
        started = time.perf_counter()
        first = self.step().item()
        first_s = time.perf_counter() - started
        return (first, *(self.step().item() for _ in range(CHECKED_STEPS - 1))), first_s

    def timed(self, seconds: float) -> tuple[int, float]:
        """Train until `seconds` have passed; return the steps taken, and the seconds."""
        started, steps = time.perf_counter(), 0
        while True:
            for _ in range(BLOCK):
                self.step()
            steps += BLOCK
            synchronize(self.trainer.device.type)
            if (elapsed_s := time.perf_counter() - started) >= seconds:
                return steps, elapsed_s

    @property
    def failure(self) -> str:
        """Why the execution that the recipe names failed; empty if it did not."""
        execution = self.trainer.execution
        return execution.failure if isinstance(execution, Guarded) else ""


def timed_result(rehearsal: Rehearsal, losses: Sequence[float], first_s: float, seconds: float) -> CopyResult:
    """Train for `seconds` after the first steps, and return the result of the whole rehearsal."""
    steps, elapsed_s = rehearsal.timed(seconds)
    used, total = _used_and_total_mib(rehearsal.trainer.device)
    images = steps * rehearsal.trainer.recipe.images_per_step
    return CopyResult(tuple(losses), first_s, elapsed_s / steps, images, elapsed_s, used, total, rehearsal.failure)


def _used_and_total_mib(device: torch.device) -> tuple[float, float]:
    if device.type == "cuda":
        # Unlike torch's own counts, this includes the contexts and memory of all processes.
        free, total = torch.cuda.mem_get_info(device)
        return (total - free) / MIB, total / MIB
    return peak_and_total_mib(device)


def _main(stdin: IO[bytes], stdout: IO[str]) -> None:
    request: dict[str, Any] = json.loads(stdin.readline())
    runs_dir = None if request["runs_dir"] is None else Path(request["runs_dir"])
    site = Site(Path(request["data_dir"]), request["device"], runs_dir)
    if site.device == "cpu":
        torch.set_num_threads(1)
    recipe = Recipe.model_validate(request["recipe"])
    with backends(recipe, site.device, training=True):
        rehearsal = Rehearsal.of(recipe, site, Path(request["folder"]))
        losses, first_s = rehearsal.losses()
        stdout.write(f"\n{READY}\n")
        stdout.flush()
        if stdin.readline().decode().strip() == GO:
            result = timed_result(rehearsal, losses, first_s, request["seconds"])
            stdout.write(f"\n{RESULT}{json.dumps(asdict(result))}\n")
            stdout.flush()


if __name__ == "__main__":
    _main(sys.stdin.buffer, sys.stdout)
