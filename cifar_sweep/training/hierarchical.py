"""The trainer of a hierarchical network: each level by itself, epoch by epoch, measured as one."""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from cifar_sweep.inference.metrics import BATCH, Tally
from cifar_sweep.inference.precision import autocast
from cifar_sweep.inference.tta import mean_logits
from cifar_sweep.models import build
from cifar_sweep.models.architectures.hierarchical import Hierarchical, level_accuracies
from cifar_sweep.models.init import initialise
from cifar_sweep.models.network import Network
from cifar_sweep.models.recipes.hierarchical import HierarchicalRecipe
from cifar_sweep.models.recipes.single import SingleNetwork
from cifar_sweep.optim import make_optimizer
from cifar_sweep.recipe import Recipe
from cifar_sweep.training.early_stopping import Patience
from cifar_sweep.training.loss import Objective
from cifar_sweep.training.trainer import STATE, Trainer, draw_seed
from cifar_sweep.training.training_set import TrainingSet
from cifar_sweep.training.whitening import whiten
from sweeps.workload import Run, stream

LEVELS = ("val_coarse_accuracy", "val_fine_accuracy")


@dataclass
class HierarchyTrainer:
    """Trains the coarse network, then each fine one, for an epoch each. `epoch` counts those that are done.

    A level is a classifier of its own with the settings of the recipe: an optimizer, an average of the weights, and a
    batch size of at most as many images as it has. The coarse level sees the images, in the order and with the
    augmentation, that a plain classifier of the same seed sees. `levels` has the coarse one first, then the fine ones.
    `confusion` (classes, classes) has what the last validation took for what.
    """

    recipe: Recipe
    images: TrainingSet
    network: Hierarchical
    levels: list[Trainer]
    patience: Patience
    epoch: int = 0
    stopped: bool = False
    confusion: Tensor | None = None

    @classmethod
    def start(cls, recipe: Recipe, run: Run) -> HierarchyTrainer:
        """A trainer before its first epoch. Raises ValueError when a group has too few images to train on."""
        model, seed = recipe.model, draw_seed(recipe, run)
        assert isinstance(model, HierarchicalRecipe)
        images = TrainingSet.of(recipe, run, seed)
        network = build(model, recipe.data.shape)
        assert isinstance(network, Hierarchical)
        initialise(network, seed)
        network = network.to(run.device).to(memory_format=torch.channels_last)
        levels = [_level(recipe, model.coarse, seed, _coarse(images, network), network.coarse)]
        for group, level in enumerate(network.fine):
            part = _fine(images, network, group)
            levels.append(_level(recipe, model.fine, stream(seed, "fine", group), part, level))
        return cls(recipe, images, network, levels, Patience(recipe.regularization.early_stopping))

    @property
    def finished(self) -> bool:
        """Whether the last epoch is done, or early stopping has ended the training."""
        return self.stopped or self.epoch >= self.recipe.epochs

    @property
    def evaluated(self) -> Hierarchical:
        """The levels as one network: the averaged ones where weights are averaged."""
        coarse, *fine = (level.evaluated for level in self.levels)
        return Hierarchical(self.network.groups, coarse, fine).to(self.images.train.device)

    def pretrain_epoch(self) -> bool:
        """No level is pre-trained: False."""
        return False

    def run_epoch(self) -> dict[str, float]:
        """Train every level for one epoch and validate; a loss that is not finite ends it at once.

        `train_loss` is the sum of the coarse level's mean loss and the fine levels' mean over their images, as the
        whole's cross-entropy is. The share of training images that the whole gets right is not measured.
        """
        started = time.perf_counter()
        rows: list[dict[str, float]] = []
        for level in self.levels:
            rows.append(level.run_epoch())
            if math.isnan(rows[-1]["train_loss"]):
                break
        trained = _combined(rows, [len(level.images.train) for level in self.levels])
        trained_s = time.perf_counter() - started
        held_out = self._held_out(diverged=math.isnan(trained["train_loss"]))
        self.epoch += 1
        self.stopped = self.patience.stops(self.epoch, held_out.get("val_accuracy"))
        return {
            **trained,
            **held_out,
            "lr": rows[0]["lr"],
            "seconds": time.perf_counter() - started,
            "images_per_s": sum(map(_images_per_epoch, self.levels)) / trained_s,
        }

    @torch.no_grad()
    def validate(self) -> tuple[Tally, dict[str, float]]:
        """Loss, hits and confusions of the validation images end to end, and the accuracies of the levels."""
        network, source, index = self.evaluated.eval(), self.images.source, self.images.validation
        tally, found = Tally.empty(index.device, self.recipe.data.shape.classes), []
        for batch in torch.split(index, BATCH):
            labels = source.labels[batch]
            with autocast(self.levels[0].precision, index.device):
                logits = mean_logits(lambda seen: network(source.scaling(seen)), source.taken(batch), self.recipe.tta)
            tally.add(cross_entropy(logits, labels), logits, labels)
            found.append(logits)
        accuracies = level_accuracies(network, torch.cat(found), source.labels[index])
        return tally, {f"val_{name}": value for name, value in accuracies.items()}

    def _held_out(self, diverged: bool) -> dict[str, float]:
        if len(self.images.validation) == 0:
            return {}
        if diverged:
            return dict.fromkeys(("val_loss", "val_accuracy", *LEVELS), math.nan)
        tally, accuracies = self.validate()
        self.confusion = tally.confusion
        loss, accuracy = tally.means()
        return {"val_loss": loss, "val_accuracy": accuracy, **accuracies}

    def save(self, folder: Path) -> None:
        """Write the state into `folder`; `network` is the whole, for whoever evaluates it. No weight is there twice.

        Once the training has finished that is all, as with one network.
        """
        state: dict[str, Any] = {
            "network": self.evaluated.state_dict(),
            "levels": [] if self.finished else [level.state_dict() for level in self.levels],
            "epoch": self.epoch,
            "stopped": self.stopped,
            "patience": self.patience.state_dict(),
            "scaling": asdict(self.images.source.scaling),
        }
        torch.save(state, folder / STATE)

    def restore(self, folder: Path) -> None:
        """Go on from what `save` wrote."""
        state = torch.load(folder / STATE, map_location=self.images.train.device, weights_only=True)
        self.patience.load_state_dict(state["patience"])
        self.epoch, self.stopped = state["epoch"], state["stopped"]
        if self.finished:
            self.evaluated.load_state_dict(state["network"])
            return
        for level, saved in zip(self.levels, state["levels"], strict=True):
            level.load_state_dict(saved)


def _level(recipe: Recipe, model: SingleNetwork, seed: int, images: TrainingSet, network: nn.Module) -> Trainer:
    """The trainer of one level, which has `images`, in batches of no more than there are."""
    assert isinstance(network, Network)
    whiten(network, images)
    size = min(recipe.images_per_step, len(images.train))
    own = recipe.model_copy(update={"model": model, "batch_size": size})
    return Trainer(
        recipe=own,
        seed=seed,
        images=images,
        network=network,
        optimizer=make_optimizer(own.optimizer, network, own.transfer.head_lr),
        objective=Objective(own),
        patience=Patience(own.regularization.early_stopping),
    )


def _coarse(images: TrainingSet, network: Hierarchical) -> TrainingSet:
    """All images, labelled by their group; the whole is validated, not the level."""
    source = replace(images.source, labels=network.group_of[images.source.labels])
    return replace(images, source=source, validation=images.validation[:0])


def _fine(images: TrainingSet, network: Hierarchical, group: int) -> TrainingSet:
    """The images of `group`, labelled by their place in it. Raises ValueError when these are fewer than two."""
    labels = images.source.labels
    train = images.train[network.group_of[labels[images.train]] == group]
    if len(train) < 2:
        members = ", ".join(map(str, network.groups[group]))
        raise ValueError(
            f"model.groups: only {len(train)} training images are of the classes {members}: a group needs 2 or more"
        )
    source = replace(images.source, labels=network.place[labels])
    return replace(images, source=source, train=train, validation=images.validation[:0])


def _combined(rows: list[dict[str, float]], sizes: list[int]) -> dict[str, float]:
    """The training figures of all levels, each of so many images; `rows` ends with a level that diverged, if any."""
    names = ("train_loss", "train_coarse_accuracy", "train_fine_accuracy")
    if math.isnan(rows[-1]["train_loss"]):
        return dict.fromkeys(names, math.nan)
    coarse, *fine = rows
    shares = [size / sum(sizes[1:]) for size in sizes[1:]]
    loss, accuracy = (
        sum(share * row[name] for share, row in zip(shares, fine, strict=True))
        for name in ("train_loss", "train_accuracy")
    )
    return dict(zip(names, (coarse["train_loss"] + loss, coarse["train_accuracy"], accuracy), strict=True))


def _images_per_epoch(level: Trainer) -> int:
    size = level.recipe.images_per_step
    return len(level.images.train) // size * size
