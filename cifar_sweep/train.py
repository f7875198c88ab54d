"""Training a run: fresh or restored, then per epoch train, validate, yield the figures, save.

Everything random is drawn from a stream of the run's seed named after its purpose and the epoch. So two recipes of one
seed see the same images in the same order with the same crops, nothing drawn before or elsewhere in the process
matters, and a resumed run repeats what the uninterrupted one would have drawn.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from cifar_sweep.data.classes import names_of
from cifar_sweep.models.recipes.hierarchical import HierarchicalRecipe
from cifar_sweep.recipe import Recipe
from cifar_sweep.training.hierarchical import HierarchyTrainer
from cifar_sweep.training.trainer import STATE, Trainer
from cifar_sweep.tune import is_out_of_memory, out_of_memory_report
from sweeps.workload import Run, Site

__all__ = ["STATE", "OutOfMemory", "Trainer", "train_network"]


class OutOfMemory(MemoryError):
    """The device has not enough memory for a step; the text says how much was used and which batch size would fit."""


def train_network(recipe: Recipe, run: Run) -> Iterator[dict[str, float]]:
    """Train, yielding once per epoch, and save after each; a run that diverges yields NaN and ends.

    Losses are mean cross-entropies, accuracies percentages; `lr` is that of the epoch's last step, `seconds` those of
    training and validation, `images_per_s` counts training alone. A final run holds nothing out: no `val_` figure.
    Raises OutOfMemory.
    """
    if run.device == "cpu":
        torch.set_num_threads(1)
    try:
        with _memory_explained(recipe, run):
            yield from _epochs(recipe, run)
    finally:
        if run.device == "cuda":
            torch.cuda.empty_cache()  # the process may wait for its next trial while others share the device


def _epochs(recipe: Recipe, run: Run) -> Iterator[dict[str, float]]:
    kind = HierarchyTrainer if isinstance(recipe.model, HierarchicalRecipe) else Trainer
    trainer: Trainer | HierarchyTrainer = kind.start(recipe, run)
    if run.restored is not None:
        trainer.restore(run.restored)
    while trainer.pretrain_epoch():
        _save(trainer, run)
    while not trainer.finished:
        figures = trainer.run_epoch()
        diverged = math.isnan(figures["train_loss"])
        if trainer.finished and not diverged and trainer.confusion is not None:
            names = names_of(recipe.data, run.data_dir)
            run.record_confusion("validation", names, trainer.confusion.tolist())
        yield figures
        if diverged:
            return
        _save(trainer, run)


def _save(trainer: Trainer | HierarchyTrainer, run: Run) -> None:
    with run.checkpoint() as folder:
        trainer.save(folder)


@contextmanager
def _memory_explained(recipe: Recipe, run: Run) -> Iterator[None]:
    try:
        yield
        return
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
    # Outside the handler: the error's traceback holds the tensors that fill the device.
    raise OutOfMemory(out_of_memory_report(recipe, Site(run.data_dir, run.device), recipe.images_per_step))
