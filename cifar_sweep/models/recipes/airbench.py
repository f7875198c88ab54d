"""The settings of the network of cifar10-airbench."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from cifar_sweep.models.recipes.head import Head
from cifar_sweep.models.recipes.literals import Activation, Norm, Width
from cifar_sweep.models.recipes.network import NetworkRecipe, scale_widths


class AirbenchRecipe(NetworkRecipe):
    """The network of cifar10-airbench (Jordan 2024, arXiv:2404.00498): a whitening stem, blocks of 3x3 convolutions.

    The default widths are those of airbench94, which has 1.97 million parameters.
    """

    name: Literal["airbench"] = Field(default="airbench", description="The model's name.")
    widths: Annotated[tuple[Width, ...], Field(strict=False, min_length=1)] = Field(
        default=(64, 256, 256), description="Channels per block; each block halves the map once."
    )
    stem_padding: Literal[0, 1] = Field(
        default=0,
        description="Zeros around the image for the 2x2 stem, in pixels: 0 as published; with 1, images of 8 pixels "
        "are large enough for three blocks.",
    )
    whitening: bool = Field(
        default=True,
        description="Whether the stem's filters are set to whiten the 2x2 patches of the training images and frozen; "
        "false: they are drawn and trained like those of any convolution.",
    )
    whiten_bias_epochs: int = Field(
        default=3, ge=0, description="Epochs after which the bias of a whitening stem is frozen too."
    )
    dirac_init: bool = Field(
        default=True,
        description="Whether the 3x3 convolutions start by passing their input on: their first filters, one per input "
        "channel, are the identity, the others are drawn.",
    )
    logit_scale: float = Field(default=1 / 9, gt=0, le=100, description="Factor of the features before the classifier.")
    activation: Activation = Field(
        default="gelu", description="Non-linearity after the stem and each normalisation; identity: none."
    )
    norm: Norm = Field(
        default="batch",
        description="Normalisation after each 3x3 convolution; batch: with a gain that stays 1; none: these "
        "convolutions get a bias instead and the head has no batch norm.",
    )
    head: Head = Field(default=Head(), description="The classifier on the maximum of each of the last maps.")

    def scaled(self, factor: float) -> dict[str, Any]:
        """Return the widths of all blocks and hidden layers times `factor`."""
        return {
            "widths": scale_widths(self.widths, factor),
            "head.hidden": scale_widths(self.head.hidden, factor),
        }
