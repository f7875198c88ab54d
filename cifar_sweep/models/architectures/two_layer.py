"""Fully connected layers on the pixels: one of 512 units in the classic form; 1024, 512 and 256 in the improved one."""

from __future__ import annotations

from torch import Tensor, nn

from cifar_sweep.models.head import Classifier
from cifar_sweep.models.layers import ACTIVATIONS
from cifar_sweep.models.network import Network
from cifar_sweep.models.recipes import TwoLayerRecipe
from cifar_sweep.schema import Shape


def build(recipe: TwoLayerRecipe, shape: Shape) -> Network:
    """Return the untrained network of `recipe`: (B, channels, size, size) -> logits (B, classes)."""
    return TwoLayer(recipe, shape)


class TwoLayer(Network):
    """Hidden layers, each with an activation and a dropout, and the head."""

    def __init__(self, recipe: TwoLayerRecipe, shape: Shape) -> None:
        super().__init__()
        self.layers = nn.Sequential()
        width = shape.channels * shape.size**2
        for out in recipe.hidden:
            layer = nn.Sequential()
            layer.add_module("linear", nn.Linear(width, out))
            layer.add_module("activation", ACTIVATIONS[recipe.activation]())
            layer.add_module("dropout", nn.Dropout(recipe.dropout))
            self.layers.append(layer)
            width = out
        self.head = Classifier(recipe.head, width, shape.classes, recipe.activation)

    def features(self, images: Tensor) -> Tensor:
        """Return the last hidden layer, (B, hidden[-1]), of images (B, channels, size, size)."""
        hidden: Tensor = self.layers(images.flatten(1))
        return hidden
