"""From stored pixels to a batch: crop and flip as one gather, the other operations, then MixUp and CutMix.

Pixels stay uint8 up to the gather. An epoch's draws are made before it (`Augmentation.drawn`), for each image on its
own, and applied to whole batches on the device.

To add an operation: a section with `p` in `cifar_sweep/recipe/transforms.py`, a field in
`cifar_sweep.recipe.augment.Transforms`, a class, and a line in `operations.OPERATIONS` at its place in the order:

    @dataclass(frozen=True)
    class Darken:
        settings: transforms.Darken

        def draw(self, count, generator):
            return {"factor": uniform(generator, count, (1 - self.settings.strength, 1.0))}

        def apply(self, images, drawn, noise):
            return images * per_image(drawn["factor"], images)
"""

from cifar_sweep.augment.augmentation import Augmentation
from cifar_sweep.augment.mixing import Mixed
from cifar_sweep.augment.source import Scaling, Source, Views, draw_views, gather

__all__ = ["Augmentation", "Mixed", "Scaling", "Source", "Views", "draw_views", "gather"]
