"""Measure a trained network on the sealed test set and on other labelled sets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cifar_sweep.augment import Source
from cifar_sweep.data.classes import names_of
from cifar_sweep.data.corruptions import corrupt
from cifar_sweep.data.evaluation_sets import TEST, Corrupted, LabelledSet, labelled_sets, require_known_classes
from cifar_sweep.data.formats import Images
from cifar_sweep.data.split import load_test
from cifar_sweep.device.occupied import occupying
from cifar_sweep.inference.image_predictions import PredictionLog
from cifar_sweep.inference.metrics import Tally, tally_images
from cifar_sweep.inference.trained import Trained
from cifar_sweep.models.architectures.hierarchical import Hierarchical, level_accuracies
from cifar_sweep.recipe import DataRecipe, Recipe
from cifar_sweep.recipe.data import Fit
from sweeps.workload import Run


def evaluate_network(recipe: Recipe, run: Run, entries: Sequence[Any]) -> Iterator[tuple[str, dict[str, float]]]:
    """Measure the network in `run.restored` on the test set, then on the sets of `entries`.

    Confusions are recorded for the test set and for other collections, not for corruptions. Predictions and logits,
    where the run keeps them, are recorded for every set.

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
        OutOfMemory: The images and the network do not fit the device.
        DeviceLost: The device failed, and this process can never use it again.
    """
    run.require("test")
    sets = labelled_sets(recipe.data, entries)
    if run.restored is None:
        raise ValueError("there is no checkpoint to evaluate: train first")
    if run.device == "cpu":
        torch.set_num_threads(1)
    yield from occupying(run.device, _measured_sets(recipe, run, run.restored, sets))


def _measured_sets(
    recipe: Recipe, run: Run, checkpoint: Path, sets: Sequence[LabelledSet]
) -> Iterator[tuple[str, dict[str, float]]]:
    """Yield the name and the metrics of the test set, then of `sets`, for the network in `checkpoint`."""
    trained = Trained.load(recipe, checkpoint, torch.device(run.device))
    # The test set is opened last: if anything else is missing, it stays closed.
    collections, names = _load_collections(sets, recipe.data, run), names_of(recipe.data, run.data_dir)
    test = load_test(recipe.data, run)
    yield TEST, _measured(trained, test, SetRecord(run, TEST, names))
    for labelled in sets:
        if isinstance(labelled.source, Corrupted):
            images = _corrupted(test, labelled.source, recipe.data.shape.channels)
            record = SetRecord(run, labelled.name)
        else:
            images, record = collections[labelled.name], SetRecord(run, labelled.name, names)
        yield labelled.name, _measured(trained, images, record)


@dataclass(frozen=True)
class SetRecord:
    """What is recorded of a labelled set, beside its metrics.

    Attributes:
        run: The run whose folder takes it.
        set_name: The set's name.
        names: (classes,) names of the classes; empty where confusions are not recorded.
    """

    run: Run
    set_name: str
    names: tuple[str, ...] = ()

    def empty_log(self) -> PredictionLog | None:
        """Return the log of the predictions; None where the run keeps none."""
        return PredictionLog(keeps_logits=True) if self.run.keeps_predictions else None

    def write(self, tally: Tally, index: Tensor) -> None:
        """Record the confusions and predictions of the images `index` (N,) of the set."""
        if tally.confusion is not None:
            self.run.record_confusion(self.set_name, self.names, tally.confusion.tolist())
        if tally.predictions is not None:
            tally.predictions.record(self.run, self.set_name, index)


def _measured(trained: Trained, images: Images, record: SetRecord) -> dict[str, float]:
    """Return accuracy in percent and mean loss over all images, and the accuracy of each level of a hierarchy."""
    pixels, labels = (torch.from_numpy(array).to(trained.device) for array in (images.pixels, images.labels))
    index = torch.arange(len(labels), device=trained.device)
    source, log = Source(pixels, labels, trained.scaling, images.fit), record.empty_log()
    tally = tally_images(trained.network, source, index, trained.precision, len(record.names), trained.tta, log)
    record.write(tally, index)
    loss, accuracy = tally.means()
    return {"accuracy": accuracy, "loss": loss, **_level_accuracies(trained, pixels, labels, images.fit)}


def _level_accuracies(trained: Trained, pixels: Tensor, labels: Tensor, fit: Fit | None) -> dict[str, float]:
    if not isinstance(trained.network, Hierarchical):
        return {}
    return level_accuracies(trained.network, trained.logits(pixels, trained.tta, fit), labels)


def _corrupted(test: Images, corruption: Corrupted, channels: int) -> Images:
    pixels = corrupt(test.pixels[..., :channels], corruption.kind, corruption.severity)
    return Images(pixels, test.labels, test.fit)


def _load_collections(sets: Sequence[LabelledSet], trained_on: DataRecipe, run: Run) -> dict[str, Images]:
    """Return the images of the sets that are collections of their own, by the set's name."""
    collections = {}
    for labelled in sets:
        if isinstance(labelled.source, DataRecipe):
            require_known_classes(labelled, trained_on, run.data_dir)
            collections[labelled.name] = load_test(labelled.source, run)
    return collections
