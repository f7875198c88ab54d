"""The models by name. To add one: its settings in `recipes.py`, its network in a module named after it, a line here.

The module has the function `build(recipe, shape) -> nn.Module`, from images (B, channels, size, size) to logits
(B, classes). It is imported when a network is built, so that recipes load no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from cifar_sweep.models.recipes import ResNetRecipe
from cifar_sweep.section import Shape

if TYPE_CHECKING:
    from torch import nn

# A second model makes this Annotated[ResNetRecipe | OtherRecipe, Field(discriminator="name")].
ModelRecipe = ResNetRecipe


def build(recipe: ModelRecipe, shape: Shape) -> nn.Module:
    """The untrained network of `recipe` for images of `shape`. Raises ValueError when the images are too small."""
    network: nn.Module = importlib.import_module(f"cifar_sweep.models.{recipe.name}").build(recipe, shape)
    return network
