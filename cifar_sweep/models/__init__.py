"""The models by name. To add one, say `tiny_net`:

1. its settings in `recipes/`, and the class in the list of `recipes/__init__.py`:
       class TinyNetRecipe(NetworkRecipe):
           name: Literal["tiny_net"] = Field(default="tiny_net", description="The model's name.")
           width: Width = Field(default=32, description="Channels of the one convolution.")
           head: Head = Field(default=Head(), description="The classifier on the pooled features.")
2. its network in `tiny_net.py`: a `Network` (network.py), whose submodule `head` is the classifier:
       def build(recipe: TinyNetRecipe, shape: Shape) -> Network: ...
3. a line below, in `SingleRecipe`; `scaled` in the recipe lets `over_budget: shrink` scale it.

A network takes images (B, channels, size, size) to logits (B, classes). Its module is imported when one is built, so
that recipes load no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from cifar_sweep.models.recipes import ResNetRecipe
from cifar_sweep.section import Shape

if TYPE_CHECKING:
    from cifar_sweep.models.network import Network

SingleRecipe = ResNetRecipe

# The settings of a network of any name; without a name those of a resnet.
ModelRecipe = SingleRecipe


def build(recipe: ModelRecipe, shape: Shape) -> Network:
    """The untrained network of `recipe` for images of `shape`. Raises ValueError when the images are too small."""
    network: Network = importlib.import_module(f"cifar_sweep.models.{recipe.name}").build(recipe, shape)
    return network
