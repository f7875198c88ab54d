"""Prepare a study: check that data and weights are there, settle the settings that are auto, describe the data."""

from __future__ import annotations

from typing import Any

from cifar_sweep.data.cache import load_images
from cifar_sweep.data.download import fetch
from cifar_sweep.data.evaluation_sets import missing_collections
from cifar_sweep.data.formats import Images
from cifar_sweep.data.split import Split, fingerprint, make_split
from cifar_sweep.data.unlabelled import load_unlabelled
from cifar_sweep.inference.precision import resolve_precision
from cifar_sweep.recipe import AUTO, Recipe
from cifar_sweep.techniques.distillation import require_teacher
from cifar_sweep.training.initial import class_embeddings
from cifar_sweep.transfer import require_weights
from cifar_sweep.tune.batch import auto_batch_size
from cifar_sweep.tune.execution import settle_execution
from sweeps.workload import Prepared, Site, Unavailable


def prepare_study(recipe: Recipe, site: Site) -> Prepared:
    """Prepare a study for the recipe of its baseline. The test part is not read.

    Args:
        recipe: The baseline's recipe.
        site: The device, the folder of the data, and what else the study will need.

    Returns:
        `precision`, `execution` and, where it is auto, `batch_size` for this device; a description of the data; and
        how the execution was chosen.

    Raises:
        Unavailable: Data, weights, the teacher or an evaluation set are missing and cannot be downloaded.
        ValueError: They do not fit the recipe.
    """
    images, split = _require_inputs(recipe, site)
    settings: dict[str, Any] = {"precision": resolve_precision(recipe.precision, site.device)}
    if recipe.batch_size == AUTO:
        settings["batch_size"] = auto_batch_size(recipe, site)
    elif recipe.images_per_step > len(split.train):
        raise ValueError(f"batch_size is {recipe.batch_size} but there are only {len(split.train)} training images")
    # Last: ways of execution are timed with the batch size and the precision of the trials.
    execution = settle_execution(recipe.model_copy(update=settings), site)
    settings["execution"] = execution.way
    return Prepared(settings, _provenance(recipe, images, split), [execution.note] if execution.note else [])


def _require_inputs(recipe: Recipe, site: Site) -> tuple[Images, Split]:
    """Find or download all that training and evaluation will need; return the training part and its split."""
    data = recipe.data
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
    return images, split


def _provenance(recipe: Recipe, images: Images, split: Split) -> dict[str, Any]:
    """Return what identifies the data and its split, for the study's record."""
    shape = recipe.data.shape
    provenance = {
        "data": recipe.data.name,
        "fingerprint": fingerprint(images, shape.channels),
        "train_images": len(split.train),
        "validation_images": len(split.validation),
        "classes": shape.classes,
        "image_size": shape.size,
        "split_hash": split.hash,
    }
    if len(split.unlabelled):
        provenance["unlabelled_images"] = len(split.unlabelled)
    return provenance
