"""From stored pixels to a batch: crop, flip and normalise as one gather, with the draws kept apart from their use."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from cifar_sweep.augment.resize import fitted
from cifar_sweep.recipe.data import Fit
from sweeps.workload import stream

EXACT_SUM = 200  # so many squares of bytes still add up exactly in float32: the scaling is the same on every device


@dataclass(frozen=True)
class Views:
    """How each image of a batch is cut: `rows` and `columns` (B,) shift it by that many pixels, `mirrored` (B,) flips.

    A positive shift moves the image up or left; what comes in from outside is zero or, with `reflect`, the image itself
    mirrored at its outermost pixels.
    """

    rows: Tensor
    columns: Tensor
    mirrored: Tensor
    reflect: bool = False

    def __getitem__(self, batch: slice) -> Views:
        return Views(self.rows[batch], self.columns[batch], self.mirrored[batch], self.reflect)

    def to(self, device: torch.device) -> Views:
        """The same views on `device`."""
        return Views(self.rows.to(device), self.columns.to(device), self.mirrored.to(device), self.reflect)


def draw_views(count: int, crop: int, flip: bool, generator: torch.Generator, reflect: bool = False) -> Views:
    """Views of `count` images: shifts uniform in -crop..crop, mirrored with probability 1/2 where `flip`.

    The same numbers are drawn whatever is switched on, so that a run without flips makes the crops of the run with.
    """
    rows, columns, mirror = torch.rand(3, count, generator=generator)
    shifts = 2 * crop + 1
    return Views(
        rows=(rows * shifts).long().clamp_(max=shifts - 1) - crop,
        columns=(columns * shifts).long().clamp_(max=shifts - 1) - crop,
        mirrored=(mirror < 0.5) & flip,
        reflect=reflect,
    )


def alternating(order: Tensor, seed: int, epoch: int) -> Tensor:
    """Which of the images `order` (count,) of a source are mirrored in the epoch `epoch`, (count,), on the CPU.

    Alternating flip (Jordan 2024, arXiv:2404.00498, 3.6): an image is mirrored or not at random in epoch 0, and from
    then on the other way round in each epoch. What is drawn for an image depends on `seed` and its index alone.
    """
    order = order.cpu()
    drawn = np.random.default_rng(stream(seed, "augment", "alternating_flip")).random(int(order.max()) + 1) < 0.5
    return torch.from_numpy(drawn)[order] ^ (epoch % 2 == 1)


def gather(pixels: Tensor, index: Tensor, views: Views | None) -> Tensor:
    """The images `index` (B,) of `pixels` (N, size, size, channels) uint8, cut as `views` say, in the same layout.

    Four-byte pixels are gathered as one 32-bit word each, which is what makes this fast.
    """
    if views is None:
        return pixels[index]
    count, size, _, channels = pixels.shape
    side = torch.arange(size, device=pixels.device)
    rows = side + views.rows[:, None]
    columns = torch.where(views.mirrored[:, None], side.flip(0), side) + views.columns[:, None]
    if views.reflect:
        inside = None
        rows, columns = _reflected(rows, size), _reflected(columns, size)
    else:
        inside = _within(rows, size)[:, :, None] & _within(columns, size)[:, None, :]
        rows, columns = rows.clamp(0, size - 1), columns.clamp(0, size - 1)
    flat = (index * size * size)[:, None, None] + (rows * size)[:, :, None] + columns[:, None, :]
    if channels == 4:
        words = pixels.view(torch.int32).view(count * size * size).take(flat)
        return (words if inside is None else words * inside).view(torch.uint8).view(*flat.shape, 4)
    cut = pixels.view(count * size * size, channels)[flat]
    return cut if inside is None else cut * inside[..., None]


@dataclass(frozen=True)
class Scaling:
    """The affine map from uint8 to what the network sees: `pixel * factor + offset`, each (channels,) float32."""

    factor: Tensor
    offset: Tensor

    @classmethod
    def measured(cls, pixels: Tensor, index: Tensor, channels: int, fit: Fit | None = None) -> Scaling:
        """To mean 0 and deviation 1, per channel, over the images `index` of `pixels`. A constant channel becomes 0."""
        one = fitted(pixels[:1], fit)
        total = torch.zeros(one.numel(), dtype=torch.float64, device=pixels.device)
        squares = torch.zeros_like(total)
        for part in torch.split(index, EXACT_SUM):
            values = fitted(pixels[part], fit).reshape(len(part), -1).float()
            total += values.sum(0)
            squares += values.square_().sum(0)
        count = len(index) * one.shape[1] * one.shape[2]
        total, squares = (sums.view(-1, pixels.shape[-1]).sum(0)[:channels] for sums in (total, squares))
        mean = total / count
        deviation = (squares / count - mean.square()).clamp(min=0).sqrt()
        factor = 1 / torch.where(deviation > 0, deviation, 1.0)
        return cls(factor.float(), (-mean * factor).float())

    @classmethod
    def to_unit(cls, channels: int, device: torch.device) -> Scaling:
        """To 0..1, nothing else."""
        return cls(torch.full((channels,), 1 / 255, device=device), torch.zeros(channels, device=device))

    def __call__(self, images: Tensor) -> Tensor:
        """(B, size, size, stored channels) uint8 -> (B, channels, size, size) float32, channels last in memory."""
        channels = len(self.factor)
        return torch.addcmul(self.offset, images[..., :channels].float(), self.factor).permute(0, 3, 1, 2)

    def to_fractions(self, images: Tensor) -> Tensor:
        """(B, size, size, stored channels) uint8 -> (B, channels, size, size) float32 in 0..1, for the operations."""
        planes = images[..., : len(self.factor)].permute(0, 3, 1, 2)
        return planes.to(torch.float32, memory_format=torch.contiguous_format).div_(255)

    def of_fractions(self, images: Tensor) -> Tensor:
        """What `__call__` gives, from `to_fractions` of the same pixels."""
        scaled = torch.addcmul(self.offset, images.permute(0, 2, 3, 1), self.factor * 255)
        return scaled.contiguous().permute(0, 3, 1, 2)


@dataclass(frozen=True)
class Source:
    """Where batches come from: `pixels` (N, size, size, stored channels) uint8 and `labels` (N,), on the device.

    Where the images are too many to be kept at the network's size, `fit` says how each batch is brought to it.
    """

    pixels: Tensor
    labels: Tensor
    scaling: Scaling
    fit: Fit | None = None

    def taken(self, index: Tensor, views: Views | None = None) -> Tensor:
        """The images `index` (B,) at the network's size, cut as `views` say: (B, size, size, stored channels) uint8."""
        if self.fit is None:
            return gather(self.pixels, index, views)
        whole = fitted(self.pixels[index], self.fit)
        return gather(whole, torch.arange(len(index), device=index.device), views)

    def batch(self, index: Tensor, views: Views | None = None) -> tuple[Tensor, Tensor]:
        """The images `index` (B,), scaled, (B, channels, size, size), and their labels (B,)."""
        return self.scaling(self.taken(index, views)), self.labels[index]


def _reflected(position: Tensor, size: int) -> Tensor:
    """Positions from 1 - size to 2 * (size - 1), brought inside at the first and the last: -1 is 1."""
    last = size - 1
    return last - (last - position.abs()).abs()


def _within(position: Tensor, size: int) -> Tensor:
    return (position >= 0) & (position < size)
