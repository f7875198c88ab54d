"""What keeps the network from fitting too hard."""

from __future__ import annotations

from pydantic import Field

from cifar_sweep.section import Section


class RegularizationRecipe(Section):
    """What keeps the network from fitting too hard, besides weight decay, dropout and augmentation."""

    label_smoothing: float = Field(default=0.0, ge=0, lt=1, description="Share of the target spread over all classes.")
    grad_clip: float | None = Field(
        default=None, gt=0, description="Largest norm of a step's gradient; null: no clipping."
    )
