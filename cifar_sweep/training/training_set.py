"""The images of a run on its device: what it trains on, what it holds out, and what it may look at without labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from cifar_sweep.augment import Scaling, Source
from cifar_sweep.data.formats import Images
from cifar_sweep.data.split import Split, load_training, with_label_noise
from cifar_sweep.data.unlabelled import load_unlabelled
from cifar_sweep.recipe import Recipe
from cifar_sweep.techniques.pseudo_labels import joined, without_labels
from sweeps.workload import Run


@dataclass(frozen=True)
class TrainingSet:
    """`source` has all images; `train` (N,), `validation` (V,) and `unlabelled` (U,) say which are for what.

    The labels of unlabelled images are hidden in the source; `truth` (U,) has them where they are known.
    """

    source: Source
    train: Tensor
    validation: Tensor
    unlabelled: Tensor
    truth: Tensor | None = None

    @classmethod
    def of(cls, recipe: Recipe, run: Run, seed: int) -> TrainingSet:
        """The images of `run`, scaled by those it trains on. Raises ValueError where these are less than one batch."""
        images, split = load_training(recipe.data, run)
        size = recipe.images_per_step
        if size > len(split.train):
            raise ValueError(f"batch_size is {size} but there are only {len(split.train)} training images")
        shown, unlabelled, truth = _unlabelled(recipe, run, images, split)
        device = torch.device(run.device)
        sides = split.train, split.validation, unlabelled
        train, validation, hidden = (torch.from_numpy(index).to(device) for index in sides)
        known = None if truth is None else torch.from_numpy(truth).to(device)
        return cls(_source(recipe, shown, train, seed), train, validation, hidden, known)


def _unlabelled(recipe: Recipe, run: Run, images: Images, split: Split) -> tuple[Images, np.ndarray, np.ndarray | None]:
    """All images without the labels that are not to be read, which these are, and the labels where they are known."""
    given = recipe.data.unlabelled
    if given is not None and given.path is not None:
        return *joined(images, load_unlabelled(recipe.data, run.data_dir, images)), None
    if not len(split.unlabelled):
        return images, split.unlabelled, None
    return without_labels(images, split.unlabelled), split.unlabelled, images.labels[split.unlabelled]


def _source(recipe: Recipe, images: Images, train: Tensor, seed: int) -> Source:
    device, channels = train.device, recipe.data.shape.channels
    share, classes = recipe.data.label_noise, recipe.data.shape.classes
    labels = with_label_noise(images.labels, train.cpu().numpy(), share, classes, seed)
    pixels = torch.from_numpy(images.pixels).to(device)
    if recipe.augment.normalise:
        scaling = Scaling.measured(pixels, train, channels, images.fit)
    else:
        scaling = Scaling.to_unit(channels, device)
    return Source(pixels, torch.from_numpy(labels).to(device), scaling, images.fit)
