"""A network as it stands before its first step."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from cifar_sweep.data.formats import class_names
from cifar_sweep.models import build
from cifar_sweep.models.init import initialise
from cifar_sweep.models.network import Network
from cifar_sweep.models.recipes.hierarchical import HierarchicalRecipe
from cifar_sweep.models.text_embeddings import embeddings
from cifar_sweep.recipe import Recipe
from cifar_sweep.training.training_set import TrainingSet
from cifar_sweep.training.whitening import whiten
from cifar_sweep.transfer import load_weights
from sweeps.workload import Run


def initial_network(recipe: Recipe, run: Run, seed: int, images: TrainingSet | None = None) -> Network:
    """The network of `recipe` on the device of `run`: drawn by `seed`, or with the weights that it is to start from.

    A stem that whitens does so for those of `images` that are trained on; without images it stays as it is drawn.

    Raises ValueError or Unavailable where weights or the embeddings of class names do not fit or are not there.
    """
    network = build(recipe.model, recipe.data.shape)
    initialise(network, seed)
    if images is not None:
        whiten(network, images)
    load_weights(network, recipe, run)
    embedded = class_embeddings(recipe, run.data_dir)
    if embedded is not None:
        network.head.set_text(embedded)
    return network.to(run.device).to(memory_format=torch.channels_last)


def class_embeddings(recipe: Recipe, data_dir: Path) -> Tensor | None:
    """What a text head compares images with, (classes, E); None for any other head.

    Raises Unavailable where the encoder is not at hand, ValueError where the classes have no names.
    """
    text = None if isinstance(recipe.model, HierarchicalRecipe) else recipe.model.head.text
    return None if text is None else embeddings(text, class_names(recipe.data, data_dir, "train"), data_dir)
