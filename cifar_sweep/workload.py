"""What the engine finds: train, evaluate and what it asks before. Importing this module loads no torch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cifar_sweep.recipe import Recipe
from sweeps.workload import Prepared, Run, Site

__all__ = ["chance", "cost", "evaluate", "evaluations", "prepare", "scale", "smoke", "toggles", "train"]

TOGGLES: Mapping[str, Mapping[str, Any]] = {
    "relu": {"model.activation": "identity"},
    "batch_norm": {"model.norm": "none"},
    "residual": {"model.residual": False},
    "dropout": {"model.head.dropout": 0.0},
    "zero_init": {"model.zero_init": False},
    "crop": {"augment.crop": 0},
    "flip": {"augment.flip": False},
    "augmentation": {"augment.crop": 0, "augment.flip": False},
    "normalise": {"augment.normalise": False},
    "momentum": {"optimizer.momentum": 0.0, "optimizer.nesterov": False},
    "nesterov": {"optimizer.nesterov": False},
    "weight_decay": {"optimizer.weight_decay": 0.0},
    "schedule": {"schedule.name": "constant"},
    "warmup": {"schedule.warmup_epochs": 0},
    "label_smoothing": {"regularization.label_smoothing": 0.0},
    "grad_clip": {"regularization.grad_clip": None},
}


def train(recipe: Recipe, run: Run) -> Iterator[Mapping[str, float]]:
    """Train, yielding per epoch: train_loss, train_accuracy, val_loss, val_accuracy, lr, seconds, images_per_s.

    Accuracies are percentages. Saves a checkpoint after each epoch, and goes on from `run.restored`. A final run trains
    on the validation images too and yields no `val_` figure.
    """
    from cifar_sweep.train import train_network

    yield from train_network(recipe, run)


def cost(recipe: Recipe) -> dict[str, int]:
    """`parameters`, `trainable_parameters` and `macs` per image, from the settings alone.

    Raises ValueError when the images are too small for the network.
    """
    from cifar_sweep.cost import network_cost

    return dict(network_cost(recipe.model, recipe.data.shape))


def toggles() -> dict[str, dict[str, Any]]:
    """The parts that an ablation can name: part -> the settings, by dotted key, that take it away."""
    return {name: dict(edit) for name, edit in TOGGLES.items()}


def prepare(recipe: Recipe, site: Site) -> Prepared:
    """Find the data, or download it; settle the precision; say what the data is. The test part stays closed.

    Raises Unavailable when the data is not there, ValueError when it cannot be what the recipe says.
    """
    from cifar_sweep.cache import load_images
    from cifar_sweep.data import fingerprint, make_split
    from cifar_sweep.download import fetch
    from cifar_sweep.precision import resolve_precision

    data, shape = recipe.data, recipe.data.shape
    if data.name in ("cifar10", "cifar100"):
        fetch(data, site.data_dir)
    images = load_images(data, site.data_dir, "train")
    split = make_split(data, images.labels, split_seed=0)
    if recipe.batch_size > len(split.train):
        raise ValueError(f"batch_size is {recipe.batch_size} but there are only {len(split.train)} training images")
    provenance = {
        "data": data.name,
        "fingerprint": fingerprint(images, shape.channels),
        "train_images": len(split.train),
        "validation_images": len(split.validation),
        "classes": shape.classes,
        "image_size": shape.size,
        "split_hash": split.hash,
    }
    return Prepared(settings={"precision": resolve_precision(recipe.precision, site.device)}, provenance=provenance)


def evaluations(recipe: Recipe, entry: Any) -> list[str]:
    """The labels of the sets that an entry of `evaluate` stands for; opens no file.

    An entry is "corruptions", the name of one ("noise", "blur", "contrast", "jpeg", "brightness"), one severity of it
    ("noise:3"), or a mapping: `name` with `corruption` and `severity`, or `name` with `data` (the settings of another
    collection, whose test part is meant). Raises ValueError for anything else and for data of another shape.
    """
    from cifar_sweep.labelled import sets_of

    return [labelled.name for labelled in sets_of(recipe.data, entry)]


def evaluate(recipe: Recipe, run: Run, entries: Sequence[Any]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """Measure the network in `run.restored`: ("test", {"accuracy": percent, "loss": nats}), then each set of `entries`.

    Raises PermissionError, before a file is opened, unless the run may read the test part.
    """
    from cifar_sweep.evaluate import evaluate_network

    yield from evaluate_network(recipe, run, entries)


def scale(recipe: Recipe, factor: float) -> dict[str, Any]:
    """The settings that multiply every stage's width by `factor`, rounded, at least 1."""
    return {"model.widths": [max(1, round(width * factor)) for width in recipe.model.widths]}


def chance(recipe: Recipe) -> dict[str, float]:
    """The figures of a network that guesses: accuracies in percent, losses in nats."""
    classes = recipe.data.shape.classes
    accuracy, loss = 100 / classes, math.log(classes)
    return {"train_accuracy": accuracy, "train_loss": loss, "val_accuracy": accuracy, "val_loss": loss}


def smoke() -> dict[str, Any]:
    """Settings that shrink any recipe to seconds: one epoch on few images."""
    return {
        "epochs": 1,
        "schedule.warmup_epochs": 0,
        "batch_size": 64,
        "data.train_limit": 512,
        "data.validation": 0.02,
    }
