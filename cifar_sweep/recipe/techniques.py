"""Settings of distillation."""

from __future__ import annotations

from pydantic import Field

from cifar_sweep.recipe.transfer import Reference
from cifar_sweep.schema import Section


class DistillationRecipe(Section):
    """Knowledge distillation (Hinton et al. 2015, arXiv:1503.02531): the network learns a teacher's logits too."""

    teacher: Reference | None = Field(
        default=None,
        description="The trial that trained the teacher, of a study in the same runs folder: study:7, study:final/0. "
        "It must have the same classes and image size. null: no teacher, and no distillation.",
    )
    temperature: float = Field(
        default=4.0, gt=0, description="Divides the logits of both before the softmax that compares them."
    )
    weight: float = Field(
        default=0.9, ge=0, le=1, description="Share of the teacher in the loss; the rest is the labels'."
    )
