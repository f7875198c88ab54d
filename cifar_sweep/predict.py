"""What trained networks say of images without labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from cifar_sweep.cache import load_images
from cifar_sweep.classes import names_of
from cifar_sweep.formats import Images
from cifar_sweep.recipe import Recipe
from cifar_sweep.resize import fitted
from cifar_sweep.shift import MOST_IMAGES, Channels, channel_warnings, class_warnings
from cifar_sweep.trained import BATCH, VIEWS, TestTimeAugmentation, Trained
from cifar_sweep.unlabelled import Unlabelled, read_unlabelled
from sweeps.workload import Predictions, Site, Unavailable


def predict_images(recipe: Recipe, models: Sequence[Path], site: Site, source: Path, tta: str) -> Predictions:
    """The most probable class of each image in `source`, by the mean of the probabilities that `models` give it.

    Warns where the images, or the classes predicted, are unlike those of training. Raises ValueError for an unknown
    `tta` and as `read_unlabelled` does.
    """
    augmentation = _known(tta)
    images = read_unlabelled(source, recipe.data)
    networks = [Trained.load(recipe, model, torch.device(site.device)) for model in models]
    labels = probabilities(networks, images, augmentation).argmax(dim=1).cpu().numpy()
    names = names_of(recipe.data, site.data_dir)
    return Predictions(images.ids, labels.tolist(), names, tuple(_warnings(recipe, site, images, labels, names)))


def probabilities(networks: Sequence[Trained], images: Unlabelled, tta: TestTimeAugmentation = "none") -> Tensor:
    """The mean (N, classes) over `networks` of the softmax of their logits."""
    pixels = torch.from_numpy(images.pixels)
    total = torch.stack([torch.softmax(network.logits(pixels, tta, images.fit), dim=1) for network in networks])
    return total.mean(dim=0)


def _known(tta: str) -> TestTimeAugmentation:
    for kind in VIEWS:
        if kind == tta:
            return kind
    raise ValueError(f"tta must be {', '.join(VIEWS)} but is {tta!r}")


def _warnings(recipe: Recipe, site: Site, images: Unlabelled, labels: np.ndarray, names: Sequence[str]) -> list[str]:
    """Where images or predictions are unlike those of training; where that is not here, that they were not compared."""
    channels = recipe.data.shape.channels
    try:
        trained = load_images(recipe.data, site.data_dir, "train")
    except Unavailable as error:
        return [f"not compared with the images of training, which are not here: {error}"]
    found = Channels.of(_as_seen(images), channels)
    return [
        *channel_warnings(found, Channels.of(_as_seen(trained), channels)),
        *class_warnings(labels, trained.labels, names),
    ]


def _as_seen(images: Images | Unlabelled) -> np.ndarray:
    """At most MOST_IMAGES of the images, at equal distances, at the size that the network sees."""
    chosen = images.pixels[:: -(-len(images) // MOST_IMAGES)]
    if images.fit is None:
        return chosen
    return np.concatenate([fitted(part, images.fit).numpy() for part in torch.split(torch.from_numpy(chosen), BATCH)])
