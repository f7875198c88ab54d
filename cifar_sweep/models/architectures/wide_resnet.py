"""Wide ResNet: pre-activation residual blocks, wide rather than deep (Zagoruyko & Komodakis 2016, arXiv:1605.07146).

Networks under 5,000,000 parameters with 10 classes and 3 channels, as (depth, widen): parameters, at the defaults:
(16, 4): 2,748,890; (16, 5): 4,289,754; (22, 4): 4,298,970; (28, 2): 1,467,610; (28, 3): 3,294,042; (40, 2): 2,243,546.
Over it: (40, 3): 5,038,554; (28, 4): 5,849,050; (16, 6): 6,172,122.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn

from cifar_sweep.models.head import Classifier
from cifar_sweep.models.layers import ACTIVATIONS, StochasticDepth, depth_rates, make_conv, make_norm
from cifar_sweep.models.network import Network
from cifar_sweep.models.recipes import WideResNetRecipe
from cifar_sweep.schema import Shape

STRIDES = (1, 2, 2)  # of each stage's first block


def build(recipe: WideResNetRecipe, shape: Shape) -> Network:
    """Return the untrained network of `recipe`: (B, channels, size, size) -> logits (B, classes)."""
    return WideResNet(recipe, shape)


class WideResNet(Network):
    """The stem, three stages of pre-activation blocks, a last normalisation, global average pooling, the head."""

    def __init__(self, recipe: WideResNetRecipe, shape: Shape) -> None:
        super().__init__()
        stem, width = recipe.stem, recipe.width
        self.stem = nn.Sequential()
        # The first block normalises what the stem gives, so the stem has no norm and needs no bias.
        conv = nn.Conv2d(shape.channels, width, stem.kernel, stem.stride, stem.kernel // 2, bias=recipe.norm == "none")
        self.stem.add_module("conv", conv)
        if stem.pool:
            self.stem.add_module("pool", nn.MaxPool2d(3, stride=2, padding=1))
        self.stages = nn.Sequential()
        rates = depth_rates(recipe.stochastic_depth, 3 * recipe.blocks)
        for out, stride in zip(recipe.widths, STRIDES, strict=True):
            self.stages.append(_stage(recipe, width, out, stride, rates))
            width = out
        self.norm = make_norm(recipe.norm, width)
        self.activation = ACTIVATIONS[recipe.activation]()
        self.head = Classifier(recipe.head, width, shape.classes, recipe.activation, recipe.norm)

    def features(self, images: Tensor) -> Tensor:
        """Return the means of the last stage's activated maps, (B, widths[-1]), of images (B, channels, size, size)."""
        pooled: Tensor = self.activation(self.norm(self.stages(self.stem(images)))).mean(dim=(2, 3))
        return pooled


class PreActivationBlock(nn.Module):
    """Normalisation, activation and 3x3 convolution, twice, with dropout between, and the shortcut around them.

    Where the channels or the size change, the shortcut is a 1x1 convolution of the activated input, else the input.
    """

    def __init__(self, recipe: WideResNetRecipe, width: int, out: int, stride: int, depth_rate: float) -> None:
        super().__init__()
        self.residual = recipe.residual
        self.projects = stride != 1 or width != out
        self.activation = ACTIVATIONS[recipe.activation]()
        self.norm1 = make_norm(recipe.norm, width)
        self.conv1 = make_conv(recipe.norm, width, out, 3, stride)
        self.norm2 = make_norm(recipe.norm, out)
        self.dropout = nn.Dropout(recipe.dropout)
        self.conv2 = make_conv(recipe.norm, out, out, 3)
        if recipe.residual:
            self.shortcut = make_conv(recipe.norm, width, out, 1, stride) if self.projects else nn.Identity()
            self.stochastic_depth = StochasticDepth(depth_rate)

    def forward(self, features: Tensor) -> Tensor:
        """(B, width, H, W) -> (B, out, H / stride, W / stride), rounded up."""
        activated = self.activation(self.norm1(features))
        inner: Tensor = self.activation(self.norm2(self.conv1(activated)))
        inner = self.conv2(self.dropout(inner))
        if not self.residual:
            return inner
        result: Tensor = self.shortcut(activated if self.projects else features) + self.stochastic_depth(inner)
        return result


def _stage(recipe: WideResNetRecipe, width: int, out: int, stride: int, rates: Iterator[float]) -> nn.Sequential:
    """Return a stage, whose first block changes width and size."""
    stage = nn.Sequential(PreActivationBlock(recipe, width, out, stride, next(rates)))
    for _ in range(recipe.blocks - 1):
        stage.append(PreActivationBlock(recipe, out, out, 1, next(rates)))
    return stage
