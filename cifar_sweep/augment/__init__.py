"""Augment images: crop and flip in one gather, then the image operations, then MixUp and CutMix.

Pixels stay uint8 until the gather. All random numbers of an epoch are drawn before it (`Augmentation.drawn`), on the
CPU and separately for each image, moved to the device as one copy, and applied there to whole batches; on a GPU to
several batches at once (`Augmentation.batches`).

To add an operation: write a section with the field `p` in `cifar_sweep/recipe/transforms.py`, add a field to
`cifar_sweep.recipe.augment.Transforms`, write a class, and add a line to `operations.registry.OPERATIONS` at its
place in the order:

    @dataclass(frozen=True)
    class Darken(Operation):
        settings: transforms.Darken

        def draw(self, count, generator):
            return {"factor": uniform(generator, count, (1 - self.settings.strength, 1.0))}

        def apply(self, images, drawn, noise):
            return images * per_image(drawn["factor"])
"""

from cifar_sweep.augment.augmentation import Augmentation
from cifar_sweep.augment.mixing import Mixed
from cifar_sweep.augment.source import Scaling, Source, Views, draw_views, gather

__all__ = ["Augmentation", "Mixed", "Scaling", "Source", "Views", "draw_views", "gather"]
