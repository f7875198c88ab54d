"""Pseudo-labels (Lee 2013, ICML workshop on challenges in representation learning).

Unlabelled images join the training with the class that the network is sure of, until the next labelling.

No true label of an unlabelled image takes part in training: in the source these labels are `HIDDEN`. Where they are
known, `PseudoLabels` keeps them apart and reads them for one figure only, on which nothing depends.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cifar_sweep.augment import Source
from cifar_sweep.data.formats import Images
from cifar_sweep.device.exchange import send
from cifar_sweep.inference.precision import Arithmetic, autocast
from cifar_sweep.recipe.pseudo import PseudoLabelRecipe

BATCH = 500
HIDDEN = -1  # the label of an image without one; no class, so a loss that reads it fails


def hide_labels(images: Images, unlabelled: np.ndarray) -> Images:
    """Return `images` with the labels at the indices `unlabelled` (U,) hidden."""
    labels = images.labels.copy()
    labels[unlabelled] = HIDDEN
    return replace(images, labels=labels)


def append_unlabelled(images: Images, pixels: np.ndarray) -> tuple[Images, np.ndarray]:
    """Append unlabelled images to `images`.

    Args:
        images: The labelled images.
        pixels: (U, size, size, channels) uint8. The fourth, empty byte of stored three-channel pixels is added where
            it is missing.

    Returns:
        All images, and the indices (U,) of the unlabelled ones.
    """
    missing = images.pixels.shape[-1] - pixels.shape[-1]
    padded = np.pad(pixels, ((0, 0), (0, 0), (0, 0), (0, missing)))
    labels = np.concatenate([images.labels, np.full(len(pixels), HIDDEN, dtype=images.labels.dtype)])
    index = np.arange(len(images), len(labels))
    return replace(images, pixels=np.concatenate([images.pixels, padded]), labels=labels), index


@dataclass
class PseudoLabels:
    """The labels that the network has given to unlabelled images.

    Attributes:
        recipe: The threshold, and when labels are given.
        unlabelled: (U,) indices of the images in a source, on the device.
        truth: (U,) their true labels; None where they are unknown. Kept on the CPU.
        labels: (U,) classes of the latest labelling, on the CPU; `HIDDEN` where the network was not sure enough.
    """

    recipe: PseudoLabelRecipe
    unlabelled: Tensor
    truth: Tensor | None = None
    labels: Tensor = field(init=False)

    def __post_init__(self) -> None:
        # On the CPU, where an epoch's images are chosen and counted without waiting for a GPU.
        self._index = self.unlabelled.cpu()
        self.truth = None if self.truth is None else self.truth.cpu()
        self.labels = torch.full_like(self._index, HIDDEN)

    def due(self, epoch: int) -> bool:
        """Return whether images are labelled after `epoch` finished epochs."""
        epochs_since = epoch - self.recipe.start_epoch
        if self.recipe.every is None:
            return epochs_since == 0
        return epochs_since >= 0 and epochs_since % self.recipe.every == 0

    @torch.no_grad()
    def label(self, network: nn.Module, source: Source, precision: Arithmetic) -> None:
        """Replace all labels by the predictions of `network` for the images as they are, without augmentation.

        The network is left in evaluation mode. The host waits for the device once.
        """
        network.eval()
        parts = torch.split(self.unlabelled, BATCH)
        self.labels = torch.cat([self._predicted(network, source, part, precision) for part in parts]).cpu()

    def _predicted(self, network: nn.Module, source: Source, index: Tensor, precision: Arithmetic) -> Tensor:
        images, _ = source.batch(index)
        with autocast(precision, index.device):
            logits = network(images)
        confidence, classes = logits.float().softmax(dim=1).max(dim=1)
        return torch.where(confidence >= self.recipe.threshold, classes, HIDDEN)

    @property
    def _accepted(self) -> Tensor:
        return self.labels != HIDDEN

    def extend(self, train_index: Tensor, source: Source) -> tuple[Tensor, Source]:
        """Append the images that have a pseudo-label to those to train on. Neither argument is changed.

        Args:
            train_index: (N,) indices of the images to train on, on the CPU.
            source: The stored images.

        Returns:
            (N + labelled,) indices, on the CPU, and the source with the pseudo-labels.
        """
        accepted = self._accepted
        joining = self._index[accepted]
        if not len(joining):
            return train_index, source
        places, given = send((joining, self.labels[accepted]), source.labels.device)
        labels = source.labels.index_put((places,), given)
        return torch.cat([train_index, joining]), replace(source, labels=labels)

    def figures(self) -> dict[str, float]:
        """Return `pseudo_labelled`, the number of images with a label, and `pseudo_accuracy` in percent.

        The accuracy is a diagnosis, given where the true labels are known; it is NaN while no image has a label.
        """
        accepted = self._accepted
        count = int(accepted.sum())
        figures = {"pseudo_labelled": float(count)}
        if self.truth is not None:
            correct = int((self.labels == self.truth)[accepted].sum())
            figures["pseudo_accuracy"] = 100 * correct / count if count else math.nan
        return figures

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint needs: the latest labels."""
        return {"labels": self.labels}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a `state_dict`."""
        self.labels = state["labels"].cpu()
