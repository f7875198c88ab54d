"""Measure a trained network on the sealed test set and on other labelled sets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from cifar_sweep.augment import Source
from cifar_sweep.data.classes import names_of
from cifar_sweep.data.corruptions import corrupt
from cifar_sweep.data.evaluation_sets import TEST, Corrupted, LabelledSet, labelled_sets, require_known_classes
from cifar_sweep.data.formats import Images
from cifar_sweep.data.split import load_test
from cifar_sweep.inference.metrics import tally_images
from cifar_sweep.inference.trained import Trained
from cifar_sweep.models.architectures.hierarchical import Hierarchical, level_accuracies
from cifar_sweep.recipe import DataRecipe, Recipe
from cifar_sweep.recipe.data import Fit
from sweeps.workload import Run


def evaluate_network(recipe: Recipe, run: Run, entries: Sequence[Any]) -> Iterator[tuple[str, dict[str, float]]]:
    """Measure the network in `run.restored` on the test set, then on the sets of `entries`.

    Confusions are recorded for the test set and for other collections, not for corruptions.

    Args:
        recipe: The recipe that the network was trained by.
        run: A run with access to the test part and a restored checkpoint.
        entries: Entries of a study's `evaluate`.

    Yields:
        The set's name ("test" first) and its `accuracy` in percent and `loss` in nats; for a hierarchical network also
        the accuracy of each level.

    Raises:
        PermissionError: The run may not read the test part; raised before any file is opened.
        ValueError: There is no checkpoint, an entry is wrong, or a set's images do not match the network.
        Unavailable: The files of a set are missing.
    """
    run.require("test")
    sets, channels = labelled_sets(recipe.data, entries), recipe.data.shape.channels
    if run.restored is None:
        raise ValueError("there is no checkpoint to evaluate: train first")
    if run.device == "cpu":
        torch.set_num_threads(1)
    try:
        trained = Trained.load(recipe, run.restored, torch.device(run.device))
        # The test set is opened last: if anything else is missing, it stays closed.
        collections, names = _load_collections(sets, recipe.data, run), names_of(recipe.data, run.data_dir)
        test = load_test(recipe.data, run)
        yield TEST, _measured(trained, test, ConfusionRecord(run, TEST, names))
        for labelled in sets:
            if isinstance(labelled.source, Corrupted):
                yield labelled.name, _measured(trained, _corrupted(test, labelled.source, channels))
            else:
                record = ConfusionRecord(run, labelled.name, names)
                yield labelled.name, _measured(trained, collections[labelled.name], record)
    finally:
        if run.device == "cuda":
            torch.cuda.empty_cache()  # the process may wait for its next trial while others share the device


@dataclass(frozen=True)
class ConfusionRecord:
    """Where the confusions of a labelled set are recorded.

    Attributes:
        run: The run whose folder takes them.
        set_name: The set's name.
        names: (classes,) names of the classes.
    """

    run: Run
    set_name: str
    names: tuple[str, ...]

    def write(self, confusion: Tensor) -> None:
        """Record the counts (classes, classes)."""
        self.run.record_confusion(self.set_name, self.names, confusion.tolist())


def _measured(trained: Trained, images: Images, record: ConfusionRecord | None = None) -> dict[str, float]:
    """Return accuracy in percent and mean loss over all images, and the accuracy of each level of a hierarchy."""
    pixels, labels = (torch.from_numpy(array).to(trained.device) for array in (images.pixels, images.labels))
    index = torch.arange(len(labels), device=trained.device)
    source, classes = Source(pixels, labels, trained.scaling, images.fit), len(record.names) if record else 0
    tally = tally_images(trained.network, source, index, trained.precision, classes, trained.tta)
    if record is not None and tally.confusion is not None:
        record.write(tally.confusion)
    loss, accuracy = tally.means()
    return {"accuracy": accuracy, "loss": loss, **_level_accuracies(trained, pixels, labels, images.fit)}


def _level_accuracies(trained: Trained, pixels: Tensor, labels: Tensor, fit: Fit | None) -> dict[str, float]:
    if not isinstance(trained.network, Hierarchical):
        return {}
    return level_accuracies(trained.network, trained.logits(pixels, trained.tta, fit), labels)


def _corrupted(test: Images, corruption: Corrupted, channels: int) -> Images:
    pixels = corrupt(test.pixels[..., :channels], corruption.kind, corruption.severity)
    return Images(pixels, test.labels, test.fit)


def _load_collections(sets: list[LabelledSet], trained_on: DataRecipe, run: Run) -> dict[str, Images]:
    """Return the images of the sets that are collections of their own, by the set's name."""
    collections = {}
    for labelled in sets:
        if isinstance(labelled.source, DataRecipe):
            require_known_classes(labelled, trained_on, run.data_dir)
            collections[labelled.name] = load_test(labelled.source, run)
    return collections
