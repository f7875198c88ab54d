"""The models by name. To add one, say `tiny_net`:

1. its settings in `recipes/`, listed in `recipes/__init__.py` and in `SingleNetwork` of `recipes/single.py`:
       class TinyNetRecipe(NetworkRecipe):
           name: Literal["tiny_net"] = Field(default="tiny_net", description="The model's name.")
           width: Width = Field(default=32, description="Channels of the one convolution.")
           head: Head = Field(default=Head(), description="The classifier on the pooled features.")
2. its network in `tiny_net.py`: a `Network` (network.py), whose submodule `head` is the classifier:
       def build(recipe: TinyNetRecipe, shape: Shape) -> Network: ...

With the method `scaled`, `over_budget: shrink` can make it narrower. A network takes images (B, channels, size, size)
to logits (B, classes). Its module is imported when one is built, so that recipes load no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Annotated

from pydantic import Discriminator

from cifar_sweep.models.choice import ByName
from cifar_sweep.models.recipes.hierarchical import HierarchicalRecipe
from cifar_sweep.models.recipes.single import SingleNetwork
from cifar_sweep.schema import Shape

if TYPE_CHECKING:
    from cifar_sweep.models.network import Network

# The field `model` of a recipe: one network, or several as one.
AnyNetwork = SingleNetwork | HierarchicalRecipe
ModelRecipe = Annotated[AnyNetwork, Discriminator("name"), ByName(AnyNetwork)]


def build(recipe: AnyNetwork, shape: Shape) -> Network:
    """The untrained network of `recipe` for images of `shape`.

    Raises ValueError when the images are too small for it, and where its settings do not go together. A network built
    on the meta device is not sent through (cost.py does it).
    """
    network: Network = importlib.import_module(f"cifar_sweep.models.architectures.{recipe.name}").build(recipe, shape)
    if not next(network.parameters()).is_meta:
        importlib.import_module("cifar_sweep.models.size").check_size(network, shape)
    return network
