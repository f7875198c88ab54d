"""Crop, flip and normalise stored pixels in one gather. The random draws (`Views`) are made apart from their use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from cifar_sweep.augment.resize import apply_fit
from cifar_sweep.device.float64 import float64_device
from cifar_sweep.recipe.data import Fit
from sweeps.workload import stream

# This many squares of bytes (255² each) stay below 2²⁴, up to which float32 holds every integer: their sum is exact in
# any order of addition, so the measured scaling is the same on every device.
EXACT_SUM = 200


@dataclass(frozen=True)
class Views:
    """Crop and flip of each image of a batch.

    A positive shift moves the image up or left.

    Attributes:
        rows: (B,) vertical shift, in pixels.
        columns: (B,) horizontal shift, in pixels.
        mirrored: (B,) bool, whether the image is flipped left to right.
        reflect: Whether pixels from outside are the image's own, mirrored at its outermost pixels; else zeros.
    """

    rows: Tensor
    columns: Tensor
    mirrored: Tensor
    reflect: bool = False

    def __getitem__(self, batch: slice) -> Views:
        return Views(self.rows[batch], self.columns[batch], self.mirrored[batch], self.reflect)

    def to_move(self) -> dict[str, Tensor]:
        """Return the tensors that `moved` takes."""
        return {"rows": self.rows, "columns": self.columns, "mirrored": self.mirrored}

    def moved(self, tensors: Mapping[str, Tensor]) -> Views:
        """Return the same views with the tensors of `to_move` on another device."""
        return replace(self, rows=tensors["rows"], columns=tensors["columns"], mirrored=tensors["mirrored"])


def draw_views(count: int, crop: int, flip: bool, generator: torch.Generator, reflect: bool = False) -> Views:
    """Draw crop and flip of `count` images.

    The same numbers are drawn whatever is switched on, so that a run without flips makes the crops of the run with.

    Args:
        count: Number of images.
        crop: Largest shift, in pixels; shifts are uniform in -crop..crop.
        flip: Whether each image is flipped with probability 1/2; else none is.
        generator: The source of all draws.
        reflect: As in `Views`.
    """
    rows, columns, mirror = torch.rand(3, count, generator=generator)
    shifts = 2 * crop + 1
    return Views(
        # The clamp is for a number so close to 1 that its product rounds up to `shifts`.
        rows=(rows * shifts).long().clamp_(max=shifts - 1) - crop,
        columns=(columns * shifts).long().clamp_(max=shifts - 1) - crop,
        mirrored=(mirror < 0.5) & flip,
        reflect=reflect,
    )


def alternating_flips(order: Tensor, seed: int, epoch: int) -> Tensor:
    """Return which images are flipped in an epoch, by the alternating flip (Jordan 2024, arXiv:2404.00498, 3.6).

    In epoch 0 each image is flipped at random; from then on it is flipped in every other epoch. The draw of an image
    depends on `seed` and its index alone.

    Args:
        order: (count,) indices of the images in the source, on the CPU.
        seed: The run's seed.
        epoch: The epoch, counted from 0.

    Returns:
        (count,) bool, on the CPU.
    """
    drawn = np.random.default_rng(stream(seed, "augment", "alternating_flip")).random(int(order.max()) + 1) < 0.5
    return torch.from_numpy(drawn)[order] ^ (epoch % 2 == 1)


def gather(pixels: Tensor, index: Tensor, views: Views | None) -> Tensor:
    """Return images cut as `views` say.

    Args:
        pixels: (N, size, size, channels) uint8.
        index: (B,) indices of the images.
        views: Crop and flip of the B images; None leaves them whole.

    Returns:
        (B, size, size, channels) uint8.
    """
    if views is None:
        return pixels[index]
    count, size, _, channels = pixels.shape
    side = torch.arange(size, device=pixels.device)
    rows = side + views.rows[:, None]
    columns = torch.where(views.mirrored[:, None], side.flip(0), side) + views.columns[:, None]
    if views.reflect:
        inside = None
        rows, columns = _reflect(rows, size), _reflect(columns, size)
    else:
        inside = _is_inside(rows, size)[:, :, None] & _is_inside(columns, size)[:, None, :]
        rows, columns = rows.clamp(0, size - 1), columns.clamp(0, size - 1)
    flat = (index * size * size)[:, None, None] + (rows * size)[:, :, None] + columns[:, None, :]
    # Gathering four-byte pixels as one 32-bit word each is what makes this fast; colour images are stored so.
    if channels == 4:
        words = pixels.view(torch.int32).view(count * size * size).take(flat)
        return (words if inside is None else words * inside).view(torch.uint8).view(*flat.shape, 4)
    cut = pixels.view(count * size * size, channels)[flat]
    return cut if inside is None else cut * inside[..., None]


@dataclass(frozen=True)
class Scaling:
    """The affine map from bytes to the network's inputs, `pixel * factor + offset`, per channel.

    Attributes:
        factor: (channels,) float32.
        offset: (channels,) float32.
    """

    factor: Tensor
    offset: Tensor

    @classmethod
    def measured(cls, pixels: Tensor, index: Tensor, channels: int, fit: Fit | None = None) -> Scaling:
        """Return the scaling to mean 0 and standard deviation 1 per channel. A constant channel becomes 0.

        Args:
            pixels: (N, size, size, stored channels) uint8.
            index: (M,) indices of the images to measure.
            channels: Number of channels; a padding byte after them is left out.
            fit: The resize that is still to be done before images are measured.
        """
        example = apply_fit(pixels[:1], fit)
        device = float64_device(pixels.device)
        total = torch.zeros(example.numel(), dtype=torch.float64, device=device)
        squares = torch.zeros_like(total)
        for part in torch.split(index, EXACT_SUM):
            values = apply_fit(pixels[part], fit).reshape(len(part), -1).float()
            total += values.sum(0).to(device)
            squares += values.square_().sum(0).to(device)
        count = len(index) * example.shape[1] * example.shape[2]
        total, squares = (sums.view(-1, pixels.shape[-1]).sum(0)[:channels] for sums in (total, squares))
        mean = total / count
        deviation = (squares / count - mean.square()).clamp(min=0).sqrt()
        factor = 1 / torch.where(deviation > 0, deviation, 1.0)
        return cls(factor.float().to(pixels.device), (-mean * factor).float().to(pixels.device))

    @classmethod
    def to_unit(cls, channels: int, device: torch.device) -> Scaling:
        """Return the scaling of bytes to 0..1."""
        return cls(torch.full((channels,), 1 / 255, device=device), torch.zeros(channels, device=device))

    def __call__(self, images: Tensor) -> Tensor:
        """Scale images: (B, size, size, stored channels) uint8 to (B, channels, size, size) float32, channels last."""
        channels = len(self.factor)
        return torch.addcmul(self.offset, images[..., :channels].float(), self.factor).permute(0, 3, 1, 2)

    def to_fractions(self, images: Tensor) -> Tensor:
        """Return images for the operations: (B, channels, size, size) float32 in 0..1, from uint8 as in `__call__`."""
        planes = images[..., : len(self.factor)].permute(0, 3, 1, 2)
        return planes.to(torch.float32, memory_format=torch.contiguous_format).div_(255)

    def from_fractions(self, images: Tensor) -> Tensor:
        """Scale images (B, channels, size, size) in 0..1 as `__call__` scales bytes; the layout is the same."""
        scaled = torch.addcmul(self.offset, images.permute(0, 2, 3, 1), self.factor * 255)
        return scaled.contiguous().permute(0, 3, 1, 2)


@dataclass(frozen=True)
class Source:
    """The stored images that batches are made of, on the training device.

    Attributes:
        pixels: (N, size, size, stored channels) uint8.
        labels: (N,) classes.
        scaling: The scaling to the network's inputs.
        fit: The resize and crop still to be done with each batch, for sets too large to be kept at the network's size;
            None where the pixels have it already.
    """

    pixels: Tensor
    labels: Tensor
    scaling: Scaling
    fit: Fit | None = None

    def gather(self, index: Tensor, views: Views | None = None) -> Tensor:
        """Return the images `index` (B,) at the network's size, cut by `views`: (B, size, size, stored channels)."""
        if self.fit is None:
            return gather(self.pixels, index, views)
        whole = apply_fit(self.pixels[index], self.fit)
        return gather(whole, torch.arange(len(index), device=index.device), views)

    def batch(self, index: Tensor, views: Views | None = None) -> tuple[Tensor, Tensor]:
        """Return the images `index` (B,), scaled, (B, channels, size, size) float32, and their labels (B,)."""
        return self.scaling(self.gather(index, views)), self.labels[index]


def _reflect(position: Tensor, size: int) -> Tensor:
    """Mirror positions from 1 - size to 2 * (size - 1) at the first and the last pixel: -1 becomes 1."""
    last = size - 1
    return last - (last - position.abs()).abs()


def _is_inside(position: Tensor, size: int) -> Tensor:
    """Return which positions are pixels of an image of this side."""
    return (position >= 0) & (position < size)
