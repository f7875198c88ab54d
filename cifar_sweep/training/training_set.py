"""The images of a run on its device: those to train on, those held out, and those without labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from cifar_sweep.augment import Scaling, Source
from cifar_sweep.data.duplicates.groups import duplicates_of
from cifar_sweep.data.formats import Images
from cifar_sweep.data.split import Split, load_training, with_label_noise
from cifar_sweep.data.unlabelled import load_unlabelled
from cifar_sweep.recipe import Recipe
from cifar_sweep.techniques.pseudo_labels import append_unlabelled, hide_labels
from sweeps.workload import Run


@dataclass(frozen=True)
class TrainingSet:
    """All images of a run, and indices that say what each is for.

    Attributes:
        source: The stored images and their labels. Labels of unlabelled images are hidden in it.
        train: (N,) indices of the images to train on.
        validation: (V,) indices of the images held out; empty in a final run.
        unlabelled: (U,) indices of the images without labels.
        truth: (U,) true labels of the unlabelled images; None where they are unknown.
    """

    source: Source
    train: Tensor
    validation: Tensor
    unlabelled: Tensor
    truth: Tensor | None = None

    @classmethod
    def of(cls, recipe: Recipe, run: Run, seed: int) -> TrainingSet:
        """Load the images of `run` and measure their scaling on those to train on.

        Args:
            recipe: The recipe.
            run: The run, which gives the split, the device and the folder of the data.
            seed: Seed of the label noise.

        Raises:
            PermissionError: The run may not read the training or the validation part.
            Unavailable: The data is missing.
            ValueError: There are fewer images to train on than one batch has, or a file cannot be read.
        """
        images, split = load_training(recipe.data, run)
        batch_size = recipe.images_per_step
        if batch_size > len(split.train):
            raise ValueError(f"batch_size is {batch_size} but there are only {len(split.train)} training images")
        images, unlabelled, truth = _hide_labels(recipe, run, images, split)
        device = torch.device(run.device)
        indices = (split.train, split.validation, unlabelled)
        train, validation, hidden = (torch.from_numpy(index).to(device) for index in indices)
        true_labels = None if truth is None else torch.from_numpy(truth).to(device)
        return cls(_source(recipe, images, train, seed), train, validation, hidden, true_labels)


def _hide_labels(
    recipe: Recipe, run: Run, images: Images, split: Split
) -> tuple[Images, np.ndarray, np.ndarray | None]:
    """Return all images with the labels of unlabelled ones hidden, the indices of these, and their labels if known."""
    unlabelled = recipe.data.unlabelled
    if unlabelled is not None and unlabelled.path is not None:
        collection = load_unlabelled(recipe.data, run.data_dir, images)
        duplicates = duplicates_of(recipe.data, run.data_dir)
        images, index = append_unlabelled(images, collection.pixels)
        return images, index if duplicates is None else np.delete(index, duplicates.dropped_unlabelled), None
    if not len(split.unlabelled):
        return images, split.unlabelled, None
    return hide_labels(images, split.unlabelled), split.unlabelled, images.labels[split.unlabelled]


def _source(recipe: Recipe, images: Images, train: Tensor, seed: int) -> Source:
    """Return the images on the device, with label noise and scaling."""
    device, channels = train.device, recipe.data.shape.channels
    noise, classes = recipe.data.label_noise, recipe.data.shape.classes
    labels = with_label_noise(images.labels, train.cpu().numpy(), noise, classes, seed)
    pixels = torch.from_numpy(images.pixels).to(device)
    if recipe.augment.normalise:
        scaling = Scaling.measured(pixels, train, channels, images.fit)
    else:
        scaling = Scaling.to_unit(channels, device)
    return Source(pixels, torch.from_numpy(labels).to(device), scaling, images.fit)
