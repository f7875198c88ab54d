"""A small workload whose model is a union of types with a `name` each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from sweeps.workload import Run


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Head(Section):
    hidden: tuple[int, ...] = Field((), strict=False)
    dropout: float = Field(0.0, ge=0, lt=1)


class ResNet(Section):
    name: Literal["resnet"] = "resnet"
    widths: tuple[int, ...] = Field((8, 16), strict=False)
    blocks: tuple[int, ...] = Field((1, 1), strict=False)
    activation: Literal["relu", "identity"] = "relu"
    head: Head = Head()

    @model_validator(mode="after")
    def _stages_agree(self) -> ResNet:
        if len(self.widths) != len(self.blocks):
            raise ValueError(f"widths has {len(self.widths)} stages but blocks has {len(self.blocks)}")
        return self


class LeNet5(Section):
    name: Literal["lenet5"] = "lenet5"
    kernel: int = Field(5, ge=1)
    activation: Literal["tanh", "sigmoid", "relu"] = "tanh"
    head: Head = Head(hidden=(84,))


class Linear(Section):
    name: Literal["linear"] = "linear"


class Rotation(Section):
    degrees: float = Field(15.0, gt=0)
    fill: float = 0.0


class Augment(Section):
    rotation: Rotation | None = None
    flip: bool = True


class Optimizer(Section):
    name: Literal["sgd", "adamw"] = "sgd"
    lr: float = Field(0.1, gt=0)


class Recipe(Section):
    model: Annotated[ResNet | LeNet5 | Linear, Field(discriminator="name")] = ResNet()
    augment: Augment = Augment()
    optimizer: Optimizer = Optimizer()
    epochs: int = Field(2, ge=1)


class Plain(Section):
    """A recipe with the same union, but without a pydantic discriminator."""

    model: ResNet | LeNet5 | Linear = ResNet()


TOGGLES: Mapping[str, Mapping[str, Any]] = {
    "relu": {"model.activation": "identity"},
    "norm": {"model.blocks": [1, 1]},
    "rotation": {"augment.rotation": None},
}


def train(recipe: Recipe, run: Run) -> Iterator[Mapping[str, float]]:
    """Yield an accuracy that depends on the model, the epoch and the rotation."""
    for epoch in range(run.epoch, recipe.epochs):
        points = {"resnet": 70.0, "lenet5": 50.0, "linear": 30.0}[recipe.model.name] + epoch
        yield {"val_accuracy": points + (recipe.augment.rotation.degrees / 10 if recipe.augment.rotation else 0.0)}
        with run.checkpoint() as folder:
            (folder / "state").write_text(recipe.model.name)


def toggles() -> dict[str, dict[str, Any]]:
    """Return the components that can be removed."""
    return {name: dict(edit) for name, edit in TOGGLES.items()}


def cost(recipe: Recipe) -> dict[str, int]:
    """Return parameters by the type of model."""
    return {"parameters": {"resnet": 1000, "lenet5": 100, "linear": 10}[recipe.model.name]}


def plain(recipe: Plain, run: Run) -> Iterator[Mapping[str, float]]:
    """Train nothing: the workload of `Plain`."""
    yield {"val_accuracy": 1.0}
