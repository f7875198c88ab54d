"""Predict the classes of images without labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from cifar_sweep.augment.resize import apply_fit
from cifar_sweep.data.cache import load_images
from cifar_sweep.data.classes import names_of
from cifar_sweep.data.formats import Images
from cifar_sweep.data.unlabelled import Unlabelled, read_unlabelled
from cifar_sweep.device.occupied import Occupied
from cifar_sweep.inference.shift import MOST_IMAGES, ChannelStatistics, channel_warnings, class_warnings
from cifar_sweep.inference.trained import BATCH, Trained
from cifar_sweep.inference.tta import parse_tta
from cifar_sweep.recipe import Recipe, TestTimeAugmentation
from sweeps.workload import Predictions, Site, Unavailable

RECIPE = "recipe"  # in place of a test-time augmentation: the recipe's own
TRAINING_IMAGES = 5000  # whose predicted classes are compared with those of the unlabelled images


def predict_images(recipe: Recipe, models: Sequence[Path], site: Site, source: Path, tta: str) -> Predictions:
    """Predict the class of each image in `source`, with warnings where the images or classes are unlike training's.

    Args:
        recipe: The recipe that the networks were trained by.
        models: Checkpoint folders; the mean of the networks' probabilities decides.
        site: The device, and the folder of the data.
        source: A pickle, .npz, .npy or folder of images.
        tta: A test-time augmentation, or "recipe" for the recipe's own.

    Raises:
        Unavailable: There is nothing at `source`.
        ValueError: `tta` is unknown, or `source` cannot be read or does not match the network.
    """
    with Occupied(site.device):
        return _predictions(recipe, models, site, source, recipe.tta if tta == RECIPE else parse_tta(tta))


def _predictions(
    recipe: Recipe, models: Sequence[Path], site: Site, source: Path, augmentation: TestTimeAugmentation
) -> Predictions:
    names = names_of(recipe.data, site.data_dir)
    images = read_unlabelled(source, recipe.data)
    networks = [Trained.load(recipe, model, torch.device(site.device)) for model in models]
    labels = _predicted_classes(networks, images, augmentation)
    try:
        training_images = load_images(recipe.data, site.data_dir, "train")
    except Unavailable as error:
        warnings = [f"not compared with the images of training, which are not here: {error}"]
    else:
        channels = recipe.data.shape.channels
        unlabelled, trained = (ChannelStatistics.of(_sample(part), channels) for part in (images, training_images))
        warnings = channel_warnings(unlabelled, trained)
        usual_labels = _predicted_classes(networks, _thinned(training_images), augmentation)
        warnings += class_warnings(labels, usual_labels, names)
    return Predictions(images.ids, labels.tolist(), names, (*images.notes, *warnings))


def probabilities(
    networks: Sequence[Trained], images: Images | Unlabelled, tta: TestTimeAugmentation = "none"
) -> Tensor:
    """Return the mean (N, classes) over the networks of the softmax of their logits."""
    pixels = torch.from_numpy(images.pixels)
    stacked = torch.stack([torch.softmax(network.logits(pixels, tta, images.fit), dim=1) for network in networks])
    return stacked.mean(dim=0)


def _predicted_classes(
    networks: Sequence[Trained], images: Images | Unlabelled, tta: TestTimeAugmentation
) -> np.ndarray:
    """Return the most probable class (N,) of each image."""
    return np.asarray(probabilities(networks, images, tta).argmax(dim=1).cpu().numpy())


def _thinned(images: Images) -> Images:
    """Return at most TRAINING_IMAGES of the images, at equal distances."""
    step = -(-len(images) // TRAINING_IMAGES)
    return Images(np.array(images.pixels[::step]), images.labels[::step], images.fit)


def _sample(images: Images | Unlabelled) -> np.ndarray:
    """Return the pixels of at most MOST_IMAGES of the images, at equal distances, at the network's size."""
    pixels = images.pixels[:: -(-len(images) // MOST_IMAGES)]
    if images.fit is None:
        return pixels
    return np.concatenate(
        [apply_fit(part, images.fit).numpy() for part in torch.split(torch.from_numpy(pixels), BATCH)]
    )
