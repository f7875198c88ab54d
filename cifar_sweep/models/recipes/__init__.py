"""The settings of each model. Nothing here imports torch, so that recipes are validated without loading it."""

from cifar_sweep.models.recipes.airbench import AirbenchRecipe
from cifar_sweep.models.recipes.base_resnet import BaseResNetRecipe
from cifar_sweep.models.recipes.classic import (
    CbamCnnRecipe,
    ConvNetRecipe,
    LeNet5Recipe,
    PlainStem,
    SimpleCnnRecipe,
    TwoLayerRecipe,
)
from cifar_sweep.models.recipes.head import Head, TextHead
from cifar_sweep.models.recipes.literals import Activation, Norm, Squashing
from cifar_sweep.models.recipes.network import NetworkRecipe
from cifar_sweep.models.recipes.resnet import ResNetRecipe, Stem
from cifar_sweep.models.recipes.torchvision import TorchvisionRecipe
from cifar_sweep.models.recipes.wide_resnet import WideResNetRecipe

__all__ = [
    "Activation",
    "AirbenchRecipe",
    "BaseResNetRecipe",
    "CbamCnnRecipe",
    "ConvNetRecipe",
    "Head",
    "LeNet5Recipe",
    "NetworkRecipe",
    "Norm",
    "PlainStem",
    "ResNetRecipe",
    "SimpleCnnRecipe",
    "Squashing",
    "Stem",
    "TextHead",
    "TorchvisionRecipe",
    "TwoLayerRecipe",
    "WideResNetRecipe",
]
