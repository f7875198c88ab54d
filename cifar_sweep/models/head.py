"""The classifier on a network's features."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, normalize

from cifar_sweep.models.layers import ACTIVATIONS
from cifar_sweep.models.recipes import Head, Norm, Squashing, TextHead

LARGEST_SCALE = 100.0  # CLIP keeps its logit scale below this, or training becomes unstable (arXiv:2103.00020, 2.5)


class Classifier(nn.Module):
    """Hidden layers, dropout, batch norm, last layer, batch norm: features (B, in_features) to logits (B, classes).

    Names of parameters do not depend on which optional parts are on.

    Args:
        recipe: The settings of the head.
        in_features: Number of features.
        classes: Number of classes.
        activation: The network's activation, used in hidden layers where the recipe's is null.
        norm: The network's normalisation; "none" also leaves out the head's batch norms.
    """

    def __init__(
        self, recipe: Head, in_features: int, classes: int, activation: Squashing = "relu", norm: Norm = "batch"
    ) -> None:
        super().__init__()
        self.in_features = in_features
        self.hidden = nn.Sequential()
        width = in_features
        for index, out in enumerate(recipe.hidden, 1):
            # After the last hidden layer stands `dropout` alone, just before the last linear layer.
            dropout = recipe.dropout_hidden if index < len(recipe.hidden) else 0.0
            self.hidden.append(_hidden_layer(width, out, recipe.activation or activation, dropout))
            width = out
        self.dropout = nn.Dropout(recipe.dropout)
        self.norm = nn.BatchNorm1d(width) if recipe.batch_norm and norm != "none" else nn.Identity()
        if recipe.text is None:
            self.output: nn.Module = nn.Linear(width, classes)
        else:
            self.output = TextSimilarity(recipe.text, width, classes)
        keep_scores = norm == "none" or not recipe.batch_norm_logits
        self.norm_logits = nn.Identity() if keep_scores else nn.BatchNorm1d(classes)

    def forward(self, features: Tensor) -> Tensor:
        """Return logits (B, classes) of features (B, in_features)."""
        hidden = self.norm(self.dropout(self.hidden(features)))
        logits: Tensor = self.norm_logits(self.output(hidden))
        return logits

    def set_text(self, embeddings: Tensor) -> None:
        """Give the embeddings of the class names to a text head.

        They are kept with length 1, in the buffer `output.embeddings`: saved with the weights, never trained.

        Args:
            embeddings: (classes, dimensions), in the order of the labels.

        Raises:
            ValueError: The head has no text, or the embeddings have another shape or no length.
        """
        if not isinstance(self.output, TextSimilarity):
            raise ValueError("model.head.text is null, so the head takes no embeddings of class names")
        self.output.set_text(embeddings)


class TextSimilarity(nn.Module):
    """A linear projection, compared with one fixed embedding per class: cosine similarity times a learned scale.

    The image side of CLIP (Radford et al. 2021, arXiv:2103.00020): the projection has no bias, the logarithm of the
    scale is learned, and the scale stays below 100. Until `set_text` all embeddings, and so all logits, are zero.
    """

    embeddings: Tensor

    def __init__(self, recipe: TextHead, width: int, classes: int) -> None:
        super().__init__()
        self.projection = nn.Linear(width, recipe.width, bias=False)
        self.logit_scale = nn.Parameter(torch.tensor(-math.log(recipe.temperature)))
        self.register_buffer("embeddings", torch.zeros(classes, recipe.width))

    def forward(self, features: Tensor) -> Tensor:
        """Return logits (B, classes) of features (B, width)."""
        image = normalize(self.projection(features), dim=1)
        scale = self.logit_scale.clamp(max=math.log(LARGEST_SCALE)).exp()
        return linear(image, self.embeddings.to(image.dtype)) * scale

    def set_text(self, embeddings: Tensor) -> None:
        """Keep `embeddings` (classes, dimensions), each divided by its length.

        Raises:
            ValueError: They have another shape, or one of them has length 0 or values that are not finite.
        """
        shape, needed = list(embeddings.shape), list(self.embeddings.shape)
        if shape != needed:
            raise ValueError(f"model.head.text: the embeddings must be {needed} (classes, dimensions) but are {shape}")
        lengths = embeddings.float().norm(dim=1)
        wrong = torch.nonzero(~(lengths.isfinite() & (lengths > 0))).flatten().tolist()
        if wrong:
            raise ValueError(f"model.head.text: the embedding of class {wrong[0]} has length {lengths[wrong[0]]:g}")
        self.embeddings.copy_(normalize(embeddings.float(), dim=1))


def _hidden_layer(width: int, out: int, activation: Squashing, dropout: float) -> nn.Sequential:
    """Return a linear layer, an activation and a dropout."""
    layer = nn.Sequential()
    layer.add_module("linear", nn.Linear(width, out))
    layer.add_module("activation", ACTIVATIONS[activation]())
    layer.add_module("dropout", nn.Dropout(dropout))
    return layer
