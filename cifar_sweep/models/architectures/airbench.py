"""The network of cifar10-airbench (Jordan 2024, arXiv:2404.00498; https://github.com/KellerJordan/cifar10-airbench).

As published: the 2x2 stem has two filters per dimension of a patch and is frozen once it whitens; a max-pool stands
between the first convolution of a block and its norm; batch norms have a running mean over about two batches (momentum
0.4 in torch's terms), an epsilon of 1e-12 and no trained gain; the convolutions have a Dirac start.

Different here: the classifier has a bias; random weights are drawn as in every network here (He et al. 2015); the last
max-pool covers the whole map whatever its size (for images of 32 pixels 3x3, as published); the logits' factor 1/9
stands before the classifier, so its bias is not scaled.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cifar_sweep.models.head import Classifier
from cifar_sweep.models.layers import ACTIVATIONS, make_conv, make_norm
from cifar_sweep.models.network import Network
from cifar_sweep.models.recipes import Activation, AirbenchRecipe, Norm
from cifar_sweep.schema import Shape

PATCH = 2  # side of the stem's kernel, in pixels
MOMENTUM, EPSILON = 0.4, 1e-12  # of the batch norms


def build(recipe: AirbenchRecipe, shape: Shape) -> Network:
    """Return the untrained network of `recipe`: (B, channels, size, size) -> logits (B, classes).

    The stem is random until `training.whitening.whiten` sets its filters.
    """
    return Airbench(recipe, shape)


class Airbench(Network):
    """The stem with 2 x 4 x channels filters, the blocks, the largest value of each map, the head."""

    def __init__(self, recipe: AirbenchRecipe, shape: Shape) -> None:
        super().__init__()
        width = 2 * shape.channels * PATCH**2
        self.whitening, self.bias_epochs = recipe.whitening, recipe.whiten_bias_epochs
        self.dirac_init, self.logit_scale = recipe.dirac_init, recipe.logit_scale
        self.stem = nn.Conv2d(shape.channels, width, PATCH, padding=recipe.stem_padding)
        self.activation = ACTIVATIONS[recipe.activation]()
        self.blocks = nn.Sequential()
        for out in recipe.widths:
            self.blocks.append(Block(recipe.norm, recipe.activation, width, out))
            width = out
        self.head = Classifier(recipe.head, width, shape.classes, recipe.activation, recipe.norm)
        for name in self.frozen(0):
            self.get_parameter(name).requires_grad_(False)

    def frozen(self, epoch: int) -> frozenset[str]:
        """Return the names of a whitening stem's weight and, after its epochs, bias, and of the batch norms' gains."""
        stem = ["stem.weight"] if self.whitening else []
        if self.whitening and epoch >= self.bias_epochs:
            stem.append("stem.bias")
        norms = (name for name, module in self.blocks.named_modules() if isinstance(module, nn.BatchNorm2d))
        return frozenset([*stem, *(f"blocks.{name}.weight" for name in norms)])

    @torch.no_grad()
    def after_draw(self) -> None:
        """Make the first filters of the 3x3 convolutions the identity, with `dirac_init`."""
        for block in self.blocks if self.dirac_init else ():
            assert isinstance(block, Block)
            for convolution in (block.conv1, block.conv2):
                nn.init.dirac_(convolution.weight[: convolution.in_channels])

    def features(self, images: Tensor) -> Tensor:
        """Return the scaled maxima of the last maps, (B, widths[-1]), of images (B, channels, size, size)."""
        maps: Tensor = self.blocks(self.activation(self.stem(images)))
        return maps.amax(dim=(2, 3)) * self.logit_scale


class Block(nn.Module):
    """A convolution, a 2x2 max-pool, norm, activation; another convolution, norm, activation."""

    def __init__(self, norm: Norm, activation: Activation, width: int, out: int) -> None:
        super().__init__()
        self.conv1, self.pool, self.norm1 = make_conv(norm, width, out, 3), nn.MaxPool2d(2), _norm(norm, out)
        self.conv2, self.norm2 = make_conv(norm, out, out, 3), _norm(norm, out)
        self.activation = ACTIVATIONS[activation]()

    def forward(self, maps: Tensor) -> Tensor:
        """(B, width, H, W) -> (B, out, H / 2, W / 2), rounded down."""
        inner = self.activation(self.norm1(self.pool(self.conv1(maps))))
        result: Tensor = self.activation(self.norm2(self.conv2(inner)))
        return result


def _norm(norm: Norm, width: int) -> nn.Module:
    """Return the normalisation, with airbench's constants where it is a batch norm."""
    return nn.BatchNorm2d(width, eps=EPSILON, momentum=MOMENTUM) if norm == "batch" else make_norm(norm, width)
