"""A simple CNN: 3x3 convolutions, each with an activation and a 2x2 max-pool, then the head on the flattened maps."""

from __future__ import annotations

from torch import Tensor, nn

from cifar_sweep.models.head import Classifier
from cifar_sweep.models.layers import make_layer
from cifar_sweep.models.network import Network
from cifar_sweep.models.recipes import SimpleCnnRecipe
from cifar_sweep.models.size import too_small_error
from cifar_sweep.schema import Shape


def build(recipe: SimpleCnnRecipe, shape: Shape) -> Network:
    """Return the untrained network of `recipe`: (B, channels, size, size) -> logits (B, classes).

    Raises:
        ValueError: The images are too small for the poolings.
    """
    return SimpleCnn(recipe, shape)


class SimpleCnn(Network):
    """Convolutions, each with a pool that halves the side, rounded down; the head on widths[-1] x side^2 features."""

    def __init__(self, recipe: SimpleCnnRecipe, shape: Shape) -> None:
        super().__init__()
        self.layers = nn.Sequential()
        width, side = shape.channels, shape.size
        for index, out in enumerate(recipe.widths):
            if side < 2:
                raise too_small_error(shape, f"layers.{index}.pool", f"it halves a map of {side}x{side} pixels")
            self.layers.append(make_layer(recipe.norm, recipe.activation, width, out, 3, pool=True))
            width, side = out, side // 2
        self.head = Classifier(recipe.head, width * side**2, shape.classes, recipe.activation, recipe.norm)

    def features(self, images: Tensor) -> Tensor:
        """Return the flattened last maps, (B, widths[-1] x side^2), of images (B, channels, size, size)."""
        maps: Tensor = self.layers(images)
        return maps.flatten(1)
