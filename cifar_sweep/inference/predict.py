"""What trained networks say of images without labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from cifar_sweep.augment.resize import fitted
from cifar_sweep.data.cache import load_images
from cifar_sweep.data.classes import names_of
from cifar_sweep.data.formats import Images
from cifar_sweep.data.unlabelled import Unlabelled, read_unlabelled
from cifar_sweep.inference.shift import MOST_IMAGES, Channels, channel_warnings, class_warnings
from cifar_sweep.inference.trained import BATCH, Trained
from cifar_sweep.inference.tta import known
from cifar_sweep.recipe import Recipe, TestTimeAugmentation
from sweeps.workload import Predictions, Site, Unavailable

RECIPE = "recipe"  # the test-time augmentation that the recipe has
USUAL = 5000  # images of training whose predicted classes those of unlabelled ones are compared with


def predict_images(recipe: Recipe, models: Sequence[Path], site: Site, source: Path, tta: str) -> Predictions:
    """The most probable class of each image in `source`, by the mean of the probabilities that `models` give it.

    Warns where the images, or the classes predicted, are unlike those of training. Raises ValueError for an unknown
    `tta` and as `read_unlabelled` does.
    """
    augmentation, names = recipe.tta if tta == RECIPE else known(tta), names_of(recipe.data, site.data_dir)
    images = read_unlabelled(source, recipe.data)
    networks = [Trained.load(recipe, model, torch.device(site.device)) for model in models]
    labels = _classes(networks, images, augmentation)
    try:
        trained = load_images(recipe.data, site.data_dir, "train")
    except Unavailable as error:
        warnings = [f"not compared with the images of training, which are not here: {error}"]
    else:
        channels = recipe.data.shape.channels
        warnings = channel_warnings(*(Channels.of(_as_seen(each), channels) for each in (images, trained)))
        usual = _classes(networks, _some(trained), augmentation)
        warnings += class_warnings(labels, usual, names)
    return Predictions(images.ids, labels.tolist(), names, tuple(warnings))


def probabilities(
    networks: Sequence[Trained], images: Images | Unlabelled, tta: TestTimeAugmentation = "none"
) -> Tensor:
    """The mean (N, classes) over `networks` of the softmax of their logits."""
    pixels = torch.from_numpy(images.pixels)
    each = torch.stack([torch.softmax(network.logits(pixels, tta, images.fit), dim=1) for network in networks])
    return each.mean(dim=0)


def _classes(networks: Sequence[Trained], images: Images | Unlabelled, tta: TestTimeAugmentation) -> np.ndarray:
    """The most probable class (N,) of each image."""
    return np.asarray(probabilities(networks, images, tta).argmax(dim=1).cpu().numpy())


def _some(images: Images) -> Images:
    """At most USUAL of the images, at equal distances."""
    step = -(-len(images) // USUAL)
    return Images(np.array(images.pixels[::step]), images.labels[::step], images.fit)


def _as_seen(images: Images | Unlabelled) -> np.ndarray:
    """At most MOST_IMAGES of the images, at equal distances, at the size that the network sees."""
    chosen = images.pixels[:: -(-len(images) // MOST_IMAGES)]
    if images.fit is None:
        return chosen
    return np.concatenate([fitted(part, images.fit).numpy() for part in torch.split(torch.from_numpy(chosen), BATCH)])
