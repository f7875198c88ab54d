"""Draw the augmentation of one epoch and make its batches."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from cifar_sweep.augment.mixing import Mixed, mix
from cifar_sweep.augment.operations.base import Step
from cifar_sweep.augment.operations.registry import OPERATIONS
from cifar_sweep.augment.source import Source, Views, alternating_flips, draw_views
from cifar_sweep.device.exchange import send
from cifar_sweep.recipe.augment import AugmentRecipe, Transforms, check
from cifar_sweep.recipe.transforms import Mix
from cifar_sweep.schema import Shape
from sweeps.workload import stream


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
            device: Where the views are put. The draws of operations stay on the CPU.
            order: (count,) indices of the images in the source, on the CPU; the alternating flip depends on them. By
                default 0 to `count` - 1.

        Raises:
            ValueError: The recipe does not fit images of this shape.
        """
        check(recipe, shape)
        settings = recipe.during(epoch)
        sections = [(name, make, getattr(settings, name)) for name, make in OPERATIONS.items()]
        views = _draw_views(settings, torch.arange(count) if order is None else order, seed, epoch)
        rows, columns, mirrored = send((views.rows, views.columns, views.mirrored), device)
        return cls(
            views=Views(rows, columns, mirrored, views.reflect),
            steps=tuple(
                Step.of_epoch(name, make(section), count, seed, epoch)
                for name, make, section in sections
                if section is not None
            ),
            mixing=settings.mix,
            mix_seed=stream(seed, "augment", "mix", epoch),
        )

    def batch(self, source: Source, index: Tensor, batch: slice) -> tuple[Tensor, Tensor]:
        """Return augmented images and their labels; MixUp and CutMix are applied by `mix`.

        Args:
            source: The stored images.
            index: (B,) indices of the images in `source`.
            batch: The positions of the batch in the epoch.

        Returns:
            Images (B, channels, size, size) float32, scaled, channels last in memory, and labels (B,).
        """
        views = self.views[batch]
        # Without operations the bytes are scaled at once, without the detour over 0..1.
        if not self.steps:
            return source.batch(index, views)
        images = source.scaling.to_fractions(source.gather(index, views))
        for step in self.steps:
            images = step(images, batch)
        return source.scaling.from_fractions(images), source.labels[index]

    def mix(self, images: Tensor, labels: Tensor, batch: slice) -> Mixed:
        """Apply MixUp or CutMix, where one is on, to the batch at the positions `batch` of the epoch."""
        # One stream per batch, so that a batch is mixed alike whether or not the earlier ones were computed.
        generator = np.random.default_rng(stream(self.mix_seed, batch.start))
        return mix(images, labels, self.mixing, generator)


def _draw_views(settings: Transforms, order: Tensor, seed: int, epoch: int) -> Views:
    """Return crop and flip of the images `order` (count,)."""
    # Drawn on the CPU: torch's generators give other numbers on a GPU for the same seed.
    generator = torch.Generator().manual_seed(stream(seed, "augment", epoch))
    reflect = settings.crop_padding == "reflect"
    views = draw_views(len(order), settings.crop, settings.flip is True, generator, reflect)
    if settings.flip == "alternating":
        return replace(views, mirrored=alternating_flips(order, seed, epoch))
    return views
