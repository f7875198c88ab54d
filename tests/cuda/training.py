"""Train the scenarios: on the CPU, on the pretended device, and step by step under a counter."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from cifar_sweep.augment import augmentation
from cifar_sweep.recipe import Recipe
from cifar_sweep.train import train_network
from cifar_sweep.training.trainer import Trainer
from sweeps.artifacts.checkpoint import CheckpointFolder
from sweeps.workload import Preempted, Run
from tests.cuda.pretended import Device, Log
from tests.cuda.scenarios import Scenario

OF_THE_MACHINE = {"seconds", "images_per_s", "gpu_memory_mib"}  # figures that say nothing about the network
AT_ONCE = 4  # steps that are augmented at once, as they are for 512 images of 32 pixels a step
FEW, MORE = AT_ONCE, 2 * AT_ONCE  # steps of the two epochs whose difference is counted


@dataclass(frozen=True)
class Site:
    """Where the scenarios train.

    Attributes:
        data_dir: The folder with their images.
        folder: Takes a folder for each run.
    """

    data_dir: Path
    folder: Path

    def run(self, device: str, **fields: Any) -> Run:
        """Return a run on a device, in a folder of its own unless one is given."""
        folder = fields.pop("folder", None) or self.folder / f"run{next(_NUMBERS)}"
        folder.mkdir(exist_ok=True)
        restored = CheckpointFolder(folder / "checkpoint").restore()
        standard: dict[str, Any] = {"seed": 3, "split_seed": 1, "data_dir": self.data_dir, "runs_dir": self.folder}
        if restored is not None:
            standard |= {"restored": restored.folder, "epoch": restored.epoch}
        return Run(**(standard | {"device": device, "folder": folder} | fields))


_NUMBERS = itertools.count()


def train(recipe: Recipe, run: Run) -> list[dict[str, float]]:
    """Train as the engine does, to the end or to a pause, and return the figures of the network after each epoch."""
    rows: list[dict[str, float]] = []
    with suppress(Preempted):
        for row in train_network(recipe, run):
            rows.append({name: value for name, value in row.items() if name not in OF_THE_MACHINE})
            run.epoch += 1
    return rows


@dataclass(frozen=True)
class StepCounts:
    """What one step asks of the device, on average.

    Attributes:
        operators: Launches.
        copies: Copies between host and device.
        waits: Waits of the host.
        epoch_waits: Waits of a whole epoch with its validation, without those of its steps.
        places: Where the host waits in an epoch, with the reason.
        by_operator: Launches by operator.
    """

    operators: float
    copies: float
    waits: float
    epoch_waits: float
    places: Mapping[str, int]
    by_operator: Mapping[str, float]

    @classmethod
    def of(cls, few: Log, more: Log) -> StepCounts:
        """Return the counts of a step from those of two epochs that differ only in their number of steps."""
        step, steps = more.minus(few), MORE - FEW
        waits = step.waits.total() / steps
        return cls(
            step.launches / steps,
            step.copies.total() / steps,
            waits,
            few.waits.total() - FEW * waits,
            dict(few.waits),
            {name: count / steps for name, count in step.operators.most_common()},
        )


def step_counts(scenario: Scenario, site: Site, device: Device, **overrides: Any) -> StepCounts:
    """Count what a step of a scenario asks of the pretended device, once warmed up."""
    with mock.patch.object(augmentation, "_batches_at_once", return_value=AT_ONCE, create=True):
        logs = [_second_epoch(scenario, site, device, steps, overrides) for steps in (FEW, MORE)]
    return StepCounts.of(*logs)


def _second_epoch(scenario: Scenario, site: Site, device: Device, steps: int, overrides: Mapping[str, Any]) -> Log:
    """Return the counts of the second epoch of a training with so many steps in each."""
    recipe = scenario.recipe(site.data_dir, **overrides)
    limited = recipe.data.model_copy(update={"train_limit": steps * recipe.images_per_step})
    trainer = Trainer.start(recipe.model_copy(update={"data": limited}), site.run("cuda"))
    assert len(trainer.images.train) == steps * recipe.images_per_step, "the scenario has too few images"
    trainer.run_epoch()
    with device.counted() as log:
        trainer.run_epoch()
    return log
