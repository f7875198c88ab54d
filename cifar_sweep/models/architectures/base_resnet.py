"""A custom ResNet: a plain base of 3x3 convolutions, a max-pool, a residual block per stage, two linear layers.

With 3 channels and 100 classes it has 20,052,460 parameters. Its form:

- No convolution has a bias.
- A batch norm follows every 3x3 convolution, also the second of a block (before the addition), but not the 1x1
  projections of stride 2 ("plain shortcut"). A block that keeps its channels adds its input unchanged.
- In a block the activation follows the first norm and the addition. The only max-pool ends the base.
- Both fully connected layers have biases, with the activation between them. A BatchNorm1d with gain and shift follows
  the scores.
"""

from __future__ import annotations

from torch import Tensor, nn

from cifar_sweep.models.head import Classifier
from cifar_sweep.models.layers import ACTIVATIONS, ResidualBlock, SampledConv2d, depth_rates, make_norm
from cifar_sweep.models.network import Network
from cifar_sweep.models.recipes import BaseResNetRecipe
from cifar_sweep.schema import Shape


def build(recipe: BaseResNetRecipe, shape: Shape) -> Network:
    """Return the untrained network of `recipe`: (B, channels, size, size) -> logits (B, classes)."""
    return BaseResNet(recipe, shape)


class BaseResNet(Network):
    """The base, the blocks, global average pooling, the head.

    Names of parameters do not depend on which parts are on.
    """

    def __init__(self, recipe: BaseResNetRecipe, shape: Shape) -> None:
        super().__init__()
        self.base = nn.Sequential()
        width = shape.channels
        for out in recipe.base:
            self.base.append(_layer(recipe, width, out))
            width = out
        self.pool = nn.MaxPool2d(2)
        self.blocks = nn.Sequential()
        rates = depth_rates(recipe.stochastic_depth, len(recipe.widths))
        for out, rate in zip(recipe.widths, rates, strict=True):
            self.blocks.append(BaseBlock(recipe, width, out, rate))
            width = out
        self.head = Classifier(recipe.head, width, shape.classes, recipe.activation, recipe.norm)

    def features(self, images: Tensor) -> Tensor:
        """Return the means of the last block's maps, (B, widths[-1]), of images (B, channels, size, size)."""
        pooled: Tensor = self.blocks(self.pool(self.base(images))).mean(dim=(2, 3))
        return pooled


class BaseBlock(ResidualBlock):
    """Two 3x3 convolutions and the shortcut: the input, or a bare 1x1 stride-2 convolution where channels change."""

    def __init__(self, recipe: BaseResNetRecipe, width: int, out: int, depth_rate: float) -> None:
        # Not by make_conv, which gives a convolution without a norm a bias: these never have one.
        stride, shortcut = 1 if width == out else 2, None
        first = nn.Conv2d(width, out, 3, stride, padding=1, bias=False)
        second = nn.Conv2d(out, out, 3, padding=1, bias=False)
        if recipe.residual:
            shortcut = nn.Identity() if width == out else SampledConv2d(width, out, 1, stride, bias=False)
        super().__init__((first, second), recipe.norm, recipe.activation, shortcut, depth_rate)


def _layer(recipe: BaseResNetRecipe, width: int, out: int) -> nn.Sequential:
    """Return a layer of the base."""
    layer = nn.Sequential()
    layer.add_module("conv", nn.Conv2d(width, out, 3, padding=1, bias=False))
    layer.add_module("norm", make_norm(recipe.norm, out))
    layer.add_module("activation", ACTIVATIONS[recipe.activation]())
    return layer
