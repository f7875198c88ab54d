"""The capabilities that the engine calls: train, evaluate, and what comes before and after.

Importing this module loads no torch, which takes seconds: the functions that need it import it themselves.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cifar_sweep.recipe import Recipe
from cifar_sweep.recipe.toggles import TOGGLES
from cifar_sweep.recipe.transfer import weights_kind
from sweeps.workload import (
    DataFiles,
    DuplicatePolicy,
    Exported,
    ImageHashes,
    Predictions,
    Prepared,
    Run,
    Sharing,
    Site,
    Tuned,
)

if TYPE_CHECKING:
    import numpy as np

__all__ = [
    "chance",
    "check_test_data",
    "confirm_duplicates",
    "cost",
    "data_files",
    "duplicate_policy",
    "evaluate",
    "evaluations",
    "export",
    "fetch_data",
    "gpu_share",
    "image_hashes",
    "predict",
    "prepare",
    "references",
    "scale",
    "smoke",
    "thumbnails",
    "toggles",
    "train",
    "tune_batch",
    "tune_lr",
    "without_validation",
]

SMOKE_MACS = 3 * 10**9  # per pass over the training images of a smoke run


def train(recipe: Recipe, run: Run) -> Iterator[Mapping[str, float]]:
    """Train a run, continuing from `run.restored` if there is one, and hand over its state after each epoch.

    Yields:
        Per epoch `train_loss`, `train_accuracy`, `val_loss`, `val_accuracy`, `lr`, `seconds` and `images_per_s`, with
        accuracies in percent. A final run trains on the validation images too and has no `val_` figures. On a GPU also
        `gpu_memory_mib`, the most memory that the trial's tensors have taken.
    """
    from cifar_sweep.inference.precision import backends
    from cifar_sweep.train import train_network

    with backends(recipe, run.device, training=True):
        yield from train_network(recipe, run)


def cost(recipe: Recipe) -> dict[str, int]:
    """Return `parameters`, `trainable_parameters` and `macs` per image, from the settings alone.

    Raises:
        ValueError: The images are too small for the network.
    """
    from cifar_sweep.cost import network_cost

    return dict(network_cost(recipe.model, recipe.data.shape, recipe.transfer))


def toggles() -> dict[str, dict[str, Any]]:
    """Return the parts that an ablation can name, each with the settings, by dotted key, that remove it."""
    return {name: dict(edit) for name, edit in TOGGLES.items()}


def prepare(recipe: Recipe, site: Site) -> Prepared:
    """Find or download data and weights, settle what is auto, and describe the data. The test part is not read.

    Raises:
        Unavailable: Data, weights or the teacher are missing.
        ValueError: They do not fit the recipe.
    """
    from cifar_sweep.tune.prepare import prepare_study

    return prepare_study(recipe, site)


def data_files(recipe: Recipe, site: Site) -> DataFiles:
    """Return the files of the recipe's data, each compared with its published checksum."""
    from cifar_sweep.data.formats.checksums import data_files

    return data_files(recipe.data, site.data_dir)


def fetch_data(recipe: Recipe, site: Site) -> None:
    """Download the official files of the recipe's data, unless their folder exists.

    Raises:
        Unavailable: The download failed, or nothing can be written there.
    """
    from cifar_sweep.data.download import fetch

    fetch(recipe.data, site.data_dir)


def check_test_data(recipe: Recipe, site: Site) -> list[str]:
    """Check the test part and the collections of `site.evaluate` without reading a pixel of them.

    Returns:
        How many files are not read, a sentence for each set.

    Raises:
        Unavailable: Files are missing.
        ValueError: Shapes, types, class names or labels are not as described.
    """
    from cifar_sweep.data.sealed import check_test_data

    return check_test_data(recipe.data, site.evaluate, site.data_dir)


def image_hashes(recipe: Recipe, site: Site) -> dict[str, ImageHashes]:
    """Return the hashes of the images of "train", "test", "unlabelled" and the collections of `site.evaluate`.

    Test images are decoded for it, but nothing of them leaves it except these hashes.

    Raises:
        ValueError: Images cannot be read.
    """
    from cifar_sweep.data.duplicates.groups import image_hashes

    return image_hashes(recipe.data, site.evaluate, site.data_dir)


def confirm_duplicates(
    recipe: Recipe, site: Site, pairs: Mapping[tuple[str, str], np.ndarray]
) -> dict[tuple[str, str], np.ndarray]:
    """Return which candidate pairs (M, 2) of two parts are near duplicates by their pixels, (M,) bool each."""
    from cifar_sweep.data.duplicates.groups import confirm_duplicates

    return confirm_duplicates(recipe.data, site.evaluate, site.data_dir, pairs)


def duplicate_policy(recipe: Recipe) -> DuplicatePolicy:
    """Return what `data.duplicates` says; a study begun before it existed trains on all its images."""
    choice = recipe.data.duplicates
    return DuplicatePolicy(choice or "keep", "data.duplicates", together=choice is not None)


def references(recipe: Recipe) -> dict[str, str]:
    """Return the trials of other studies that the recipe learns from, by dotted key."""
    weights, distillation = recipe.transfer.weights, recipe.distillation
    trials = {}
    if weights is not None and weights_kind(weights) == "trial":
        trials["transfer.weights"] = weights
    if distillation is not None and distillation.teacher is not None:
        trials["distillation.teacher"] = distillation.teacher
    return trials


def without_validation(recipe: Recipe, epochs: Sequence[int]) -> dict[str, Any]:
    """Return the settings that replace early stopping in a final run, which holds no images out.

    Args:
        recipe: The recipe.
        epochs: The epochs for which its earlier runs trained; their median becomes `stop_epoch`.

    Returns:
        Settings by dotted key; empty where the recipe does not stop early.
    """
    if recipe.regularization.early_stopping.patience is None or not epochs:
        return {}
    key = "regularization.early_stopping"
    return {f"{key}.patience": None, f"{key}.stop_epoch": statistics.median_low(epochs)}


def evaluations(recipe: Recipe, entry: Any) -> list[str]:
    """Return the names of the labelled sets that an entry of `evaluate` stands for. No file is opened.

    Args:
        recipe: The recipe; its data must have the shape of the set's.
        entry: "corruptions", the name of one ("noise", "blur", "contrast", "jpeg", "brightness"), one severity of it
            ("noise:3"), or a mapping: `name` with `corruption` and `severity`, or `name` with `data` (the settings of
            another collection, of which the test part is used).

    Raises:
        ValueError: The entry is none of these, or its data has another shape.
    """
    from cifar_sweep.data.evaluation_sets import sets_of

    return [labelled.name for labelled in sets_of(recipe.data, entry)]


def evaluate(recipe: Recipe, run: Run, entries: Sequence[Any]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """Measure the network in `run.restored` on the test set ("test"), then on the sets of `entries`.

    Yields:
        The set's name and its `accuracy` in percent and `loss` in nats.

    Raises:
        PermissionError: The run may not read the test part; raised before any file is opened.
    """
    from cifar_sweep.inference.evaluate import evaluate_network
    from cifar_sweep.inference.precision import backends

    with backends(recipe, run.device, training=False):
        yield from evaluate_network(recipe, run, entries)


def thumbnails(recipe: Recipe, site: Site, set_name: str, indices: Sequence[int]) -> Any:
    """Return images of a labelled set by index, (N, size, size, 3) uint8, for the report."""
    from cifar_sweep.inference.thumbnails import thumbnails as images

    return images(recipe.data, site, set_name, indices)


def predict(recipe: Recipe, models: Sequence[Path], site: Site, source: Path, tta: str) -> Predictions:
    """Predict the classes of the unlabelled images in `source`.

    Args:
        recipe: The recipe that the networks were trained by.
        models: Checkpoint folders; the mean of the networks' probabilities decides.
        site: The device and the folder of the data.
        source: A pickle, .npz, .npy or folder (see `unlabelled.read_unlabelled`).
        tta: none, mirror, mirror_translate, or recipe for the recipe's own.
    """
    from cifar_sweep.inference.precision import backends
    from cifar_sweep.inference.predict import predict_images

    with backends(recipe, site.device, training=False):
        return predict_images(recipe, models, site, source, tta)


def export(recipe: Recipe, model: Path, site: Site, form: str, folder: Path) -> Exported:
    """Write a trained network into `folder`, and check that the file gives the same logits.

    Args:
        recipe: The recipe that the network was trained by.
        model: A checkpoint folder.
        site: The folder of the data.
        form: safetensors, onnx, torchscript or torch.export.
        folder: Where the file is written.
    """
    from cifar_sweep.inference.export import export_network

    return export_network(recipe, model, site, form, folder)


def scale(recipe: Recipe, factor: float) -> dict[str, Any]:
    """Return the settings that multiply every width of the network by `factor`; empty where it has none to scale."""
    return {f"model.{key}": value for key, value in recipe.model.scaled(factor).items()}


def chance(recipe: Recipe) -> dict[str, float]:
    """Return the figures of a network that guesses: accuracies in percent, losses in nats."""
    classes = recipe.data.shape.classes
    accuracy, loss = 100 / classes, math.log(classes)
    return {"train_accuracy": accuracy, "train_loss": loss, "val_accuracy": accuracy, "val_loss": loss}


def percentages() -> list[str]:
    """Return the metrics that are in percent: every accuracy."""
    return ["accuracy"]


def smoke(recipe: Recipe) -> dict[str, Any]:
    """Return settings that shrink any recipe to seconds: one epoch on few images, fewer for a costly network.

    Weights of torchvision are left out, so that nothing is downloaded.
    """
    # A hierarchical model needs images of every group.
    fewest = 2 * recipe.data.shape.classes if recipe.model.name == "hierarchical" else 8
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
        # A second epoch, which trains on the labels given after the first.
        settings |= {"epochs": 2, "pseudo_labels.start_epoch": 1}
    return settings


def tune_batch(recipe: Recipe, site: Site) -> Tuned:
    """Find the largest batch that trains on the device, and how fast batches are."""
    from cifar_sweep.inference.precision import backends
    from cifar_sweep.tune import results

    with backends(recipe, site.device, training=True):
        return results.tune_batch(recipe, site)


def tune_lr(recipe: Recipe, site: Site) -> Tuned:
    """Find a learning rate to start from, by a range test on the training images."""
    from cifar_sweep.inference.precision import backends
    from cifar_sweep.tune import results

    with backends(recipe, site.device, training=True):
        return results.tune_lr(recipe, site)


def gpu_share(recipe: Recipe, site: Site, most: int) -> Sharing:
    """Find how many trials like `recipe`, up to `most`, do the most together on one GPU, by training copies of it."""
    from cifar_sweep.tune import sharing

    return sharing.gpu_share(recipe, site, most)
