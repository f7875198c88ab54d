"""A network as it stands before its first step."""

from __future__ import annotations

import torch

from cifar_sweep.classes import names_of
from cifar_sweep.models import build
from cifar_sweep.models.init import initialise
from cifar_sweep.models.network import Network
from cifar_sweep.models.recipes.hierarchical import HierarchicalRecipe
from cifar_sweep.recipe import Recipe
from cifar_sweep.text import embeddings
from cifar_sweep.transfer import load_weights
from sweeps.workload import Run


def initial_network(recipe: Recipe, run: Run, seed: int) -> Network:
    """The network of `recipe` on the device of `run`: drawn by `seed`, or with the weights that it is to start from.

    Raises ValueError or Unavailable where weights or the embeddings of class names do not fit or are not there.
    """
    network = build(recipe.model, recipe.data.shape)
    initialise(network, seed)
    load_weights(network, recipe, run)
    text = None if isinstance(recipe.model, HierarchicalRecipe) else recipe.model.head.text
    if text is not None:
        network.head.set_text(embeddings(text, names_of(recipe.data, run.data_dir), run.data_dir))
    return network.to(run.device).to(memory_format=torch.channels_last)
