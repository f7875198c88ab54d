"""ResNet of basic blocks (He et al. 2015, arXiv:1512.03385): a stem, stages, global average pooling, the head."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn

from cifar_sweep.models.head import Classifier
from cifar_sweep.models.layers import ACTIVATIONS, ResidualBlock, depth_rates, make_conv, make_norm
from cifar_sweep.models.network import Network
from cifar_sweep.models.recipes import ResNetRecipe
from cifar_sweep.schema import Shape


def build(recipe: ResNetRecipe, shape: Shape) -> Network:
    """Return the untrained network of `recipe`: (B, channels, size, size) -> logits (B, classes).

    Raises:
        ValueError: The images are too small for the strides; the message names the stage.
    """
    _check_size(recipe, shape.size)
    return ResNet(recipe, shape)


class ResNet(Network):
    """The stem, the stages, the head. Names of parameters do not depend on which optional parts are on."""

    def __init__(self, recipe: ResNetRecipe, shape: Shape) -> None:
        super().__init__()
        stem, width = recipe.stem, recipe.widths[0]
        self.stem = nn.Sequential()
        self.stem.add_module("conv", make_conv(recipe.norm, shape.channels, width, stem.kernel, stem.stride))
        self.stem.add_module("norm", make_norm(recipe.norm, width))
        self.stem.add_module("activation", ACTIVATIONS[recipe.activation]())
        if stem.pool:
            self.stem.add_module("pool", nn.MaxPool2d(3, stride=2, padding=1))
        self.stages = nn.Sequential()
        rates = depth_rates(recipe.stochastic_depth, sum(recipe.blocks))
        for blocks, out, stride in zip(recipe.blocks, recipe.widths, recipe.strides, strict=True):
            self.stages.append(_stage(recipe, blocks, width, out, stride, rates))
            width = out
        self.head = Classifier(recipe.head, width, shape.classes, recipe.activation, recipe.norm)

    def features(self, images: Tensor) -> Tensor:
        """Return the means of the last stage's maps, (B, widths[-1]), of images (B, channels, size, size)."""
        pooled: Tensor = self.stages(self.stem(images)).mean(dim=(2, 3))
        return pooled


class BasicBlock(ResidualBlock):
    """Two 3x3 convolutions and, with `residual`, the shortcut around them."""

    def __init__(self, recipe: ResNetRecipe, width: int, out: int, stride: int, depth_rate: float) -> None:
        convolutions = (make_conv(recipe.norm, width, out, 3, stride), make_conv(recipe.norm, out, out, 3))
        shortcut = _shortcut(recipe, width, out, stride) if recipe.residual else None
        super().__init__(convolutions, recipe.norm, recipe.activation, shortcut, depth_rate)
        # Without a shortcut a zero gain would silence the block for good.
        if recipe.residual and recipe.zero_init and isinstance(self.norm2, nn.BatchNorm2d | nn.GroupNorm):
            nn.init.zeros_(self.norm2.weight)


def _stage(
    recipe: ResNetRecipe, blocks: int, width: int, out: int, stride: int, rates: Iterator[float]
) -> nn.Sequential:
    """Return a stage, whose first block changes width and size."""
    first = BasicBlock(recipe, width, out, stride, next(rates))
    return nn.Sequential(first, *(BasicBlock(recipe, out, out, 1, next(rates)) for _ in range(blocks - 1)))


def _shortcut(recipe: ResNetRecipe, width: int, out: int, stride: int) -> nn.Sequential:
    """Return a shortcut: a 1x1 convolution and a norm where width or size change, else the identity."""
    projection = nn.Sequential()
    if stride != 1 or width != out:
        projection.add_module("conv", make_conv(recipe.norm, width, out, 1, stride))
        projection.add_module("norm", make_norm(recipe.norm, out))
    return projection


def _check_size(recipe: ResNetRecipe, size: int) -> None:
    """Raise ValueError, naming the key, where a map becomes smaller than a stride."""
    side = size
    steps = [("the stem", "model.stem.stride", recipe.stem.stride)]
    steps += [("the stem's pool", "model.stem.pool", 2)] if recipe.stem.pool else []
    steps += [(f"stage {index}", "model.strides", stride) for index, stride in enumerate(recipe.strides, 1)]
    for where, key, stride in steps:
        if side < stride:
            raise ValueError(
                f"{key}: {where} has stride {stride} but gets a map of {side}x{side} pixels from the "
                f"{size}x{size} image; lower a stride or remove a stage"
            )
        side = -(-side // stride)  # rounded up: the convolutions are padded
