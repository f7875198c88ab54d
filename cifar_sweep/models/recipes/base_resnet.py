"""The settings of the custom ResNet with a plain base."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from cifar_sweep.models.recipes.head import Head
from cifar_sweep.models.recipes.literals import Activation, Norm, Residual, StochasticDepth, Width
from cifar_sweep.models.recipes.network import NetworkRecipe, scale_widths


class BaseResNetRecipe(NetworkRecipe):
    """Plain convolutions and a max-pool, one residual block per stage, and a head with a batch norm of its scores."""

    name: Literal["base_resnet"] = Field(default="base_resnet", description="The model's name.")
    base: tuple[Width, ...] = Field(
        default=(64, 128, 256),
        strict=False,
        min_length=1,
        description="Channels of the plain 3x3 convolutions before the 2x2 max-pool.",
    )
    widths: tuple[Width, ...] = Field(
        default=(256, 512, 1024),
        strict=False,
        min_length=1,
        description="Channels per residual block. A block that changes the number of channels halves the map.",
    )
    activation: Activation = Field(
        default="relu", description="Non-linearity, also of the head's hidden layer; identity: none."
    )
    norm: Norm = Field(
        default="batch",
        description="Normalisation after each convolution except the projections; none: the batch norm of the scores "
        "is left out too. Convolutions have no bias either way.",
    )
    residual: Residual = True
    stochastic_depth: StochasticDepth = 0.0
    head: Head = Field(
        default=Head(hidden=(128,), batch_norm_logits=True), description="The classifier on the means of the last maps."
    )

    def scaled(self, factor: float) -> dict[str, Any]:
        """Return the widths of all convolutions and hidden layers times `factor`."""
        widths = {"base": self.base, "widths": self.widths, "head.hidden": self.head.hidden}
        return {key: scale_widths(values, factor) for key, values in widths.items()}
