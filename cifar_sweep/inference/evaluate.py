"""A trained network on the sealed test set and on further labelled sets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from cifar_sweep.augment import Source
from cifar_sweep.data.classes import names_of
from cifar_sweep.data.corruptions import corrupt
from cifar_sweep.data.evaluation_sets import TEST, Corrupted, LabelledSet, labelled_sets
from cifar_sweep.data.formats import Images, class_names
from cifar_sweep.data.split import load_test
from cifar_sweep.inference.metrics import count_up
from cifar_sweep.inference.trained import Trained
from cifar_sweep.models.architectures.hierarchical import Hierarchical, level_accuracies
from cifar_sweep.recipe import DataRecipe, Recipe
from cifar_sweep.recipe.data import Fit
from sweeps.workload import Run


def evaluate_network(recipe: Recipe, run: Run, entries: Sequence[Any]) -> Iterator[tuple[str, dict[str, float]]]:
    """Measure the network in `run.restored`: ("test", {"accuracy": percent, "loss": nats}), then each set of `entries`.

    Records what is taken for what on the test set and on other collections, not on corruptions. The test set is opened
    last, when everything else has been found. Raises PermissionError, before a file is opened, unless the run may read
    the test part; ValueError without a checkpoint, for a wrong entry or images that do not match; else as
    `cache.load_images` does.
    """
    run.require("test")
    sets, channels = labelled_sets(recipe.data, entries), recipe.data.shape.channels
    if run.restored is None:
        raise ValueError("there is no checkpoint to evaluate: train first")
    if run.device == "cpu":
        torch.set_num_threads(1)
    try:
        trained = Trained.load(recipe, run.restored, torch.device(run.device))
        collections, names = _collections(sets, recipe.data, run), names_of(recipe.data, run.data_dir)
        test = load_test(recipe.data, run)
        yield TEST, _measured(trained, test, Record(run, TEST, names))
        for each in sets:
            source = each.source
            if isinstance(source, Corrupted):
                yield each.name, _measured(trained, _corrupted(test, source, channels))
            else:
                yield each.name, _measured(trained, collections[each.name], Record(run, each.name, names))
    finally:
        if run.device == "cuda":
            torch.cuda.empty_cache()  # the process may wait for its next trial while others share the device


@dataclass(frozen=True)
class Record:
    """Where what is taken for what on a labelled set is to be left: the run, the set's name, the classes' names."""

    run: Run
    set_name: str
    names: tuple[str, ...]

    def leave(self, confusion: Tensor) -> None:
        """Leave the counts (K, K)."""
        self.run.record_confusion(self.set_name, self.names, confusion.tolist())


def _measured(trained: Trained, images: Images, record: Record | None = None) -> dict[str, float]:
    """The accuracy in percent and the mean loss over all of `images`; the accuracy of each level of a hierarchy."""
    pixels, labels = (torch.from_numpy(array).to(trained.device) for array in (images.pixels, images.labels))
    index = torch.arange(len(labels), device=trained.device)
    source, classes = Source(pixels, labels, trained.scaling, images.fit), len(record.names) if record else 0
    tally = count_up(trained.network, source, index, trained.precision, classes, trained.tta)
    if record is not None and tally.confusion is not None:
        record.leave(tally.confusion)
    loss, accuracy = tally.means()
    return {"accuracy": accuracy, "loss": loss, **_by_level(trained, pixels, labels, images.fit)}


def _by_level(trained: Trained, pixels: Tensor, labels: Tensor, fit: Fit | None) -> dict[str, float]:
    if not isinstance(trained.network, Hierarchical):
        return {}
    return level_accuracies(trained.network, trained.logits(pixels, trained.tta, fit), labels)


def _corrupted(test: Images, how: Corrupted, channels: int) -> Images:
    return Images(corrupt(test.pixels[..., :channels], how.kind, how.severity), test.labels, test.fit)


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
