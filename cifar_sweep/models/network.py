"""The form of every network: a body that makes features, and the submodule `head` that makes logits of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

from torch import Tensor, nn

from cifar_sweep.models.architectures.drawn import Draw
from cifar_sweep.models.head import Classifier


class Network(nn.Module, ABC):
    """Parameters named `head.*` are the classifier's, all others the body's."""

    head: Classifier

    @property
    def draws(self) -> Mapping[str, tuple[Draw, ...]]:
        """How the architecture itself draws its initial weights, by parameter name; the others are drawn as He's."""
        return {}

    def frozen(self, epoch: int) -> frozenset[str]:
        """The parameters that the architecture itself does not train in `epoch`, counted from 0."""
        return frozenset()

    def after_draw(self) -> None:
        """Change freshly drawn weights in place, where the architecture starts from other ones."""

    @abstractmethod
    def features(self, images: Tensor) -> Tensor:
        """What the head gets, (B, head.in_features), of images (B, channels, size, size)."""

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, classes) of images (B, channels, size, size)."""
        logits: Tensor = self.head(self.features(images))
        return logits
