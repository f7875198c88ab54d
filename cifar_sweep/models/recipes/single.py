"""The union of the settings of all single networks."""

from __future__ import annotations

from typing import Annotated

from pydantic import Discriminator

from cifar_sweep.models.recipes.airbench import AirbenchRecipe
from cifar_sweep.models.recipes.base_resnet import BaseResNetRecipe
from cifar_sweep.models.recipes.classic import (
    CbamCnnRecipe,
    ConvNetRecipe,
    LeNet5Recipe,
    SimpleCnnRecipe,
    TwoLayerRecipe,
)
from cifar_sweep.models.recipes.resnet import ResNetRecipe
from cifar_sweep.models.recipes.torchvision import TorchvisionRecipe
from cifar_sweep.models.recipes.wide_resnet import WideResNetRecipe
from cifar_sweep.models.union import ByName

SingleNetwork = (
    ResNetRecipe
    | WideResNetRecipe
    | BaseResNetRecipe
    | SimpleCnnRecipe
    | TwoLayerRecipe
    | LeNet5Recipe
    | ConvNetRecipe
    | CbamCnnRecipe
    | AirbenchRecipe
    | TorchvisionRecipe
)

# The type of a field: chosen by `name`; without a name, a resnet.
SingleRecipe = Annotated[SingleNetwork, Discriminator("name"), ByName(SingleNetwork)]
