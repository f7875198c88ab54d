"""What training minimises: cross-entropy with the labels, mixed or not, and with a teacher's softened answers."""

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
    """The loss of `recipe`; `teacher` where it distils one."""

    recipe: Recipe
    teacher: Teacher | None = None

    @classmethod
    def of(cls, recipe: Recipe, scaling: Scaling, run: Run) -> Objective:
        """The objective on images that `scaling` has made, its teacher found. Raises as `Teacher.load` does."""
        how = recipe.distillation
        if how is None or how.teacher is None:
            return cls(recipe)
        names, device = names_of(recipe.data, run.data_dir), torch.device(run.device)
        return cls(recipe, Teacher.load(how.teacher, run, recipe.data.shape, names, device).seeing(scaling))

    def __call__(self, logits: Tensor, mixed: Mixed) -> Tensor:
        """The mean loss over a batch with `logits` (B, classes), in nats."""
        hard = self._supervised(logits, mixed)
        if self.teacher is None or self.recipe.distillation is None:
            return hard
        taught = self.teacher.logits(mixed.images)
        return distillation_loss(self.recipe.distillation, hard, logits, taught)

    def _supervised(self, logits: Tensor, mixed: Mixed) -> Tensor:
        smoothing = self.recipe.regularization.label_smoothing
        if mixed.share is None:
            return cross_entropy(logits, mixed.labels, label_smoothing=smoothing)
        ours, theirs = (
            cross_entropy(logits, labels, label_smoothing=smoothing, reduction="none")
            for labels in (mixed.labels, mixed.partners)
        )
        return torch.lerp(theirs, ours, mixed.share.to(ours.dtype)).mean()
