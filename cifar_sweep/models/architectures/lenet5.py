"""LeNet-5 (LeCun, Bottou, Bengio & Haffner 1998, "Gradient-based learning applied to document recognition").

As in the paper: 5x5 convolutions with 6 and 16 maps and without padding, a 2x2 average pooling after each, 120 and 84
units, a squashing function after each layer. Different here: every map of the second convolution sees all maps of the
first, the averages have neither coefficients nor a squashing function, and the last layer is linear.

Of 32x32 images 16 x 5 x 5 = 400 numbers reach the head, of 96x96 images 16 x 21 x 21 = 7,056.
"""

from __future__ import annotations

from torch import Tensor, nn

from cifar_sweep.models.head import Classifier
from cifar_sweep.models.layers import ACTIVATIONS
from cifar_sweep.models.network import Network
from cifar_sweep.models.recipes import LeNet5Recipe
from cifar_sweep.models.size import too_small_error
from cifar_sweep.schema import Shape

POOLS = {"avg": nn.AvgPool2d, "max": nn.MaxPool2d}


def build(recipe: LeNet5Recipe, shape: Shape) -> Network:
    """Return the untrained network of `recipe`: (B, channels, size, size) -> logits (B, classes).

    Raises:
        ValueError: The images have less than 16 pixels a side.
    """
    return LeNet5(recipe, shape)


class LeNet5(Network):
    """Two convolutions, each with activation and pooling, then the head on the flattened maps."""

    def __init__(self, recipe: LeNet5Recipe, shape: Shape) -> None:
        super().__init__()
        self.layers = nn.Sequential()
        width, side = shape.channels, shape.size
        for index, out in enumerate(recipe.widths):
            # The convolution takes 4 pixels of the side, the pool needs 2.
            if side < 6:
                reason = f"a 5x5 convolution and a 2x2 pool get a map of {side}x{side} pixels"
                raise too_small_error(shape, f"layers.{index}", reason)
            layer = nn.Sequential()
            layer.add_module("conv", nn.Conv2d(width, out, 5))
            layer.add_module("activation", ACTIVATIONS[recipe.activation]())
            layer.add_module("pool", POOLS[recipe.pool](2))
            self.layers.append(layer)
            width, side = out, (side - 4) // 2
        self.head = Classifier(recipe.head, width * side**2, shape.classes, recipe.activation)

    def features(self, images: Tensor) -> Tensor:
        """Return the flattened last maps, (B, widths[-1] x side^2), of images (B, channels, size, size)."""
        maps: Tensor = self.layers(images)
        return maps.flatten(1)
