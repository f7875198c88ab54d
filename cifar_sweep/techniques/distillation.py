"""Knowledge distillation (Hinton et al. 2015, arXiv:1503.02531): learn from a trained teacher's logits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import kl_div, log_softmax

from cifar_sweep.augment import Scaling
from cifar_sweep.data.classes import names_of
from cifar_sweep.inference.precision import autocast
from cifar_sweep.inference.trained import Trained
from cifar_sweep.recipe import Recipe
from cifar_sweep.recipe.techniques import DistillationRecipe
from cifar_sweep.schema import Shape
from sweeps.workload import Run, Site

KEY = "distillation.teacher"
SHOWN = 10  # classes named in an error


def distillation_loss(recipe: DistillationRecipe, hard: Tensor, student: Tensor, teacher: Tensor) -> Tensor:
    """Return the loss of a batch: (1 - weight) * hard + weight * T^2 * KL(teacher || student), both softened by T.

    The factor T^2 keeps the size of the gradient when the temperature T changes.

    Args:
        recipe: The temperature and the weight.
        hard: () mean loss against the labels, in nats.
        student: (B, classes) logits.
        teacher: (B, classes) logits.

    Returns:
        () in nats, a mean over the batch.
    """
    temperature = recipe.temperature
    student_log, teacher_log = (log_softmax(logits.float() / temperature, dim=1) for logits in (student, teacher))
    soft = kl_div(student_log, teacher_log, reduction="batchmean", log_target=True) * temperature**2
    return (1 - recipe.weight) * hard + recipe.weight * soft


@dataclass(frozen=True)
class Rescaling:
    """The affine map from images in one scaling to the same images in another.

    Attributes:
        factor: (channels, 1, 1).
        offset: (channels, 1, 1).
    """

    factor: Tensor
    offset: Tensor

    @classmethod
    def between(cls, source: Scaling, target: Scaling) -> Rescaling | None:
        """Return the map from the scaling `source` to `target`; None where they are equal."""
        if torch.equal(source.factor, target.factor) and torch.equal(source.offset, target.offset):
            return None
        factor = target.factor / source.factor
        offset = target.offset - source.offset * factor
        return cls(factor.view(-1, 1, 1), offset.view(-1, 1, 1))

    def __call__(self, images: Tensor) -> Tensor:
        """Return the images (B, channels, H, W) in the target scaling."""
        return torch.addcmul(self.offset, images, self.factor)


@dataclass(frozen=True)
class Teacher:
    """A trained network that gives logits and is never changed.

    Attributes:
        trained: The network.
        rescaling: The map from the student's scaling of images to the teacher's; None where they are equal.
    """

    trained: Trained
    rescaling: Rescaling | None = None

    @classmethod
    def load(cls, reference: str, run: Run, shape: Shape, class_names: Sequence[str], device: torch.device) -> Teacher:
        """Load the network of a trial of another study.

        Args:
            reference: The trial, as "study:7" or "study:final/0".
            run: The student's run, which finds the trial.
            shape: The shape of the student's images.
            class_names: The student's classes (`classes.names_of`): indices as text where the data has no names.
            device: Where the network is put.

        Raises:
            Unavailable: There is no such trial, or it has no checkpoint.
            ValueError: It was trained on images of another shape or on other classes.
        """
        recipe, folder = _matching_teacher(reference, run, shape, class_names)
        return cls(Trained.load(recipe, folder, device))

    def seeing(self, scaling: Scaling) -> Teacher:
        """Return the teacher for a student whose images are scaled by `scaling`."""
        return replace(self, rescaling=Rescaling.between(scaling, self.trained.scaling))

    @torch.no_grad()
    def logits(self, images: Tensor) -> Tensor:
        """Return the logits (B, classes) float32 of the student's images (B, channels, H, W), augmented and mixed.

        The images are rescaled to the teacher's scaling. Mixing and rescaling are both affine, so their order does not
        matter.
        """
        trained = self.trained
        trained.network.eval()
        with autocast(trained.precision, trained.device):
            logits: Tensor = trained.network(images if self.rescaling is None else self.rescaling(images))
        return logits.float()


def require_teacher(recipe: Recipe, site: Site) -> None:
    """Check, before anything trains, that the teacher is there and fits its student.

    Nothing is checked where nothing is to be trained (`site.runs_dir` is None).

    Raises:
        Unavailable: There is no such trial, or it has no checkpoint.
        ValueError: It was trained on images of another shape or on other classes.
    """
    reference = recipe.distillation.teacher if recipe.distillation is not None else None
    if reference is not None and site.runs_dir is not None:
        _matching_teacher(reference, site, recipe.data.shape, names_of(recipe.data, site.data_dir))


def _matching_teacher(
    reference: str, where: Site | Run, shape: Shape, class_names: Sequence[str]
) -> tuple[Recipe, Path]:
    """Return a teacher's recipe and checkpoint folder. Raises ValueError where it does not fit the student."""
    saved = where.saved(reference)
    recipe = Recipe.model_validate(saved.settings)
    _check_images(reference, recipe.data.shape, shape)
    _check_classes(reference, names_of(recipe.data, where.data_dir), class_names)
    return recipe, saved.folder


def _check_images(reference: str, teacher: Shape, student: Shape) -> None:
    sizes = [(shape.channels, shape.size, shape.size) for shape in (teacher, student)]
    if sizes[0] != sizes[1]:
        teacher_size, student_size = ("x".join(map(str, size)) for size in sizes)
        raise ValueError(
            f"{KEY} is {reference}, which was trained on images of {teacher_size} (channels x height x width), but the "
            f"student gets {student_size}: name a teacher of the same size, or set data.resize to the teacher's"
        )


def _check_classes(reference: str, teacher: Sequence[str], student: Sequence[str]) -> None:
    if list(teacher) != list(student):
        raise ValueError(
            f"{KEY} is {reference}, which knows {_listed(teacher)}, but the student learns {_listed(student)}: "
            "both must have the same classes in the same order"
        )


def _listed(names: Sequence[str]) -> str:
    return f"{len(names)} classes ({', '.join(names[:SHOWN])}{', ...' if len(names) > SHOWN else ''})"
