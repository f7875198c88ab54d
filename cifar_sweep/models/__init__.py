"""The models by name.

To add one, say `tiny_net`:

1. Write its settings in `recipes/tiny_net.py` and add them to `SingleNetwork` in `recipes/single.py`:
       class TinyNetRecipe(NetworkRecipe):
           name: Literal["tiny_net"] = Field(default="tiny_net", description="The model's name.")
           width: Width = Field(default=32, description="Channels of the one convolution.")
           head: Head = Field(default=Head(), description="The classifier on the pooled features.")
2. Write its network in `architectures/tiny_net.py`, a `Network` (network.py) whose submodule `head` is the classifier:
       def build(recipe: TinyNetRecipe, shape: Shape) -> Network: ...

With the method `scaled`, `over_budget: shrink` can make it narrower. A network maps images (B, channels, size, size)
to logits (B, classes). Its module is imported when a network is built, so that recipes load no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Annotated

from pydantic import Discriminator

from cifar_sweep.models.recipes.hierarchical import HierarchicalRecipe
from cifar_sweep.models.recipes.single import SingleNetwork
from cifar_sweep.models.union import ByName
from cifar_sweep.schema import Shape

if TYPE_CHECKING:
    from cifar_sweep.models.network import Network

# The type of the field `model` of a recipe: one network, or a hierarchy of several.
AnyNetwork = SingleNetwork | HierarchicalRecipe
ModelRecipe = Annotated[AnyNetwork, Discriminator("name"), ByName(AnyNetwork)]


def build(recipe: AnyNetwork, shape: Shape) -> Network:
    """Return the untrained network of `recipe` for images and classes of `shape`.

    On the meta device the images are not sent through the network to check their size; `cost.network_cost` does it.

    Raises:
        ValueError: The images are too small for the network, or its settings contradict each other or the classes.

    Example:
        network = build(ResNetRecipe(), Shape(channels=3, size=32, classes=10))
    """
    # By the recipe's name, and only now: importing it loads torch.
    network: Network = importlib.import_module(f"cifar_sweep.models.architectures.{recipe.name}").build(recipe, shape)
    if not next(network.parameters()).is_meta:
        importlib.import_module("cifar_sweep.models.size").check_size(network, shape)
    return network
