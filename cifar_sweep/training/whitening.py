"""Filters that whiten small patches of the training images: the stem of cifar10-airbench (arXiv:2404.00498, 3.1).

For the patches that they are made from, the filters' outputs are uncorrelated and have variance one.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cifar_sweep.augment import Source
from cifar_sweep.device.float64 import float64_device
from cifar_sweep.models.architectures.airbench import Airbench
from cifar_sweep.training.training_set import TrainingSet

MAX_IMAGES = 5000  # as published
BATCH = 250
EPSILON = 5e-4  # added to the variances, as published: directions that hardly vary are not blown up


def whiten(network: nn.Module, images: TrainingSet) -> None:
    """Give a whitening stem its filters; do nothing to a network without one.

    The filters are made from at most 5,000 of the images to train on, taken at equal distances, scaled but not
    augmented. No other image is used.
    """
    if not isinstance(network, Airbench) or not network.whitening:
        return
    step = -(-len(images.train) // MAX_IMAGES)  # rounded up
    weight = network.stem.weight
    filters = whitening_filters(second_moment(images.source, images.train[::step], weight.shape[-1]))
    with torch.no_grad():
        weight.copy_(filters.view(weight.shape))


@torch.no_grad()
def second_moment(source: Source, index: Tensor, side: int) -> Tensor:
    """Return the mean outer product of all patches of some images.

    The mean is not subtracted, as published: scaled images have a mean near zero.

    Args:
        source: The stored images, with their scaling.
        index: (N,) indices of the images in `source`.
        side: Side of a patch, in pixels.

    Returns:
        (D, D) float64 on the CPU, D = channels x side x side, ordered by channel, row, column.
    """
    device = float64_device(index.device)
    total, count = torch.zeros((), dtype=torch.float64, device=device), 0
    for part in torch.split(index, BATCH):
        patches = source.batch(part)[0].unfold(2, side, 1).unfold(3, side, 1).permute(0, 2, 3, 1, 4, 5)
        flat = patches.reshape(-1, patches.shape[3] * side * side).to(device).double()
        total, count = total + flat.T @ flat, count + len(flat)
    return (total / count).cpu()


def whitening_filters(moment: Tensor) -> Tensor:
    """Return the filters for patches with a given second moment.

    They are the eigenvectors, each divided by the root of its eigenvalue, the largest eigenvalue first; then the same
    with the other sign, since an activation follows that drops one sign.

    Args:
        moment: (D, D) second moment of the patches.

    Returns:
        (2D, D) float32.
    """
    values, vectors = torch.linalg.eigh(moment)
    values, vectors = values.flip(0).clamp(min=0), vectors.T.flip(0)
    # An eigenvector's sign is arbitrary and may differ between LAPACK libraries: make its largest entry positive.
    largest = vectors.gather(1, vectors.abs().argmax(dim=1, keepdim=True))
    filters = vectors * largest.sign() / torch.sqrt(values + EPSILON)[:, None]
    return torch.cat([filters, -filters]).float()
