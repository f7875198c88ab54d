"""Real images for the tests of augmentation, without a download."""

from __future__ import annotations

from functools import cache

import torch
from sklearn.datasets import load_digits, load_sample_images
from torch import Tensor
from torch.nn.functional import interpolate

from cifar_sweep.augment import Scaling, Source


@cache
def photos(count: int = 12, size: int = 32) -> Tensor:
    """Return (count, 3, size, size) float32 in 0..1, in whole bytes: squares from scikit-learn's two photographs."""
    pictures = load_sample_images().images
    squares = []
    for number in range(count):
        photo = torch.tensor(pictures[number % 2])
        row, column = 30 * number, 40 * number
        square = photo[row : row + 96, column : column + 96].permute(2, 0, 1)[None].float()
        squares.append(interpolate(square, size=size, mode="bilinear", antialias=True))
    return torch.cat(squares).round() / 255


def digits(count: int) -> Tensor:
    """Return (count, 1, 8, 8) float32 in 0..1: handwritten digits."""
    return torch.from_numpy(load_digits().images[:count]).float()[:, None] / 16


def source_of(images: Tensor) -> Source:
    """Return the images (N, channels, size, size) as the trainer stores them: as bytes, with label i for image i."""
    pixels = (images * 255).round().to(torch.uint8).permute(0, 2, 3, 1)
    if images.shape[1] == 3:
        pixels = torch.cat([pixels, torch.zeros_like(pixels[..., :1])], 3)
    pixels, index = pixels.contiguous(), torch.arange(len(images))
    return Source(pixels, index, Scaling.measured(pixels, index, images.shape[1]))
