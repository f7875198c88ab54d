"""A plain ConvNet: a strided first convolution, convolutions with max-pools, global average pooling, the head."""

from __future__ import annotations

from torch import Tensor, nn

from cifar_sweep.models.head import Classifier
from cifar_sweep.models.layers import make_layer
from cifar_sweep.models.network import Network
from cifar_sweep.models.recipes import ConvNetRecipe
from cifar_sweep.schema import Shape


def build(recipe: ConvNetRecipe, shape: Shape) -> Network:
    """Return the untrained network of `recipe`: (B, channels, size, size) -> logits (B, classes)."""
    return ConvNet(recipe, shape)


class ConvNet(Network):
    """Layers of convolution, norm and activation, global average pooling, the head.

    A 2x2 max-pool ends every layer but the first and the last.
    """

    def __init__(self, recipe: ConvNetRecipe, shape: Shape) -> None:
        super().__init__()
        stem, (width, *widths) = recipe.stem, recipe.widths
        norm, activation = recipe.norm, recipe.activation
        self.layers = nn.Sequential(
            make_layer(norm, activation, shape.channels, width, stem.kernel, stem.stride, stem.padding)
        )
        for index, (out, kernel) in enumerate(zip(widths, recipe.kernels, strict=True), 1):
            self.layers.append(make_layer(norm, activation, width, out, kernel, pool=index < len(widths)))
            width = out
        self.head = Classifier(recipe.head, width, shape.classes, activation, norm)

    def features(self, images: Tensor) -> Tensor:
        """Return the means of the last maps, (B, widths[-1]), of images (B, channels, size, size)."""
        pooled: Tensor = self.layers(images).mean(dim=(2, 3))
        return pooled
