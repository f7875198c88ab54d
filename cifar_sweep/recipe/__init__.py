"""The recipe: everything that decides how an image classifier is trained, with defaults for CIFAR-10."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from cifar_sweep.models import ModelRecipe
from cifar_sweep.models.recipes import ResNetRecipe
from cifar_sweep.recipe.augment import AugmentRecipe
from cifar_sweep.recipe.data import SHAPES, DataRecipe
from cifar_sweep.recipe.optim import OptimizerRecipe, ScheduleRecipe
from cifar_sweep.recipe.regularization import RegularizationRecipe
from cifar_sweep.section import Section

__all__ = [
    "SHAPES",
    "AugmentRecipe",
    "DataRecipe",
    "ModelRecipe",
    "OptimizerRecipe",
    "Recipe",
    "RegularizationRecipe",
    "ScheduleRecipe",
]


class Recipe(Section):
    """How one image classifier is trained. The defaults train a ResNet of 2.8 million parameters on CIFAR-10."""

    data: DataRecipe = Field(default=DataRecipe(), description="Which images.")
    augment: AugmentRecipe = Field(default=AugmentRecipe(), description="What happens to the pixels.")
    model: ModelRecipe = Field(default=ResNetRecipe(), description="The network.")
    optimizer: OptimizerRecipe = Field(default=OptimizerRecipe(), description="The optimizer.")
    schedule: ScheduleRecipe = Field(default=ScheduleRecipe(), description="The learning rate over the steps.")
    regularization: RegularizationRecipe = Field(default=RegularizationRecipe(), description="Against overfitting.")
    epochs: int = Field(default=30, ge=1, description="Passes over the training images.")
    batch_size: int = Field(default=128, ge=1, description="Images per step; a last incomplete batch is left out.")
    precision: Literal["auto", "fp32", "bf16"] = Field(
        default="auto", description="Arithmetic of the network; auto: bf16 where the device computes in it, else fp32."
    )
    draws: int = Field(
        default=0,
        ge=0,
        description="Which stream of random numbers the seed stands for: another value draws initial weights, order, "
        "augmentation, dropout and label noise anew, but not the split. A null component to check an ablation with.",
    )

    @model_validator(mode="after")
    def _parts_agree(self) -> Recipe:
        limit, shape = self.data.train_limit, self.data.shape
        if self.schedule.warmup_epochs > self.epochs:
            raise ValueError(f"schedule.warmup_epochs is {self.schedule.warmup_epochs} but epochs is {self.epochs}")
        if limit is not None and self.batch_size > limit:
            raise ValueError(f"batch_size is {self.batch_size} but data.train_limit is {limit}")
        if self.batch_size == 1 and self.model.norm == "batch":
            raise ValueError("batch_size is 1 but model.norm is batch, which needs 2 images or more")
        if self.augment.crop >= shape.size:
            raise ValueError(f"augment.crop is {self.augment.crop} but the images have {shape.size} pixels a side")
        return self
