"""The settings of each model. No torch here: a recipe is validated long before anything trains."""

from cifar_sweep.models.recipes.head import Head, TextHead
from cifar_sweep.models.recipes.literals import Activation, Norm, Squashing
from cifar_sweep.models.recipes.network import NetworkRecipe
from cifar_sweep.models.recipes.resnet import ResNetRecipe, Stem

__all__ = ["Activation", "Head", "NetworkRecipe", "Norm", "ResNetRecipe", "Squashing", "Stem", "TextHead"]
