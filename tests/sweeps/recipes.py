"""A small workload for the tests of the study grammar: nested settings, a rule between two of them, three toggles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from sweeps.workload import Run, Workload, load


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Data(Section):
    name: str = "blobs"


class Model(Section):
    widths: tuple[int, ...] = Field((8, 8), strict=False)
    blocks: tuple[int, ...] = Field((1, 1), strict=False)
    activation: Literal["relu", "identity"] = "relu"
    dropout: float = Field(0.0, ge=0, lt=1)

    @model_validator(mode="after")
    def _stages_agree(self) -> Model:
        if len(self.widths) != len(self.blocks):
            raise ValueError(f"widths has {len(self.widths)} stages but blocks has {len(self.blocks)}")
        return self


class Optimizer(Section):
    name: Literal["sgd", "adam"] = "sgd"
    lr: float = Field(0.1, gt=0)
    momentum: float = Field(0.9, ge=0, lt=1)


class Recipe(Section):
    data: Data = Data()
    model: Model = Model()
    optimizer: Optimizer = Optimizer()
    epochs: int = Field(10, ge=1)
    batch_size: int = Field(32, ge=1)


class Blobs:
    """A workload with all capabilities that the checks use."""

    def train(self, recipe: Recipe, run: Run) -> Iterator[Mapping[str, float]]:
        yield {"val_accuracy": 1.0}

    def cost(self, recipe: Recipe) -> dict[str, int]:
        raise AssertionError("checking a study computes no cost")

    def chance(self, recipe: Recipe) -> dict[str, float]:
        return {"train_loss": 1.0, "val_loss": 1.0, "val_accuracy": 50.0}

    def toggles(self) -> dict[str, dict[str, Any]]:
        return {
            "relu": {"model.activation": "identity"},
            "dropout": {"model.dropout": 0.0},
            "momentum": {"optimizer.momentum": 0.0},
        }


blobs = Blobs()


def bare(recipe: Optimizer, run: Run) -> Iterator[Mapping[str, float]]:
    """Train nothing: a workload without capabilities and without `epochs`."""
    yield {"loss": recipe.lr}


class ReluRecipe(Recipe):
    """A recipe with a rule between two settings of a section."""

    @model_validator(mode="after")
    def _dropout_needs_relu(self) -> ReluRecipe:
        if self.model.dropout and self.model.activation != "relu":
            raise ValueError("dropout needs relu")
        return self


class CountedBlobs(Blobs):
    """Blobs whose cost may be asked for."""

    def cost(self, recipe: Recipe) -> dict[str, int]:
        return {"parameters": sum(recipe.model.widths), "macs": sum(recipe.model.widths)}


counted_blobs = CountedBlobs()


class ReluBlobs(Blobs):
    def train(self, recipe: ReluRecipe, run: Run) -> Iterator[Mapping[str, float]]:
        yield {"val_accuracy": 1.0}


relu_blobs = ReluBlobs()


def workload(name: str = "tests.sweeps.recipes:blobs") -> Workload:
    return load(name)
