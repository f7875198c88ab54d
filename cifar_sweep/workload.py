"""What the engine finds: train, evaluate and what it asks before. Importing this module loads no torch."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cifar_sweep.recipe import AUTO, Recipe
from cifar_sweep.recipe.augment import Transforms
from cifar_sweep.recipe.transfer import weights_kind
from sweeps.workload import Exported, Predictions, Prepared, Run, Sharing, Site, Tuned, Unavailable

__all__ = [
    "chance",
    "cost",
    "evaluate",
    "evaluations",
    "export",
    "gpu_share",
    "predict",
    "prepare",
    "references",
    "scale",
    "smoke",
    "toggles",
    "train",
    "tune_batch",
    "tune_lr",
    "without_validation",
]

OPERATIONS = tuple(name for name, field in Transforms.model_fields.items() if field.default is None)
TOGGLES: Mapping[str, Mapping[str, Any]] = {
    "relu": {"model.activation": "identity"},
    "batch_norm": {"model.norm": "none"},
    "residual": {"model.residual": False},
    "attention": {"model.attention": "none"},
    "dropout": {"model.head.dropout": 0.0},
    "stochastic_depth": {"model.stochastic_depth": 0.0},
    "zero_init": {"model.zero_init": False},
    "whitening": {"model.whitening": False},
    "dirac_init": {"model.dirac_init": False},
    "head_batch_norm": {"model.head.batch_norm": False, "model.head.batch_norm_logits": False},
    "text": {"model.head.text": None},
    "crop": {"augment.crop": 0},
    "reflect": {"augment.crop_padding": "zero"},
    "flip": {"augment.flip": False},
    "alternating_flip": {"augment.flip": True},
    **{name: {f"augment.{name}": None} for name in OPERATIONS},
    "augmentation": {"augment.crop": 0, "augment.flip": False, **{f"augment.{name}": None for name in OPERATIONS}},
    "phases": {"augment.phases": []},
    "normalise": {"augment.normalise": False},
    "momentum": {"optimizer.momentum": 0.0, "optimizer.nesterov": False},
    "nesterov": {"optimizer.nesterov": False},
    "weight_decay": {"optimizer.weight_decay": 0.0},
    "norm_bias_lr": {"optimizer.norm_bias_lr": 1.0},
    "schedule": {"schedule.name": "constant"},
    "warmup": {"schedule.warmup_epochs": 0},
    "lookahead": {"regularization.lookahead": None},
    "label_smoothing": {"regularization.label_smoothing": 0.0},
    "grad_clip": {"regularization.grad_clip": None},
    "ema": {"regularization.ema": None},
    "early_stopping": {"regularization.early_stopping.patience": None},
    "tta": {"tta": "none"},
    "weights": {"transfer.weights": None},
    "freezing": {"transfer.freeze": None, "transfer.unfreeze": []},
    "head_lr": {"transfer.head_lr": 1.0},
    "unlabelled": {"data.unlabelled": None},
    "distillation": {"distillation": None},
    "pseudo_labels": {"pseudo_labels": None},
    "pretrain": {"pretrain": None},
}
SMOKE_MACS = 3 * 10**9  # per pass over the training images of a smoke run


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

    return dict(network_cost(recipe.model, recipe.data.shape, recipe.transfer))


def toggles() -> dict[str, dict[str, Any]]:
    """The parts that an ablation can name: part -> the settings, by dotted key, that take it away."""
    return {name: dict(edit) for name, edit in TOGGLES.items()}


def prepare(recipe: Recipe, site: Site) -> Prepared:
    """Find data and weights, or download them; settle what is auto; say what the data is. The test part stays closed.

    Raises Unavailable when something is not there, ValueError when it cannot be what the recipe says.
    """
    from cifar_sweep.data.cache import load_images
    from cifar_sweep.data.download import fetch
    from cifar_sweep.data.evaluation_sets import missing_collections
    from cifar_sweep.data.split import fingerprint, make_split
    from cifar_sweep.data.unlabelled import load_unlabelled
    from cifar_sweep.inference.precision import resolve_precision
    from cifar_sweep.techniques.distillation import require_teacher
    from cifar_sweep.training.initial import class_embeddings
    from cifar_sweep.transfer import require_weights
    from cifar_sweep.tune import auto_batch_size, settle_execution

    data, shape = recipe.data, recipe.data.shape
    fetch(data, site.data_dir)
    for missing in missing_collections(data, site.evaluate, site.data_dir):
        raise Unavailable(f"evaluate: {missing}")
    require_weights(recipe, site)
    require_teacher(recipe, site)
    class_embeddings(recipe, site.data_dir)
    images = load_images(data, site.data_dir, "train")
    split = make_split(data, images.labels, split_seed=0)
    if data.unlabelled is not None and data.unlabelled.path is not None:
        load_unlabelled(data, site.data_dir, images)
    settings: dict[str, Any] = {"precision": resolve_precision(recipe.precision, site.device)}
    if recipe.batch_size == AUTO:
        settings["batch_size"] = auto_batch_size(recipe, site)
    elif recipe.images_per_step > len(split.train):
        raise ValueError(f"batch_size is {recipe.batch_size} but there are only {len(split.train)} training images")
    execution = settle_execution(recipe.model_copy(update=settings), site)
    settings["execution"] = execution.way
    provenance = {
        "data": data.name,
        "fingerprint": fingerprint(images, shape.channels),
        "train_images": len(split.train),
        "validation_images": len(split.validation),
        "classes": shape.classes,
        "image_size": shape.size,
        "split_hash": split.hash,
    }
    if len(split.unlabelled):
        provenance["unlabelled_images"] = len(split.unlabelled)
    return Prepared(settings, provenance, [execution.note] if execution.note else [])


def references(recipe: Recipe) -> dict[str, str]:
    """The trials of other studies that the recipe learns from, by dotted key."""
    weights, how = recipe.transfer.weights, recipe.distillation
    found = {}
    if weights is not None and weights_kind(weights) == "trial":
        found["transfer.weights"] = weights
    if how is not None and how.teacher is not None:
        found["distillation.teacher"] = how.teacher
    return found


def without_validation(recipe: Recipe, epochs: Sequence[int]) -> dict[str, Any]:
    """What a final run, which holds nothing out, has in place of early stopping: the median of the runs' epochs."""
    if recipe.regularization.early_stopping.patience is None or not epochs:
        return {}
    key = "regularization.early_stopping"
    return {f"{key}.patience": None, f"{key}.stop_epoch": statistics.median_low(epochs)}


def evaluations(recipe: Recipe, entry: Any) -> list[str]:
    """The labels of the sets that an entry of `evaluate` stands for; opens no file.

    An entry is "corruptions", the name of one ("noise", "blur", "contrast", "jpeg", "brightness"), one severity of it
    ("noise:3"), or a mapping: `name` with `corruption` and `severity`, or `name` with `data` (the settings of another
    collection, whose test part is meant). Raises ValueError for anything else and for data of another shape.
    """
    from cifar_sweep.data.evaluation_sets import sets_of

    return [labelled.name for labelled in sets_of(recipe.data, entry)]


def evaluate(recipe: Recipe, run: Run, entries: Sequence[Any]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """Measure the network in `run.restored`: ("test", {"accuracy": percent, "loss": nats}), then each set of `entries`.

    Raises PermissionError, before a file is opened, unless the run may read the test part.
    """
    from cifar_sweep.inference.evaluate import evaluate_network

    yield from evaluate_network(recipe, run, entries)


def predict(recipe: Recipe, models: Sequence[Path], site: Site, source: Path, tta: str) -> Predictions:
    """The classes of the unlabelled images in `source`: a pickle, .npz, .npy or folder (`unlabelled.read_unlabelled`).

    The mean of the probabilities of `models`, folders of checkpoints, decides; `tta`:
    none, mirror, mirror_translate, or recipe for what the recipe has.
    """
    from cifar_sweep.inference.predict import predict_images

    return predict_images(recipe, models, site, source, tta)


def export(recipe: Recipe, model: Path, site: Site, form: str, folder: Path) -> Exported:
    """Write the network in the checkpoint folder `model` into `folder` and check that the file gives the same logits.

    `form`: safetensors, onnx, torchscript or torch.export.
    """
    from cifar_sweep.inference.export import export_network

    return export_network(recipe, model, site, form, folder)


def scale(recipe: Recipe, factor: float) -> dict[str, Any]:
    """The settings that multiply every width of the network by `factor`; empty where none can be."""
    return {f"model.{key}": value for key, value in recipe.model.scaled(factor).items()}


def chance(recipe: Recipe) -> dict[str, float]:
    """The figures of a network that guesses: accuracies in percent, losses in nats."""
    classes = recipe.data.shape.classes
    accuracy, loss = 100 / classes, math.log(classes)
    return {"train_accuracy": accuracy, "train_loss": loss, "val_accuracy": accuracy, "val_loss": loss}


def smoke(recipe: Recipe) -> dict[str, Any]:
    """Settings that shrink any recipe to seconds: one epoch on few images, fewer for a costly network; no downloads."""
    fewest = 2 * recipe.data.shape.classes if recipe.model.name == "hierarchical" else 8  # some of every group
    limit = max(fewest, min(512, SMOKE_MACS // max(1, cost(recipe)["macs"])))
    settings: dict[str, Any] = {
        "epochs": 1,
        "schedule.warmup_epochs": 0,
        "augment.phases": [],
        "batch_size": min(64, limit // 2),
        "data.train_limit": limit,
        "data.validation": min(16, limit),
    }
    if recipe.transfer.weights is not None and weights_kind(recipe.transfer.weights) == "torchvision":
        settings["transfer.weights"] = None
    if recipe.pretrain is not None:
        settings |= {"pretrain.epochs": 1, "pretrain.batch_size": min(64, limit // 2)}
    if recipe.pseudo_labels is not None:
        settings |= {"epochs": 2, "pseudo_labels.start_epoch": 1}
    return settings


def tune_batch(recipe: Recipe, site: Site) -> Tuned:
    """The largest batch that trains on the device, and how fast batches are."""
    from cifar_sweep.tune.found import tune_batch as look

    return look(recipe, site)


def tune_lr(recipe: Recipe, site: Site) -> Tuned:
    """A learning rate to start from, by a range test on the training images."""
    from cifar_sweep.tune.found import tune_lr as look

    return look(recipe, site)


def gpu_share(recipe: Recipe, site: Site, most: int) -> Sharing:
    """How many trials like `recipe` do the most together on one GPU, up to `most`, found by training copies of it."""
    from cifar_sweep.tune import gpu_share as look

    return look(recipe, site, most)
