"""ResNet: a stem, stages of basic blocks, global average pooling, a linear classifier."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from cifar_sweep.models.recipes import ResNetRecipe
from cifar_sweep.section import Shape

GROUP_CHANNELS = 16  # channels per group of group norm (Wu & He 2018, arXiv:1803.08494)

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "leaky_relu": nn.LeakyReLU,
    "identity": nn.Identity,
}


def build(recipe: ResNetRecipe, shape: Shape) -> nn.Module:
    """The network of `recipe`: (B, channels, size, size) -> logits (B, classes). Raises ValueError: image too small."""
    _check_size(recipe, shape.size)
    return ResNet(recipe, shape)


class ResNet(nn.Module):
    """A ResNet of basic blocks. Names of parameters do not depend on which optional parts are on."""

    def __init__(self, recipe: ResNetRecipe, shape: Shape) -> None:
        super().__init__()
        stem, width = recipe.stem, recipe.widths[0]
        self.stem = nn.Sequential()
        self.stem.add_module("conv", _conv(recipe, shape.channels, width, stem.kernel, stem.stride))
        self.stem.add_module("norm", _norm(recipe, width))
        self.stem.add_module("activation", ACTIVATIONS[recipe.activation]())
        if stem.pool:
            self.stem.add_module("pool", nn.MaxPool2d(3, stride=2, padding=1))
        self.stages = nn.Sequential()
        for blocks, out, stride in zip(recipe.blocks, recipe.widths, recipe.strides, strict=True):
            self.stages.append(_stage(recipe, blocks, width, out, stride))
            width = out
        self.dropout = nn.Dropout(recipe.dropout)
        self.classifier = nn.Linear(width, shape.classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, classes) of images (B, channels, size, size)."""
        features = self.stages(self.stem(images)).mean(dim=(2, 3))
        logits: Tensor = self.classifier(self.dropout(features))
        return logits


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and, where residual, the shortcut around them."""

    def __init__(self, recipe: ResNetRecipe, width: int, out: int, stride: int) -> None:
        super().__init__()
        self.residual = recipe.residual
        self.conv1 = _conv(recipe, width, out, 3, stride)
        self.norm1 = _norm(recipe, out)
        self.conv2 = _conv(recipe, out, out, 3, 1)
        self.norm2 = _norm(recipe, out)
        self.activation = ACTIVATIONS[recipe.activation]()
        if recipe.residual:
            self.shortcut = _shortcut(recipe, width, out, stride)
        # Without a shortcut a zero gain would silence the block for good.
        if recipe.residual and recipe.zero_init and isinstance(self.norm2, nn.BatchNorm2d | nn.GroupNorm):
            nn.init.zeros_(self.norm2.weight)

    def forward(self, features: Tensor) -> Tensor:
        """(B, width, H, W) -> (B, out, H / stride, W / stride), rounded up."""
        inner = self.activation(self.norm1(self.conv1(features)))
        inner = self.norm2(self.conv2(inner))
        result: Tensor = self.activation(inner + self.shortcut(features) if self.residual else inner)
        return result


class SampledConv2d(nn.Conv2d):
    """A 1x1 convolution with a stride, as one without on every stride-th pixel: the same numbers.

    oneDNN's strided kernel corrupts the heap in its backward pass (found with valgrind: torch 2.15, AVX2 without
    AVX-512, one thread, channels last, fewer than 8 input channels).
    """

    def forward(self, features: Tensor) -> Tensor:
        """(B, width, H, W) -> (B, out, H / stride, W / stride), rounded up."""
        rows, columns = self.stride
        sampled = features[:, :, ::rows, ::columns].contiguous(memory_format=torch.channels_last)
        return conv2d(sampled, self.weight, self.bias)


def _stage(recipe: ResNetRecipe, blocks: int, width: int, out: int, stride: int) -> nn.Sequential:
    first = BasicBlock(recipe, width, out, stride)
    return nn.Sequential(first, *(BasicBlock(recipe, out, out, 1) for _ in range(blocks - 1)))


def _shortcut(recipe: ResNetRecipe, width: int, out: int, stride: int) -> nn.Sequential:
    projection = nn.Sequential()
    if stride != 1 or width != out:
        projection.add_module("conv", _conv(recipe, width, out, 1, stride))
        projection.add_module("norm", _norm(recipe, out))
    return projection


def _conv(recipe: ResNetRecipe, width: int, out: int, kernel: int, stride: int) -> nn.Conv2d:
    # A norm has its own shift, so a bias before it would do nothing; without one, the bias is the only shift there is.
    kind = SampledConv2d if kernel == 1 and stride > 1 else nn.Conv2d
    return kind(width, out, kernel, stride, padding=kernel // 2, bias=recipe.norm == "none")


def _norm(recipe: ResNetRecipe, width: int) -> nn.Module:
    if recipe.norm == "batch":
        return nn.BatchNorm2d(width)
    if recipe.norm == "group":
        return nn.GroupNorm(width // GROUP_CHANNELS if width % GROUP_CHANNELS == 0 else 1, width)
    return nn.Identity()


def _check_size(recipe: ResNetRecipe, size: int) -> None:
    side = size
    steps = [("the stem", "model.stem.stride", recipe.stem.stride)]
    steps += [("the stem's pool", "model.stem.pool", 2)] if recipe.stem.pool else []
    steps += [(f"stage {index}", "model.strides", stride) for index, stride in enumerate(recipe.strides, 1)]
    for where, key, stride in steps:
        if side < stride:
            raise ValueError(
                f"{key}: {where} has stride {stride} but gets a map of {side}x{side} pixels from the "
                f"{size}x{size} image; lower a stride or take a stage away"
            )
        side = -(-side // stride)
