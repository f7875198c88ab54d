"""A plain CNN with a convolutional block attention module (CBAM; Woo et al. 2018, arXiv:1807.06521)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cifar_sweep.models.head import Classifier
from cifar_sweep.models.layers import ACTIVATIONS, make_layer
from cifar_sweep.models.network import Network
from cifar_sweep.models.recipes import Activation, CbamCnnRecipe
from cifar_sweep.schema import Shape

SPATIAL_KERNEL = 7  # the best of the paper (its table 2), in pixels


def build(recipe: CbamCnnRecipe, shape: Shape) -> Network:
    """Return the untrained network of `recipe`: (B, channels, size, size) -> logits (B, classes)."""
    return CbamCnn(recipe, shape)


class CbamCnn(Network):
    """3x3 convolutions with a max-pool after the second, the attention, global average pooling, the head."""

    def __init__(self, recipe: CbamCnnRecipe, shape: Shape) -> None:
        super().__init__()
        self.layers = nn.Sequential()
        width = shape.channels
        for index, out in enumerate(recipe.widths):
            self.layers.append(make_layer(recipe.norm, recipe.activation, width, out, 3, pool=index == 1))
            width = out
        self.attention = nn.Sequential()
        if recipe.attention in ("channel", "both"):
            self.attention.add_module("channel", ChannelAttention(width, recipe.reduction, recipe.activation))
        if recipe.attention in ("spatial", "both"):
            self.attention.add_module("spatial", SpatialAttention())
        self.head = Classifier(recipe.head, width, shape.classes, recipe.activation, recipe.norm)

    def features(self, images: Tensor) -> Tensor:
        """Return the means of the maps after attention, (B, widths[-1]), of images (B, channels, size, size)."""
        pooled: Tensor = self.attention(self.layers(images)).mean(dim=(2, 3))
        return pooled


class ChannelAttention(nn.Module):
    """Scales each channel by sigmoid(MLP(its mean) + MLP(its maximum)), with one bias-free MLP (equation 2)."""

    def __init__(self, width: int, reduction: int, activation: Activation) -> None:
        super().__init__()
        self.reduce = nn.Linear(width, max(1, width // reduction), bias=False)
        self.activation = ACTIVATIONS[activation]()
        self.expand = nn.Linear(max(1, width // reduction), width, bias=False)

    def forward(self, maps: Tensor) -> Tensor:
        """(B, width, H, W) -> the same shape."""
        mean, largest = (self.expand(self.activation(self.reduce(p))) for p in (maps.mean((2, 3)), maps.amax((2, 3))))
        return maps * torch.sigmoid(mean + largest)[:, :, None, None]


class SpatialAttention(nn.Module):
    """Scales each pixel by the sigmoid of a 7x7 convolution of the channels' mean and maximum, no bias (equation 3)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, SPATIAL_KERNEL, padding=SPATIAL_KERNEL // 2, bias=False)

    def forward(self, maps: Tensor) -> Tensor:
        """(B, width, H, W) -> the same shape."""
        pooled = torch.cat([maps.mean(1, keepdim=True), maps.amax(1, keepdim=True)], dim=1)
        return maps * torch.sigmoid(self.conv(pooled))
