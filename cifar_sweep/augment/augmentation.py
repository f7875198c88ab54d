"""All that is drawn for one epoch, and how a batch is made with it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from cifar_sweep.augment.mixing import Mixed, mix
from cifar_sweep.augment.operations.base import Step
from cifar_sweep.augment.operations.registry import OPERATIONS
from cifar_sweep.augment.source import Source, Views, alternating, draw_views
from cifar_sweep.recipe.augment import AugmentRecipe, Transforms, check
from cifar_sweep.recipe.transforms import Mix
from cifar_sweep.schema import Shape
from sweeps.workload import stream


@dataclass(frozen=True)
class Augmentation:
    """What happens to the images of one epoch, by their position in it: crop and flip, then `steps`, then `mixing`."""

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
        """Everything drawn for the `count` images of the epoch `epoch` (from 0), in the order they are trained on.

        `order` (count,) has their indices in the source, which an alternating flip goes by; without it they are those
        of their positions. Each operation has a stream of `seed` and the epoch to itself. Raises ValueError where the
        recipe does not fit images of this `shape`.
        """
        check(recipe, shape)
        settings = recipe.during(epoch)
        chosen = [(name, make, getattr(settings, name)) for name, make in OPERATIONS.items()]
        return cls(
            views=_views(settings, torch.arange(count) if order is None else order, seed, epoch).to(device),
            steps=tuple(
                Step.of_epoch(name, make(section), count, seed, epoch)
                for name, make, section in chosen
                if section is not None
            ),
            mixing=settings.mix,
            mix_seed=stream(seed, "augment", "mix", epoch),
        )

    def batch(self, source: Source, index: Tensor, batch: slice) -> tuple[Tensor, Tensor]:
        """The images `index` (B,) of `source`, at the positions `batch` of the epoch, and their labels (B,).

        Images are (B, channels, size, size) float32, scaled, channels last in memory.
        """
        views = self.views[batch]
        if not self.steps:
            return source.batch(index, views)
        images = source.scaling.to_fractions(source.taken(index, views))
        for step in self.steps:
            images = step(images, batch)
        return source.scaling.of_fractions(images), source.labels[index]

    def mix(self, images: Tensor, labels: Tensor, batch: slice) -> Mixed:
        """The batch at the positions `batch`, after MixUp or CutMix where they are on."""
        generator = np.random.default_rng(stream(self.mix_seed, batch.start))
        return mix(images, labels, self.mixing, generator)


def _views(settings: Transforms, order: Tensor, seed: int, epoch: int) -> Views:
    """How the images `order` (count,) are cut. Drawn on the CPU: the same for every device."""
    generator = torch.Generator().manual_seed(stream(seed, "augment", epoch))
    reflect = settings.crop_padding == "reflect"
    views = draw_views(len(order), settings.crop, settings.flip is True, generator, reflect)
    if settings.flip == "alternating":
        return replace(views, mirrored=alternating(order, seed, epoch))
    return views
