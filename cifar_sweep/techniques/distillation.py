"""Knowledge distillation: a trained teacher's logits, and the loss that learns from them."""

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
SHOWN = 10  # classes that an error names


def distillation_loss(recipe: DistillationRecipe, hard: Tensor, student: Tensor, teacher: Tensor) -> Tensor:
    """The loss of a batch: (1 - weight) * hard + weight * T^2 * KL(teacher || student), both softened by T.

    `hard` is the mean loss against the labels, `student` and `teacher` are logits (B, classes). T^2 keeps the
    gradient's size when the temperature T changes (Hinton et al. 2015, arXiv:1503.02531).
    """
    temperature = recipe.temperature
    ours, theirs = (log_softmax(logits.float() / temperature, dim=1) for logits in (student, teacher))
    soft = kl_div(ours, theirs, reduction="batchmean", log_target=True) * temperature**2
    return (1 - recipe.weight) * hard + recipe.weight * soft


@dataclass(frozen=True)
class Rescaling:
    """The affine map from images in one scaling to the same in another; both tensors are (channels, 1, 1)."""

    factor: Tensor
    offset: Tensor

    @classmethod
    def between(cls, ours: Scaling, theirs: Scaling) -> Rescaling | None:
        """From `ours` to `theirs`; None where they are the same."""
        if torch.equal(ours.factor, theirs.factor) and torch.equal(ours.offset, theirs.offset):
            return None
        factor = theirs.factor / ours.factor
        offset = theirs.offset - ours.offset * factor
        return cls(factor.view(-1, 1, 1), offset.view(-1, 1, 1))

    def __call__(self, images: Tensor) -> Tensor:
        """The images (B, channels, H, W) in the other scaling."""
        return torch.addcmul(self.offset, images, self.factor)


@dataclass(frozen=True)
class Teacher:
    """A trained network that is asked, never changed; `rescaling` brings images to the scaling that it knows."""

    trained: Trained
    rescaling: Rescaling | None = None

    @classmethod
    def load(cls, reference: str, run: Run, shape: Shape, class_names: Sequence[str], device: torch.device) -> Teacher:
        """The network of the trial `reference`, for students of images of `shape` with the classes `class_names`.

        The names are those of `classes.names_of`: indices where the data do not name their classes.

        Raises ValueError when it was trained on images of another shape or on other classes.
        """
        recipe, folder = _taught(reference, run, shape, class_names)
        return cls(Trained.load(recipe, folder, device))

    def seeing(self, scaling: Scaling) -> Teacher:
        """The teacher of a student whose images are scaled by `scaling`."""
        return replace(self, rescaling=Rescaling.between(scaling, self.trained.scaling))

    @torch.no_grad()
    def logits(self, images: Tensor) -> Tensor:
        """Logits (B, classes) float32 of the student's `images` (B, channels, H, W).

        They are brought to the teacher's own scaling. Images mixed of two are taken as they are: both maps are affine.
        """
        trained = self.trained
        trained.network.eval()
        with autocast(trained.precision, trained.device):
            logits: Tensor = trained.network(images if self.rescaling is None else self.rescaling(images))
        return logits.float()


def require_teacher(recipe: Recipe, site: Site) -> None:
    """See that the teacher fits the students before anything trains; not where nothing is to be trained.

    Raises Unavailable when it is not there, ValueError as `Teacher.load` does.
    """
    reference = recipe.distillation.teacher if recipe.distillation is not None else None
    if reference is not None and site.runs_dir is not None:
        _taught(reference, site, recipe.data.shape, names_of(recipe.data, site.data_dir))


def _taught(reference: str, where: Site | Run, shape: Shape, class_names: Sequence[str]) -> tuple[Recipe, Path]:
    """The recipe and the checkpoint of a teacher for such students. Raises ValueError when it does not fit them."""
    saved = where.saved(reference)
    recipe = Recipe.model_validate(saved.settings)
    _check_images(reference, recipe.data.shape, shape)
    _check_classes(reference, names_of(recipe.data, where.data_dir), class_names)
    return recipe, saved.folder


def _check_images(reference: str, theirs: Shape, ours: Shape) -> None:
    sizes = [(shape.channels, shape.size, shape.size) for shape in (theirs, ours)]
    if sizes[0] != sizes[1]:
        taught, learned = ("x".join(map(str, size)) for size in sizes)
        raise ValueError(
            f"{KEY} is {reference}, which was trained on images of {taught} (channels x height x width), but the "
            f"student gets {learned}: name a teacher of the same size, or set data.resize to the teacher's"
        )


def _check_classes(reference: str, theirs: Sequence[str], ours: Sequence[str]) -> None:
    if list(theirs) != list(ours):
        raise ValueError(
            f"{KEY} is {reference}, which knows {_classes(theirs)}, but the student learns {_classes(ours)}: "
            "both must have the same classes in the same order"
        )


def _classes(names: Sequence[str]) -> str:
    return f"{len(names)} classes ({', '.join(names[:SHOWN])}{', ...' if len(names) > SHOWN else ''})"
