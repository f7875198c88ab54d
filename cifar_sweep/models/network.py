"""The base class of the networks: a body that makes features, and the submodule `head` that makes logits of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

from torch import Tensor, nn

from cifar_sweep.models.head import Classifier
from cifar_sweep.models.initial_draws import Draw


class Network(nn.Module, ABC):
    """A network. Parameters named `head.*` are the classifier's, all others the body's."""

    head: Classifier

    @property
    def draws(self) -> Mapping[str, tuple[Draw, ...]]:
        """How the architecture draws its own initial weights, by parameter name; the others are drawn by He's rule."""
        return {}

    def frozen(self, epoch: int) -> frozenset[str]:
        """Return the names of the parameters that the architecture does not train in `epoch`, counted from 0."""
        return frozenset()

    def after_draw(self) -> None:
        """Change freshly drawn weights in place, where the architecture starts from other ones."""

    @abstractmethod
    def features(self, images: Tensor) -> Tensor:
        """Return the input of the head, (B, head.in_features), for images (B, channels, size, size)."""

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (B, classes) of images (B, channels, size, size)."""
        logits: Tensor = self.head(self.features(images))
        return logits
