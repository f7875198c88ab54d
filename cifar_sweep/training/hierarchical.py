"""Train a hierarchical network: each level by itself, epoch by epoch, validated as one network."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from cifar_sweep.device.exchange import read
from cifar_sweep.device.finite import FiniteCheck
from cifar_sweep.inference.image_predictions import PredictionLog
from cifar_sweep.inference.metrics import BATCH, Tally
from cifar_sweep.inference.precision import autocast
from cifar_sweep.inference.trained import STATE
from cifar_sweep.inference.tta import mean_logits
from cifar_sweep.models import build
from cifar_sweep.models.architectures.hierarchical import Hierarchical, level_shares
from cifar_sweep.models.initial_weights import initialise
from cifar_sweep.models.network import Network
from cifar_sweep.models.recipes.hierarchical import HierarchicalRecipe
from cifar_sweep.models.recipes.single import SingleNetwork
from cifar_sweep.optim import make_optimizer
from cifar_sweep.recipe import Recipe
from cifar_sweep.training.early_stopping import Patience
from cifar_sweep.training.loss import Objective
from cifar_sweep.training.trainer import Trainer, draw_seed
from cifar_sweep.training.training_set import TrainingSet
from cifar_sweep.training.whitening import whiten
from sweeps.workload import Run, stream

LEVEL_METRICS = ("val_coarse_accuracy", "val_fine_accuracy")


@dataclass
class HierarchyTrainer:
    """The trainer of a hierarchical network: in each epoch it trains the coarse network, then each fine one.

    A level is a classifier of its own with the settings of the recipe: an optimizer, an average of the weights, and
    batches no larger than its number of images. The coarse level sees the same images, in the same order and with the
    same augmentation, as a plain classifier of the same seed.

    Attributes:
        recipe: The recipe.
        images: The images to train on and those held out.
        network: The levels as one network.
        levels: The trainers of the coarse level and of each fine level, in this order.
        patience: The early stopping.
        epoch: Number of finished epochs.
        stopped: Whether early stopping has ended the training.
        confusion: (classes, classes) counts of the last validation, true classes by row, predicted ones by column.
        keeps_predictions: Whether validation keeps the prediction for each image.
        predictions: Those of the last validation, in the order of `images.validation`; None where none are kept.
    """

    recipe: Recipe
    images: TrainingSet
    network: Hierarchical
    levels: list[Trainer]
    patience: Patience
    epoch: int = 0
    stopped: bool = False
    confusion: Tensor | None = None
    keeps_predictions: bool = False
    predictions: PredictionLog | None = None

    @classmethod
    def start(cls, recipe: Recipe, run: Run) -> HierarchyTrainer:
        """Return a trainer before its first epoch.

        Raises:
            Unavailable: The data is missing.
            ValueError: A group has fewer than two images to train on, or the data does not fit the recipe.
        """
        model, seed = recipe.model, draw_seed(recipe, run)
        assert isinstance(model, HierarchicalRecipe)
        images = TrainingSet.of(recipe, run, seed)
        network = build(model, recipe.data.shape)
        assert isinstance(network, Hierarchical)
        initialise(network, seed)
        network = network.to(run.device).to(memory_format=torch.channels_last)
        levels = [_level_trainer(recipe, model.coarse, seed, _coarse_images(images, network), network.coarse)]
        for group, level in enumerate(network.fine):
            group_images = _group_images(images, network, group)
            levels.append(_level_trainer(recipe, model.fine, stream(seed, "fine", group), group_images, level))
        patience, keeps = Patience(recipe.regularization.early_stopping), run.keeps_predictions
        return cls(recipe, images, network, levels, patience, keeps_predictions=keeps)

    @property
    def finished(self) -> bool:
        """Whether the last epoch is done or early stopping has ended the training."""
        return self.stopped or self.epoch >= self.recipe.epochs

    # Made once: its lists of classes are copied to the device.
    @cached_property
    def evaluated(self) -> Hierarchical:
        """The network to validate and save: the levels as one, averaged ones with `ema`."""
        coarse, *fine = (level.evaluated for level in self.levels)
        return Hierarchical(self.network.groups, coarse, fine).to(self.images.train.device)

    def pretrain_epoch(self) -> bool:
        """Return False: levels are not pre-trained."""
        return False

    def run_epoch(self) -> dict[str, float]:
        """Train every level for one epoch and validate. A loss that is not finite ends the epoch early.

        Returns:
            The figures of `Trainer.run_epoch`, with `train_coarse_accuracy`, `train_fine_accuracy` and their `val_`
            counterparts in percent. `train_loss` is the coarse level's mean loss plus the mean of the fine levels'
            losses over their images, which is the cross-entropy of the whole. There is no `train_accuracy`: measuring
            that of the whole would take a further pass over the training images.
        """
        started = time.perf_counter()
        training = _combined(self._train_levels(), [len(level.images.train) for level in self.levels])
        train_s = time.perf_counter() - started
        validation = self._validation_metrics(diverged=math.isnan(training["train_loss"]))
        self.epoch += 1
        self.stopped = self.patience.stops(self.epoch, validation.get("val_accuracy"))
        return {
            **training,
            **validation,
            "lr": self.levels[0].rate,
            "seconds": time.perf_counter() - started,
            "images_per_s": sum(map(_images_per_epoch, self.levels)) / train_s,
        }

    def _train_levels(self) -> list[tuple[float, float]]:
        """Train every level for an epoch, up to one that diverges; return mean loss and accuracy of each.

        The host waits for the device once, after the last level.
        """
        tallies: list[Tally] = []
        finite = FiniteCheck(self.images.train.device)
        for level in self.levels:
            tallies.append(level.train_epoch())
            level.end_epoch()
            if not finite(tallies[-1].loss):
                break
        sums = read(*(number for tally in tallies for number in (tally.loss, tally.correct)))
        return [
            tally.means_of(loss, correct) for tally, loss, correct in zip(tallies, sums[::2], sums[1::2], strict=True)
        ]

    @torch.no_grad()
    def validate(self) -> tuple[Tally, dict[str, Tensor]]:
        """Return the tally of the whole on the held-out images, and the `level_shares` by the names of `LEVEL_METRICS`.

        The host does not wait for the device.
        """
        network, source, index = self.evaluated.eval(), self.images.source, self.images.validation
        predictions = PredictionLog() if self.keeps_predictions else None
        tally, all_logits = Tally.empty(index.device, self.recipe.data.shape.classes, predictions), []
        for batch in torch.split(index, BATCH):
            labels = source.labels[batch]
            with autocast(self.levels[0].precision, index.device):
                logits = mean_logits(lambda seen: network(source.scaling(seen)), source.gather(batch), self.recipe.tta)
            tally.add(cross_entropy(logits, labels), logits, labels)
            all_logits.append(logits)
        shares = level_shares(network, torch.cat(all_logits), source.labels[index])
        return tally, {f"val_{name}": share for name, share in shares.items()}

    def _validation_metrics(self, diverged: bool) -> dict[str, float]:
        if len(self.images.validation) == 0:
            return {}
        if diverged:
            return dict.fromkeys(("val_loss", "val_accuracy", *LEVEL_METRICS), math.nan)
        tally, shares = self.validate()
        self.confusion, self.predictions = tally.confusion, tally.predictions
        loss, correct, *of_levels = read(tally.loss, tally.correct, *shares.values())
        loss, accuracy = tally.means_of(loss, correct)
        accuracies = {name: 100 * share for name, share in zip(shares, of_levels, strict=True)}
        return {"val_loss": loss, "val_accuracy": accuracy, **accuracies}

    def saved_state(self) -> dict[str, Any]:
        """Return what a checkpoint holds. Its `network` is the evaluated network, for whoever loads the model.

        The tensors are those that training goes on to change. The state of a finished training has no levels: nothing
        continues from it. Weights are stored once, since the levels and the whole share their tensors.
        """
        return {
            "network": self.evaluated.state_dict(),
            "levels": [] if self.finished else [level.state_dict() for level in self.levels],
            "epoch": self.epoch,
            "stopped": self.stopped,
            "patience": self.patience.state_dict(),
            "scaling": dict(vars(self.images.source.scaling)),
        }

    def save(self, folder: Path) -> None:
        """Write the state into `folder`."""
        torch.save(self.saved_state(), folder / STATE)

    def restore(self, folder: Path) -> None:
        """Continue from what `save` wrote into `folder`."""
        state = torch.load(folder / STATE, map_location=self.images.train.device, weights_only=True)
        self.patience.load_state_dict(state["patience"])
        self.epoch, self.stopped = state["epoch"], state["stopped"]
        if self.finished:
            self.evaluated.load_state_dict(state["network"])
            return
        for level, saved in zip(self.levels, state["levels"], strict=True):
            level.load_state_dict(saved)


def _level_trainer(recipe: Recipe, model: SingleNetwork, seed: int, images: TrainingSet, network: nn.Module) -> Trainer:
    """Return the trainer of one level on `images`."""
    assert isinstance(network, Network)
    whiten(network, images)
    batch_size = min(recipe.images_per_step, len(images.train))
    level_recipe = recipe.model_copy(update={"model": model, "batch_size": batch_size})
    return Trainer(
        recipe=level_recipe,
        seed=seed,
        images=images,
        network=network,
        optimizer=make_optimizer(level_recipe.optimizer, network, level_recipe.transfer.head_lr),
        objective=Objective(level_recipe),
        patience=Patience(level_recipe.regularization.early_stopping),
    )


def _coarse_images(images: TrainingSet, network: Hierarchical) -> TrainingSet:
    """Return all images, labelled by group, with none held out: the whole is validated, not the level."""
    source = replace(images.source, labels=network.group_of[images.source.labels])
    return replace(images, source=source, validation=images.validation[:0])


def _group_images(images: TrainingSet, network: Hierarchical, group: int) -> TrainingSet:
    """Return the images of a group, labelled by place in it. Raises ValueError where there are fewer than two."""
    labels = images.source.labels
    train = images.train[network.group_of[labels[images.train]] == group]
    if len(train) < 2:
        members = ", ".join(map(str, network.groups[group]))
        raise ValueError(
            f"model.groups: only {len(train)} training images are of the classes {members}: a group needs 2 or more"
        )
    source = replace(images.source, labels=network.place[labels])
    return replace(images, source=source, train=train, validation=images.validation[:0])


def _combined(means: list[tuple[float, float]], sizes: list[int]) -> dict[str, float]:
    """Return the training figures of the whole from those of its levels, all NaN where a level has diverged.

    Args:
        means: Mean loss and accuracy of the levels, coarse first, up to one that has diverged.
        sizes: Number of images of each level.
    """
    names = ("train_loss", "train_coarse_accuracy", "train_fine_accuracy")
    if any(math.isnan(loss) for loss, _ in means):
        return dict.fromkeys(names, math.nan)
    (coarse_loss, coarse_accuracy), *fine = means
    shares = [size / sum(sizes[1:]) for size in sizes[1:]]
    loss, accuracy = (
        sum(share * figure for share, figure in zip(shares, figures, strict=True))
        for figures in zip(*fine, strict=True)
    )
    return dict(zip(names, (coarse_loss + loss, coarse_accuracy, accuracy), strict=True))


def _images_per_epoch(level: Trainer) -> int:
    size = level.recipe.images_per_step
    return len(level.images.train) // size * size
