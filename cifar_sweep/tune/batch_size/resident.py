"""What a run holds on its device beside the network that it trains, whatever the size of its batches."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from cifar_sweep.data.cache import load_images
from cifar_sweep.data.unlabelled import load_unlabelled
from cifar_sweep.models import build
from cifar_sweep.recipe import Recipe
from cifar_sweep.tune.memory import MIB
from sweeps.workload import Site


@dataclass(frozen=True)
class Resident:
    """Bytes that every step of a run needs, apart from those of the network, its optimizer and the batch.

    Attributes:
        images: All images of the data set and the unlabelled ones.
        averages: The copies of the weights that `ema` and `lookahead` keep.
        teacher: The network of the teacher.
    """

    images: int = 0
    averages: int = 0
    teacher: int = 0

    @classmethod
    def of(cls, recipe: Recipe, site: Site) -> Resident:
        """Return what the runs of a recipe hold.

        Raises:
            Unavailable: The data or the teacher is missing.
            ValueError: A file cannot be read.
        """
        regularization = recipe.regularization
        copies = sum(part is not None for part in (regularization.ema, regularization.lookahead))
        return cls(_image_bytes(recipe, site), copies * _network_bytes(recipe) if copies else 0, _teacher(recipe, site))

    @property
    def total(self) -> int:
        """All of it."""
        return self.images + self.averages + self.teacher

    def __str__(self) -> str:
        """Return the parts in MiB: "images 147 MiB, teacher 43 MiB"."""
        parts = {"images": self.images, "averages of the weights": self.averages, "teacher": self.teacher}
        return ", ".join(f"{name} {bytes_ / MIB:,.0f} MiB" for name, bytes_ in parts.items() if bytes_)


def _image_bytes(recipe: Recipe, site: Site) -> int:
    images = load_images(recipe.data, site.data_dir, "train")
    unlabelled = recipe.data.unlabelled
    if unlabelled is None or unlabelled.path is None:
        return int(images.pixels.nbytes)
    return int(images.pixels.nbytes + load_unlabelled(recipe.data, site.data_dir, images).pixels.nbytes)


def _network_bytes(recipe: Recipe) -> int:
    with torch.device("meta"):  # allocates nothing
        network = build(recipe.model, recipe.data.shape)
    return sum(tensor.nbytes for tensor in (*network.parameters(), *network.buffers()))


def _teacher(recipe: Recipe, site: Site) -> int:
    reference = recipe.distillation.teacher if recipe.distillation is not None else None
    if reference is None or site.runs_dir is None:
        return 0
    return _network_bytes(Recipe.model_validate(site.saved(reference).settings))
