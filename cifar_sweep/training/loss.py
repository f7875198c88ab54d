"""The training loss: cross-entropy with the labels, mixed or not, and distillation from a teacher."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from cifar_sweep.augment import Mixed, Scaling
from cifar_sweep.data.classes import names_of
from cifar_sweep.recipe import Recipe
from cifar_sweep.techniques.distillation import Teacher, distillation_loss
from sweeps.workload import Run


@dataclass(frozen=True)
class Objective:
    """The loss of a recipe.

    Attributes:
        recipe: The recipe; label smoothing and distillation are read from it.
        teacher: The trained network to distil; None without distillation.
    """

    recipe: Recipe
    teacher: Teacher | None = None

    @classmethod
    def of(cls, recipe: Recipe, scaling: Scaling, run: Run) -> Objective:
        """Return the objective of `recipe`, with its teacher loaded.

        Args:
            recipe: The recipe.
            scaling: The scaling of the images that the student sees; the teacher gets them in its own.
            run: The run, which gives the device and finds the teacher's trial.

        Raises:
            Unavailable: The teacher's trial is missing.
            ValueError: The teacher was trained on images of another shape or on other classes.
        """
        distillation = recipe.distillation
        if distillation is None or distillation.teacher is None:
            return cls(recipe)
        class_names, device = names_of(recipe.data, run.data_dir), torch.device(run.device)
        teacher = Teacher.load(distillation.teacher, run, recipe.data.shape, class_names, device)
        return cls(recipe, teacher.seeing(scaling))

    def __call__(self, logits: Tensor, mixed: Mixed) -> Tensor:
        """Return the mean loss () of a batch in nats, from the student's `logits` (B, classes)."""
        supervised = self._supervised(logits, mixed)
        if self.teacher is None or self.recipe.distillation is None:
            return supervised
        teacher_logits = self.teacher.logits(mixed.images)
        return distillation_loss(self.recipe.distillation, supervised, logits, teacher_logits)

    def _supervised(self, logits: Tensor, mixed: Mixed) -> Tensor:
        """Return the mean cross-entropy with the labels; for a mixed batch that with both labels, by their shares."""
        smoothing = self.recipe.regularization.label_smoothing
        if mixed.share is None:
            return cross_entropy(logits, mixed.labels, label_smoothing=smoothing)
        label_loss, partner_loss = (
            cross_entropy(logits, labels, label_smoothing=smoothing, reduction="none")
            for labels in (mixed.labels, mixed.partners)
        )
        return torch.lerp(partner_loss, label_loss, mixed.share.to(label_loss.dtype)).mean()
