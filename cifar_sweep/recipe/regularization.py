"""What keeps the network from fitting too hard."""

from __future__ import annotations

from pydantic import Field

from cifar_sweep.section import Section


class EarlyStopping(Section):
    """When training ends before its last epoch. The learning rate's schedule is still that of all epochs."""

    patience: int | None = Field(
        default=None,
        ge=1,
        description="Epochs without a better validation accuracy after which training ends; null: it does not.",
    )
    min_delta: float = Field(
        default=0.0, ge=0, description="Percentage points by which an accuracy must exceed the best to be better."
    )
    stop_epoch: int | None = Field(
        default=None,
        ge=1,
        description="Training ends after this many epochs at the latest, whatever the accuracy; null: after epochs.",
    )


class RegularizationRecipe(Section):
    """What keeps the network from fitting too hard, besides weight decay, dropout and augmentation."""

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
    early_stopping: EarlyStopping = Field(default=EarlyStopping(), description="When training ends early.")
