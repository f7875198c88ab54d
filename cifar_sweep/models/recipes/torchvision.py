"""The settings of torchvision's classifiers. Names are checked when the network is built or its cost is counted."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from cifar_sweep.models.recipes.head import Head
from cifar_sweep.models.recipes.network import NetworkRecipe

# Beginnings of the names of architectures without batch norm.
WITHOUT_BATCH_NORM = ("alexnet", "convnext", "squeezenet", "swin", "vgg", "vit")


class TorchvisionRecipe(NetworkRecipe):
    """A classifier of torchvision, by its name there, with the head in place of its last linear layer."""

    name: Literal["torchvision"] = Field(default="torchvision", description="The model's name.")
    arch: str = Field(
        default="resnet18",
        min_length=1,
        description="The architecture as torchvision names it: resnet18, densenet121, convnext_tiny, mobilenet_v2, ...",
    )
    stem: Literal["imagenet", "small"] = Field(
        default="imagenet",
        description="imagenet: the architecture's own first layers; small: a 3x3 convolution of stride 1 without a "
        "max-pool after it, for small images.",
    )
    stochastic_depth: float | None = Field(
        default=None,
        ge=0,
        lt=1,
        description="Probability that a training image skips the last block, the earlier blocks in proportion; null: "
        "the architecture's own. Only for architectures that have it (convnext, efficientnet, maxvit, swin).",
    )
    head: Head = Field(
        default=Head(),
        description="The classifier in place of the architecture's last linear layer and the dropout just before it.",
    )

    @property
    def batch_statistics(self) -> bool:
        """Whether the network normalises over the batch in training, which requires two images or more per step."""
        without = self.arch.startswith(WITHOUT_BATCH_NORM) and not self.arch.endswith("_bn")
        return not without or self.head.batch_norm or self.head.batch_norm_logits
