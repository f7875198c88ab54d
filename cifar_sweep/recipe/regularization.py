"""Regularisation settings."""

from __future__ import annotations

from pydantic import Field

from cifar_sweep.schema import Section


class EarlyStopping(Section):
    """Early stopping. The learning rate schedule is still that of all epochs."""

    patience: int | None = Field(
        default=None,
        ge=1,
        description="Epochs without a better validation accuracy after which training ends; null: it does not.",
    )
    min_delta: float = Field(
        default=0.0,
        ge=0,
        description="Percentage points by which an accuracy must exceed the best one to count as better.",
    )
    stop_epoch: int | None = Field(
        default=None,
        ge=1,
        description="Training ends after this many epochs at the latest, whatever the accuracy; null: after epochs.",
    )


class LookaheadRecipe(Section):
    """Lookahead (arXiv:1907.08610): slow weights to which the network returns every few steps.

    At such a step the slow weights keep a share of decay^every * (step / all steps)^power of themselves and take the
    rest from the network. After the last step the network takes over the slow weights.
    """

    every: int = Field(default=5, ge=1, description="Steps of the optimizer between two updates of the slow weights.")
    decay: float = Field(
        default=0.95, gt=0, lt=1, description="Share of themselves that the slow weights keep per step, at the end."
    )
    power: float = Field(
        default=3.0, ge=0, le=100, description="How late that share grows to its full size; 0: at once; 1: linearly."
    )


class RegularizationRecipe(Section):
    """Regularisation besides weight decay, dropout and augmentation."""

    label_smoothing: float = Field(default=0.0, ge=0, lt=1, description="Share of the target spread over all classes.")
    grad_clip: float | None = Field(
        default=None, gt=0, description="Largest norm of a step's gradient; null: no clipping."
    )
    ema: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="Decay per step of an exponential moving average of the weights (0.999: over about 1,000 steps), "
        "which is then validated and tested in place of the trained weights; null: no average.",
    )
    lookahead: LookaheadRecipe | None = Field(
        default=None, description="Slow weights to which the network returns every few steps; null: none."
    )
    early_stopping: EarlyStopping = Field(default=EarlyStopping(), description="Early stopping.")
