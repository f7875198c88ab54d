"""Make the network that a training starts from."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from cifar_sweep.data.formats import class_names
from cifar_sweep.models import build
from cifar_sweep.models.initial_weights import initialise
from cifar_sweep.models.network import Network
from cifar_sweep.models.recipes.hierarchical import HierarchicalRecipe
from cifar_sweep.models.text_embeddings import embeddings
from cifar_sweep.recipe import Recipe
from cifar_sweep.training.training_set import TrainingSet
from cifar_sweep.training.whitening import whiten
from cifar_sweep.transfer import load_weights
from sweeps.workload import Run


def initial_network(recipe: Recipe, run: Run, seed: int, images: TrainingSet | None = None) -> Network:
    """Return the network of `recipe` before its first step, on the device of `run`.

    Weights are drawn from `seed`, then replaced by those that `transfer.weights` names, if any.

    Args:
        recipe: The recipe.
        run: The run, which gives the device and finds files and other trials.
        seed: Seed of the initial weights.
        images: The run's images, of which those to train on make the filters of a whitening stem; without them such a
            stem keeps its drawn filters.

    Raises:
        Unavailable: The weights or the encoder of class names are missing.
        ValueError: The weights do not fit the network, or a text head's classes have no names.
    """
    network = build(recipe.model, recipe.data.shape)
    initialise(network, seed)
    if images is not None:
        whiten(network, images)
    load_weights(network, recipe, run)
    text_embeddings = class_embeddings(recipe, run.data_dir)
    if text_embeddings is not None:
        network.head.set_text(text_embeddings)
    # Channels last: the layout in which convolutions are fastest, and in which batches arrive.
    return network.to(run.device).to(memory_format=torch.channels_last)


def class_embeddings(recipe: Recipe, data_dir: Path) -> Tensor | None:
    """Return the embeddings of the class names, (classes, dimensions), for a text head; None for any other head.

    Raises:
        Unavailable: The encoder is not installed, or its weights are missing.
        ValueError: The data does not name its classes, or a name has no embedding.
    """
    text = None if isinstance(recipe.model, HierarchicalRecipe) else recipe.model.head.text
    return None if text is None else embeddings(text, class_names(recipe.data, data_dir, "train"), data_dir)
