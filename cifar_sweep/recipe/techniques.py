"""Techniques beyond plain supervised training."""

from __future__ import annotations

from pydantic import Field

from cifar_sweep.recipe.transfer import Reference
from cifar_sweep.schema import Section


class DistillationRecipe(Section):
    """Knowledge distillation: the network learns from a trained teacher's scores too (Hinton et al. 2015,
    arXiv:1503.02531)."""

    teacher: Reference | None = Field(
        default=None,
        description="The trial that trained the teacher, of a study in the same runs folder: study:7, study:final/0; "
        "null: no teacher, and no distillation. It must know the same classes and images of the same size.",
    )
    temperature: float = Field(
        default=4.0, gt=0, description="What the scores of both are divided by before the softmax that compares them."
    )
    weight: float = Field(
        default=0.9, ge=0, le=1, description="Share of the teacher in the loss; the labels have the rest."
    )
