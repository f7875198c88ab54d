"""Pseudo-labels (Lee 2013, ICML workshop on challenges in representation learning): the network labels images itself.

Images without labels join the training with the class that the network is sure of, until the next labelling.

No true label of an unlabelled image takes part in training: the images' labels in the source are `HIDDEN`. Where they
are known, `PseudoLabels` keeps them apart, and reads them for one figure alone, which nothing depends on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from cifar_sweep.augment import Source
from cifar_sweep.data.formats import Images
from cifar_sweep.inference.precision import autocast
from cifar_sweep.recipe.pseudo import PseudoLabelRecipe

BATCH = 500
HIDDEN = -1  # the label of an image without one: no class, so a loss that is asked for it fails


def without_labels(images: Images, unlabelled: np.ndarray) -> Images:
    """`images` with the labels at the indices `unlabelled` (U,) taken away."""
    labels = images.labels.copy()
    labels[unlabelled] = HIDDEN
    return replace(images, labels=labels)


def joined(images: Images, pixels: np.ndarray) -> tuple[Images, np.ndarray]:
    """`images` followed by the unlabelled `pixels` (U, size, size, channels) uint8, and the indices (U,) of these.

    The fourth, empty byte that stored three-channel pixels have is added where `pixels` lack it.
    """
    missing = images.pixels.shape[-1] - pixels.shape[-1]
    padded = np.pad(pixels, ((0, 0), (0, 0), (0, 0), (0, missing)))
    labels = np.concatenate([images.labels, np.full(len(pixels), HIDDEN, dtype=images.labels.dtype)])
    index = np.arange(len(images), len(labels))
    return replace(images, pixels=np.concatenate([images.pixels, padded]), labels=labels), index


@dataclass
class PseudoLabels:
    """The labels that the network has given to the images `unlabelled` (U,) of a source.

    `labels` (U,) are the classes of the latest labelling, `HIDDEN` where the network was not sure enough. `truth` (U,)
    are the true labels where they are known.
    """

    recipe: PseudoLabelRecipe
    unlabelled: Tensor
    truth: Tensor | None = None
    labels: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.labels = torch.full_like(self.unlabelled, HIDDEN)

    def due(self, epoch: int) -> bool:
        """Whether a labelling comes after `epoch` finished epochs."""
        since = epoch - self.recipe.start_epoch
        return since == 0 if self.recipe.every is None else since >= 0 and since % self.recipe.every == 0

    @torch.no_grad()
    def label(self, network: nn.Module, source: Source, precision: Literal["fp32", "bf16"]) -> None:
        """Label all unlabelled images anew by `network`, which is left in evaluation mode; none is augmented."""
        network.eval()
        found = [self._labelled(network, source, part, precision) for part in torch.split(self.unlabelled, BATCH)]
        self.labels = torch.cat(found)

    def _labelled(
        self, network: nn.Module, source: Source, index: Tensor, precision: Literal["fp32", "bf16"]
    ) -> Tensor:
        images, _ = source.batch(index)
        with autocast(precision, index.device):
            logits = network(images)
        confidence, classes = logits.float().softmax(dim=1).max(dim=1)
        return torch.where(confidence >= self.recipe.threshold, classes, HIDDEN)

    @property
    def _accepted(self) -> Tensor:
        return self.labels != HIDDEN

    def extend(self, train_index: Tensor, source: Source) -> tuple[Tensor, Source]:
        """The training index with the labelled images after `train_index` (N,), and the source that has their labels.

        Neither argument is changed.
        """
        accepted = self._accepted
        joining = self.unlabelled[accepted]
        labels = source.labels.index_put((joining,), self.labels[accepted])
        return torch.cat([train_index, joining]), replace(source, labels=labels)

    def figures(self) -> dict[str, float]:
        """`pseudo_labelled`, how many images have a label now, and `pseudo_accuracy`, the percentage of right ones.

        The accuracy is a diagnosis after the fact, where the truth is known; it is NaN while no image has a label.
        """
        accepted = self._accepted
        count = int(accepted.sum())
        figures = {"pseudo_labelled": float(count)}
        if self.truth is not None:
            right = int((self.labels == self.truth)[accepted].sum())
            figures["pseudo_accuracy"] = 100 * right / count if count else math.nan
        return figures

    def state_dict(self) -> dict[str, Any]:
        """The latest labelling."""
        return {"labels": self.labels}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        self.labels = state["labels"].to(self.unlabelled.device)
