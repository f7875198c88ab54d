"""Train a run: start or restore, then train, validate and save once per epoch.

Everything random is drawn from a stream of the run's seed, named after its purpose and the epoch. So two recipes of one
seed see the same images in the same order with the same crops, draws elsewhere in the process have no effect, and a
resumed run draws what the uninterrupted one would have drawn.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch

from cifar_sweep.data.classes import names_of
from cifar_sweep.device.errors import OutOfMemory
from cifar_sweep.device.host_copy import host_copy
from cifar_sweep.device.memory import peak_memory
from cifar_sweep.device.occupied import occupying
from cifar_sweep.inference.trained import STATE
from cifar_sweep.models.recipes.hierarchical import HierarchicalRecipe
from cifar_sweep.recipe import Recipe
from cifar_sweep.training.hierarchical import HierarchyTrainer
from cifar_sweep.training.trainer import Trainer
from cifar_sweep.tune import out_of_memory_report
from sweeps.workload import Run, Site

__all__ = ["STATE", "OutOfMemory", "Trainer", "train_network"]


def train_network(recipe: Recipe, run: Run) -> Iterator[dict[str, float]]:
    """Train a run, handing over its state after each epoch. A run that diverges yields NaN and ends.

    Args:
        recipe: The recipe.
        run: The run; training continues from `run.restored` if there is one.

    Yields:
        The figures of an epoch: mean cross-entropies in nats, accuracies in percent, `lr` of the last step, `seconds`
        of training and validation, `images_per_s` of training alone. A final run has no `val_` figures. On a GPU also
        `gpu_memory_mib` (see `peak_memory`).

    Raises:
        OutOfMemory: A step does not fit the device.
        DeviceLost: The device failed, and this process can never use it again.
        Unavailable: The data, the initial weights or the teacher are missing.
        ValueError: They do not fit the recipe.
    """
    if run.device == "cpu":
        torch.set_num_threads(1)
    site = Site(run.data_dir, run.device, run.runs_dir, share=run.share)
    yield from occupying(
        run.device, _epochs(recipe, run), lambda: out_of_memory_report(recipe, site, recipe.images_per_step)
    )


def _epochs(recipe: Recipe, run: Run) -> Iterator[dict[str, float]]:
    trainer_class = HierarchyTrainer if isinstance(recipe.model, HierarchicalRecipe) else Trainer
    trainer: Trainer | HierarchyTrainer = trainer_class.start(recipe, run)
    if run.restored is not None:
        trainer.restore(run.restored)
    while trainer.pretrain_epoch():
        _save(trainer, run)
    while not trainer.finished:
        figures = trainer.run_epoch()
        diverged = math.isnan(figures["train_loss"])
        if trainer.finished and not diverged:
            _record_validation(trainer, recipe, run)
        # Before the state is saved: an epoch that is killed in between is trained again and recorded again.
        yield {**figures, **peak_memory(run.device)}
        if diverged:
            return
        _save(trainer, run)


def _record_validation(trainer: Trainer | HierarchyTrainer, recipe: Recipe, run: Run) -> None:
    """Record the confusions of the last validation and, where they are kept, the predictions."""
    if trainer.confusion is not None:
        run.record_confusion("validation", names_of(recipe.data, run.data_dir), trainer.confusion.tolist())
    if trainer.predictions is not None:
        trainer.predictions.record(run, "validation", trainer.images.validation)


def _save(trainer: Trainer | HierarchyTrainer, run: Run) -> None:
    run.save(STATE, trainer.saved_state(), torch.save, copy=host_copy, last=trainer.finished)
