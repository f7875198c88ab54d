"""Filters that whiten small patches of the training images: the stem of cifar10-airbench (arXiv:2404.00498, 3.1).

What they put out for the patches that they are made from is uncorrelated and of variance one.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cifar_sweep.augment import Source
from cifar_sweep.models.architectures.airbench import Airbench
from cifar_sweep.training.training_set import TrainingSet

IMAGES = 5000  # at most so many are looked at, as published
PART = 250
EPSILON = 5e-4  # added to the variances, as published: directions that hardly vary are not blown up


def whiten(network: nn.Module, images: TrainingSet) -> None:
    """Give the stem of `network`, where it is one that whitens, the filters of the images that the run trains on.

    At most 5,000 of them at equal distances, as the network sees them but not augmented. Nothing else is looked at.
    """
    if not isinstance(network, Airbench) or not network.whitening:
        return
    chosen = images.train[:: -(-len(images.train) // IMAGES)]
    weight = network.stem.weight
    filters = whitening_filters(second_moment(images.source, chosen, weight.shape[-1]))
    with torch.no_grad():
        weight.copy_(filters.view(weight.shape))


@torch.no_grad()
def second_moment(source: Source, index: Tensor, side: int) -> Tensor:
    """The mean product of the values of patches, (D, D) float64 on the CPU, D = channels x side x side.

    Over all patches of `side` x `side` pixels of the scaled images `index` (N,) of `source`, by channel, row, column.
    The mean is not taken off, as published: scaled images have a mean near zero.
    """
    total, count = torch.zeros((), dtype=torch.float64, device=index.device), 0
    for part in torch.split(index, PART):
        patches = source.batch(part)[0].unfold(2, side, 1).unfold(3, side, 1).permute(0, 2, 3, 1, 4, 5)
        flat = patches.reshape(-1, patches.shape[3] * side * side).double()
        total, count = total + flat.T @ flat, count + len(flat)
    return (total / count).cpu()


def whitening_filters(moment: Tensor) -> Tensor:
    """The filters (2D, D) float32 for patches with the second moment (D, D): its eigenvectors, each divided by the root
    of its eigenvalue, the largest first; then all again with the other sign, since an activation follows."""
    values, vectors = torch.linalg.eigh(moment)
    values, vectors = values.flip(0).clamp(min=0), vectors.T.flip(0)
    largest = vectors.gather(1, vectors.abs().argmax(dim=1, keepdim=True))
    filters = vectors * largest.sign() / torch.sqrt(values + EPSILON)[:, None]  # the sign is not left to LAPACK
    return torch.cat([filters, -filters]).float()
