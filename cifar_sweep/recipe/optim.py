"""The optimizer and the learning rate."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from cifar_sweep.section import Section


class OptimizerRecipe(Section):
    """The optimizer. Settings that the named one does not have are ignored."""

    name: Literal["sgd", "adam", "adamw"] = Field(default="sgd", description="The optimizer.")
    lr: float = Field(default=0.1, gt=0, description="Peak learning rate.")
    momentum: float = Field(default=0.9, ge=0, lt=1, description="Momentum of sgd.")
    nesterov: bool = Field(default=True, description="Whether sgd's momentum is Nesterov's.")
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = Field(
        default=(0.9, 0.999),
        strict=False,
        description="Decay of the running means of gradient and square: adam, adamw.",
    )
    weight_decay: float = Field(
        default=5e-4, ge=0, description="Weight decay of convolution and linear weights; biases and gains have none."
    )

    @model_validator(mode="after")
    def _nesterov_has_momentum(self) -> OptimizerRecipe:
        if self.name == "sgd" and self.nesterov and self.momentum == 0:
            raise ValueError("nesterov is true but momentum is 0: set nesterov to false")
        return self


class ScheduleRecipe(Section):
    """The learning rate over the steps: a linear warm-up, then the named decay."""

    name: Literal["cosine", "step", "constant"] = Field(
        default="cosine", description="cosine: to zero at the end; step: times gamma every step_epochs; constant."
    )
    warmup_epochs: int = Field(default=1, ge=0, description="Epochs of linear warm-up to the peak learning rate.")
    step_epochs: int = Field(
        default=10, ge=1, description="Epochs between two drops of step, counted after the warm-up."
    )
    gamma: float = Field(default=0.1, gt=0, le=1, description="Factor of each drop of step.")
