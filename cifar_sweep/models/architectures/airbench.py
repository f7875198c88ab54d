"""The network of cifar10-airbench (Jordan 2024, arXiv:2404.00498; https://github.com/KellerJordan/cifar10-airbench).

As published: the 2x2 stem with two filters per dimension of a patch, frozen once it whitens; max-pool between the first
convolution of a block and its norm; batch norms with a running mean over about two batches (momentum 0.4 in torch's
terms), an epsilon of 1e-12 and no gain; a Dirac start. Ours differs in that a classifier has a bias, that what is drawn
is drawn as in every network here (He et al. 2015), that the last max-pool takes the whole map whatever its size (for
32 pixels 3x3, as published), and that the logits' factor 1/9 stands before the classifier: its bias is not scaled.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cifar_sweep.models.head import Classifier
from cifar_sweep.models.layers import ACTIVATIONS, make_conv, make_norm
from cifar_sweep.models.network import Network
from cifar_sweep.models.recipes import Activation, AirbenchRecipe, Norm
from cifar_sweep.schema import Shape

PATCH = 2  # pixels a side
MOMENTUM, EPSILON = 0.4, 1e-12


def build(recipe: AirbenchRecipe, shape: Shape) -> Network:
    """The network of `recipe`: (B, channels, size, size) -> logits (B, classes). Until `whiten` its stem is random."""
    return Airbench(recipe, shape)


class Airbench(Network):
    """The stem with 2 x channels x 4 filters, the blocks, the largest value of each map, the head."""

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
        """A whitening stem's weight, from `whiten_bias_epochs` on its bias too; the gains of the batch norms."""
        stem = ["stem.weight"] if self.whitening else []
        if self.whitening and epoch >= self.bias_epochs:
            stem.append("stem.bias")
        norms = (name for name, module in self.blocks.named_modules() if isinstance(module, nn.BatchNorm2d))
        return frozenset([*stem, *(f"blocks.{name}.weight" for name in norms)])

    @torch.no_grad()
    def after_draw(self) -> None:
        """Make the first filters of the 3x3 convolutions the identity, where the recipe says so."""
        for block in self.blocks if self.dirac_init else ():
            assert isinstance(block, Block)
            for convolution in (block.conv1, block.conv2):
                nn.init.dirac_(convolution.weight[: convolution.in_channels])

    def features(self, images: Tensor) -> Tensor:
        """The largest value of each of the last maps, scaled, (B, widths[-1]), of images (B, channels, size, size)."""
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
    return nn.BatchNorm2d(width, eps=EPSILON, momentum=MOMENTUM) if norm == "batch" else make_norm(norm, width)
