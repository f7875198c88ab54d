"""A trained network on the sealed test set and on further labelled sets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch

from cifar_sweep.augment import Source
from cifar_sweep.corruptions import corrupt
from cifar_sweep.data import load_test
from cifar_sweep.formats import Images, class_names
from cifar_sweep.labelled import TEST, Corrupted, LabelledSet, labelled_sets
from cifar_sweep.measure import measure
from cifar_sweep.recipe import DataRecipe, Recipe
from cifar_sweep.trained import Trained
from sweeps.workload import Run


def evaluate_network(recipe: Recipe, run: Run, entries: Sequence[Any]) -> Iterator[tuple[str, dict[str, float]]]:
    """Measure the network in `run.restored`: ("test", {"accuracy": percent, "loss": nats}), then each set of `entries`.

    The test set is opened last, when everything else has been found. Raises PermissionError, before a file is opened,
    unless the run may read the test part; ValueError without a checkpoint, for a wrong entry or images that do not
    match; else as `cache.load_images` does.
    """
    run.require("test")
    sets, channels = labelled_sets(recipe.data, entries), recipe.data.shape.channels
    if run.restored is None:
        raise ValueError("there is no checkpoint to evaluate: train first")
    if run.device == "cpu":
        torch.set_num_threads(1)
    try:
        trained = Trained.load(recipe, run.restored, torch.device(run.device))
        collections = _collections(sets, recipe.data, run)
        test = load_test(recipe.data, run)
        yield TEST, _measured(trained, test)
        for each in sets:
            source = each.source
            images = _corrupted(test, source, channels) if isinstance(source, Corrupted) else collections[each.name]
            yield each.name, _measured(trained, images)
    finally:
        if run.device == "cuda":
            torch.cuda.empty_cache()  # the process may wait for its next trial while others share the device


def _measured(trained: Trained, images: Images) -> dict[str, float]:
    """The accuracy in percent and the mean loss over all of `images`."""
    pixels, labels = (torch.from_numpy(array).to(trained.device) for array in (images.pixels, images.labels))
    index = torch.arange(len(labels), device=trained.device)
    loss, accuracy = measure(trained.network, Source(pixels, labels, trained.scaling), index, trained.precision)
    return {"accuracy": accuracy, "loss": loss}


def _corrupted(test: Images, how: Corrupted, channels: int) -> Images:
    return Images(corrupt(test.pixels[..., :channels], how.kind, how.severity), test.labels)


def _collections(sets: list[LabelledSet], trained_on: DataRecipe, run: Run) -> dict[str, Images]:
    """The images of those of `sets` that are collections of their own, by name."""
    ours, found = class_names(trained_on, run.data_dir, "train"), {}
    for each in sets:
        if isinstance(each.source, DataRecipe):
            theirs = class_names(each.source, run.data_dir, "test")
            if ours and theirs and ours != theirs:
                names = f"{', '.join(ours)} but the set has {', '.join(theirs)}"
                raise ValueError(f"{each.name}: the network knows {names}")
            found[each.name] = load_test(each.source, run)
    return found
