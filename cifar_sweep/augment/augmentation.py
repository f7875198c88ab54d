"""Draw the augmentation of one epoch and make its batches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from cifar_sweep.augment.mixing import Mixed, mix
from cifar_sweep.augment.operations.registry import OPERATIONS
from cifar_sweep.augment.operations.step import Step
from cifar_sweep.augment.source import Source, Views, alternating_flips, draw_views
from cifar_sweep.device.exchange import send
from cifar_sweep.recipe.augment import AugmentRecipe, Transforms, check
from cifar_sweep.recipe.transforms import Mix
from cifar_sweep.schema import Shape
from sweeps.workload import stream

# On a GPU, steps are augmented together up to this many bytes of images: each of an augmentation's many small kernels
# then works on several batches.
BYTES_AT_ONCE = 32 * 2**20
FLOAT_BYTES = 4


@dataclass(frozen=True)
class Augmentation:
    """The augmentation of one epoch: crop and flip, then the operations, then MixUp or CutMix.

    Attributes:
        views: Crop and flip of each image, by its position in the epoch.
        steps: The operations that are on, in the order of application.
        mixing: The settings of MixUp and CutMix, or None where both are off.
        mix_seed: The seed from which the mixing of each batch is drawn.
    """

    views: Views
    steps: tuple[Step, ...]
    mixing: Mix | None
    mix_seed: int

    @classmethod
    def drawn(
        cls,
        recipe: AugmentRecipe,
        shape: Shape,
        count: int,
        seed: int,
        epoch: int,
        device: torch.device,
        order: Tensor | None = None,
    ) -> Augmentation:
        """Draw the augmentation of one epoch.

        Each operation has a random stream of its own, which follows from `seed`, its name and `epoch`.

        Args:
            recipe: The settings; their phase for `epoch` is used.
            shape: The shape of the images.
            count: Number of images in the epoch, in the order in which they are trained on.
            seed: The run's seed.
            epoch: The epoch, counted from 0.
            device: Where the images are; all draws are moved there in one copy.
            order: (count,) indices of the images in the source, on the CPU; the alternating flip depends on them. By
                default 0 to `count` - 1.

        Raises:
            ValueError: The recipe does not fit images of this shape.
        """
        check(recipe, shape)
        settings = recipe.during(epoch)
        sections = [(name, make, getattr(settings, name)) for name, make in OPERATIONS.items()]
        steps = tuple(
            Step.of_epoch(name, make(section), count, seed, epoch, shape.size)
            for name, make, section in sections
            if section is not None
        )
        views = _draw_views(settings, torch.arange(count) if order is None else order, seed, epoch)
        return cls(*_moved(views, steps, device), settings.mix, stream(seed, "augment", "mix", epoch))

    def batches(self, source: Source, order: Tensor, size: int) -> Iterator[Mixed]:
        """Yield the batches of the epoch; a last incomplete one is left out.

        On a GPU several batches are augmented at once. A batch has the same images either way.

        Args:
            source: The stored images.
            order: (count,) indices of the images in `source`, on its device.
            size: Number of images in a batch.
        """
        count = len(order) // size * size
        at_once = size * _batches_at_once(source, size)
        for start in range(0, count, at_once):
            part = slice(start, min(start + at_once, count))
            images, labels = self.batch(source, order[part], part, size)
            for first in range(0, len(images), size):
                batch = slice(first, first + size)
                yield self.mix(images[batch], labels[batch], slice(start + first, start + first + size))

    def batch(self, source: Source, index: Tensor, batch: slice, size: int | None = None) -> tuple[Tensor, Tensor]:
        """Return augmented images and their labels; MixUp and CutMix are applied by `mix`.

        Args:
            source: The stored images.
            index: (B,) indices of the images in `source`.
            batch: The positions of the images in the epoch.
            size: Number of images in a batch, where these are several; None: they are one.

        Returns:
            Images (B, channels, size, size) float32, scaled, channels last in memory, and labels (B,).
        """
        views = self.views[batch]
        # Without operations the bytes are scaled at once, without the detour over 0..1.
        if not self.steps:
            return source.batch(index, views)
        images = source.scaling.to_fractions(source.gather(index, views))
        for step in self.steps:
            images = step(images, batch, size or len(images))
        return source.scaling.from_fractions(images), source.labels[index]

    def mix(self, images: Tensor, labels: Tensor, batch: slice) -> Mixed:
        """Apply MixUp or CutMix, where one is on, to the batch at the positions `batch` of the epoch."""
        # One stream per batch, so that a batch is mixed alike whether or not the earlier ones were computed.
        generator = np.random.default_rng(stream(self.mix_seed, batch.start))
        return mix(images, labels, self.mixing, generator)


def _batches_at_once(source: Source, size: int) -> int:
    """Return how many batches of `size` images are augmented at once: one on a CPU, whose caches are small."""
    if source.pixels.device.type == "cpu":
        return 1
    _, side, _, channels = source.pixels.shape
    if source.fit is not None:
        side = max(side, source.fit.resize or 0)
    return max(1, BYTES_AT_ONCE // (size * side * side * channels * FLOAT_BYTES))


def _moved(views: Views, steps: tuple[Step, ...], device: torch.device) -> tuple[Views, tuple[Step, ...]]:
    """Return the draws of an epoch on `device`."""
    parts = [views.to_move(), *(step.to_move() for step in steps)]
    tensors = iter(send([values for part in parts for values in part.values()], device))
    moved = [{name: next(tensors) for name in part} for part in parts]
    return views.moved(moved[0]), tuple(step.moved(part) for step, part in zip(steps, moved[1:], strict=True))


def _draw_views(settings: Transforms, order: Tensor, seed: int, epoch: int) -> Views:
    """Return crop and flip of the images `order` (count,)."""
    # Drawn on the CPU: torch's generators give other numbers on a GPU for the same seed.
    generator = torch.Generator().manual_seed(stream(seed, "augment", epoch))
    reflect = settings.crop_padding == "reflect"
    views = draw_views(len(order), settings.crop, settings.flip is True, generator, reflect)
    if settings.flip == "alternating":
        return replace(views, mirrored=alternating_flips(order, seed, epoch))
    return views
