"""Settings of the optimizer and of the learning rate schedule."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from cifar_sweep.schema import Section

Decay = Annotated[float, Field(ge=0, lt=1)]
Momentum = Annotated[float, Field(gt=0, lt=1)]


class OptimizerRecipe(Section):
    """The optimizer. Settings that the named one does not have are ignored."""

    name: Literal["sgd", "adam", "adamw", "lion", "muon"] = Field(
        default="sgd",
        description="The optimizer. muon: momentum made orthogonal for the weights of hidden layers, and adamw for the "
        "first and the last layer, biases and gains.",
    )
    lr: float = Field(default=0.1, gt=0, description="Peak learning rate.")
    adam_lr: float = Field(
        default=1e-3,
        gt=0,
        description="Peak learning rate of the parameters that muon leaves to adamw; the schedule scales it like lr.",
    )
    momentum: float = Field(default=0.9, ge=0, lt=1, description="Momentum of sgd and muon.")
    nesterov: bool = Field(default=True, description="Whether the momentum of sgd and muon is Nesterov's.")
    betas: tuple[Decay, Decay] | None = Field(
        default=None,
        strict=False,
        description="Decays of the running means of adam, adamw, lion and muon's adamw; null: the optimizer's own, "
        "[0.9, 0.999] for adam and adamw, [0.9, 0.99] for lion, [0.9, 0.95] for muon.",
    )
    weight_decay: float = Field(
        default=5e-4,
        ge=0,
        description="Weight decay of convolution and linear weights; biases and gains have none. sgd, adam: added to "
        "the gradient; adamw, lion, muon: the weights shrink by it times the learning rate at each step.",
    )
    norm_bias_lr: float = Field(
        default=1.0,
        gt=0,
        le=10_000,
        description="Learning rate of the biases of normalisation layers, as a multiple of lr; airbench94 has 64, with "
        "sgd.",
    )
    norm_bias_decay: bool = Field(
        default=False,
        description="Whether the biases of normalisation layers decay too. Their weight decay is divided by "
        "norm_bias_lr, so that it shrinks them by as much per step as it shrinks weights.",
    )

    @model_validator(mode="after")
    def _nesterov_has_momentum(self) -> OptimizerRecipe:
        if self.name in ("sgd", "muon") and self.nesterov and self.momentum == 0:
            raise ValueError("nesterov is true but momentum is 0: set nesterov to false")
        return self


class ScheduleRecipe(Section):
    """The learning rate schedule: a linear warm-up, then the named decay.

    Settings that the named schedule does not have are ignored.
    """

    name: Literal["cosine", "step", "multistep", "constant", "linear", "cosine_restarts", "onecycle"] = Field(
        default="cosine",
        description="The decay. cosine, linear: down to final_lr at the end; step: times gamma every step_epochs; "
        "multistep: times gamma at each of milestones; cosine_restarts: cosine cycles, the first of cycle_epochs; "
        "onecycle: up for pct_start of all steps, then down, in half cosines; constant: none.",
    )
    warmup_epochs: int = Field(
        default=1,
        ge=0,
        description="Epochs of linear warm-up to the peak learning rate; onecycle has its own rise and ignores them.",
    )
    final_lr: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Final learning rate of cosine, linear and each cycle of cosine_restarts, as a share of the peak.",
    )
    step_epochs: int = Field(
        default=10, ge=1, description="Epochs between two drops of step, counted after the warm-up."
    )
    milestones: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        default=(),
        strict=False,
        description="The epochs after which multistep drops, ascending, counted from the start of training.",
    )
    gamma: float = Field(default=0.1, gt=0, le=1, description="Factor of each drop of step and multistep.")
    cycle_epochs: int = Field(
        default=10, ge=1, description="Epochs of the first cycle of cosine_restarts, counted after the warm-up."
    )
    cycle_factor: int = Field(
        default=1, ge=1, description="How many times longer each cycle of cosine_restarts is than the one before."
    )
    pct_start: float = Field(default=0.3, gt=0, lt=1, description="Share of all steps in which onecycle rises.")
    div_factor: float = Field(default=25.0, ge=1, description="onecycle starts at the peak divided by this.")
    final_div_factor: float = Field(default=1e4, ge=1, description="onecycle ends at its start divided by this.")
    momentum_range: tuple[Momentum, Momentum] | None = Field(
        default=None,
        strict=False,
        description="onecycle's momentum (beta1 of adam, adamw and lion) as [low, high]: high where the learning rate "
        "is low, low at its peak; null: the optimizer's own throughout.",
    )

    @property
    def varies_momentum(self) -> bool:
        """Whether the momentum differs from step to step."""
        return self.name == "onecycle" and self.momentum_range is not None

    @model_validator(mode="after")
    def _lists_ascend(self) -> ScheduleRecipe:
        if self.name == "multistep" and not self.milestones:
            raise ValueError("name is multistep but milestones is empty: give the epochs after which the rate drops")
        if any(later <= earlier for earlier, later in zip(self.milestones, self.milestones[1:], strict=False)):
            raise ValueError(f"milestones must ascend but got {list(self.milestones)}")
        if self.momentum_range is not None and self.momentum_range[0] > self.momentum_range[1]:
            raise ValueError(f"momentum_range must be [low, high] but got {list(self.momentum_range)}")
        return self
