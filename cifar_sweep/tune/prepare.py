"""Prepare a study: check that data and weights are there, settle the settings that are auto, describe the data."""

from __future__ import annotations

from typing import Any

from cifar_sweep.data.cache import load_images
from cifar_sweep.data.download import fetch
from cifar_sweep.data.duplicates.groups import duplicates_of
from cifar_sweep.data.formats import Images, check_part, part_notes
from cifar_sweep.data.split import Split, fingerprint, make_split
from cifar_sweep.data.unlabelled import Unlabelled, load_unlabelled
from cifar_sweep.inference.precision import resolve_precision
from cifar_sweep.models.recipes.hierarchical import HierarchicalRecipe
from cifar_sweep.recipe import AUTO, Recipe
from cifar_sweep.recipe.data import READING, SHAPES
from cifar_sweep.techniques.distillation import require_teacher
from cifar_sweep.training.initial import class_embeddings
from cifar_sweep.transfer import require_weights
from cifar_sweep.tune.batch_size.auto_batch import settle_batch_size
from cifar_sweep.tune.execution import settle_execution
from sweeps.workload import Prepared, Site


def prepare_study(recipe: Recipe, site: Site) -> Prepared:
    """Prepare a study for the recipe of its baseline. The test part is read only where
    `data.duplicates` is drop, to find its duplicates.

    Args:
        recipe: The baseline's recipe.
        site: The device, the folder of the data, and what else the study will need.

    Returns:
        `precision`, `execution` and, where it is auto, `batch_size` for this device; on a GPU `cudnn_benchmark`;
        `data.duplicates`; `data.reading` where training decodes image files; a description of the data; and how the
        execution was chosen.

    Raises:
        Unavailable: Data, weights or the teacher are missing and cannot be downloaded.
        ValueError: They do not fit the recipe.
    """
    given = recipe.data
    recipe = recipe if site.begun else with_settled_data(recipe)
    images, split, unlabelled = _require_inputs(recipe, site)
    settings: dict[str, Any] = {"precision": resolve_precision(recipe.precision, site.device)}
    if site.device == "cuda" and recipe.cudnn_benchmark is None:
        settings["cudnn_benchmark"] = not isinstance(recipe.model, HierarchicalRecipe)
    if recipe.batch_size == AUTO:
        settings["batch_size"] = settle_batch_size(recipe, site)
    elif recipe.images_per_step > len(split.train):
        raise ValueError(f"batch_size is {recipe.batch_size} but there are only {len(split.train)} training images")
    # Last: ways of execution are timed with the batch size and the precision of the trials.
    execution = settle_execution(recipe.model_copy(update=settings), site)
    settings["execution"] = execution.way
    for key in ("reading", "duplicates"):
        if getattr(recipe.data, key) != getattr(given, key):
            settings[f"data.{key}"] = getattr(recipe.data, key)
    notes = [execution.note] if execution.note else []
    data_notes = [*part_notes(recipe.data, site.data_dir, "train"), *(unlabelled.notes if unlabelled else ())]
    return Prepared(settings, _provenance(recipe, images, split), notes, data_notes)


def with_settled_data(recipe: Recipe) -> Recipe:
    """Return the recipe with what a study settles about its data at its beginning, where it does not say so itself.

    These are the newest version of `data.reading`, where it reads image files, and `data.duplicates`.
    """
    settings: dict[str, Any] = {}
    if recipe.data.reading is None and recipe.data.reads_files:
        settings["reading"] = READING
    if recipe.data.duplicates is None:
        settings["duplicates"] = "keep" if recipe.data.name in SHAPES else "refuse"
    return recipe.model_copy(update={"data": recipe.data.model_copy(update=settings)}) if settings else recipe


def _require_inputs(recipe: Recipe, site: Site) -> tuple[Images, Split, Unlabelled | None]:
    """Find or download all that training will need; return the training part, its split and the unlabelled images."""
    data = recipe.data
    fetch(data, site.data_dir)
    require_weights(recipe, site)
    require_teacher(recipe, site)
    class_embeddings(recipe, site.data_dir)
    check_part(data, site.data_dir, "train")  # also what the cache does not depend on, such as a class without images
    images = load_images(data, site.data_dir, "train")
    split = make_split(data, images.labels, 0, duplicates_of(data, site.data_dir))
    if data.unlabelled is None or data.unlabelled.path is None:
        return images, split, None
    return images, split, load_unlabelled(data, site.data_dir, images)


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
    if recipe.data.reads_files:
        provenance["reading"] = recipe.data.reading_version
    if len(split.unlabelled):
        provenance["unlabelled_images"] = len(split.unlabelled)
    return provenance
