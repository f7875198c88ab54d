"""The settings of the network of cifar10-airbench."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from cifar_sweep.models.recipes.head import Head
from cifar_sweep.models.recipes.literals import Activation, Norm, Width
from cifar_sweep.models.recipes.network import NetworkRecipe, scale_widths


class AirbenchRecipe(NetworkRecipe):
    """The plain network of cifar10-airbench (Jordan 2024, arXiv:2404.00498): a whitening stem, blocks of two 3x3
    convolutions. Its default widths are airbench94's, 1.97 million parameters."""

    name: Literal["airbench"] = Field(default="airbench", description="The model's name.")
    widths: Annotated[tuple[Width, ...], Field(strict=False, min_length=1)] = Field(
        default=(64, 256, 256), description="Channels per block; each block halves the map once."
    )
    stem_padding: Literal[0, 1] = Field(
        default=0,
        description="Zeros around the image for the 2x2 stem, in pixels; 1 lets images of 8 pixels through three "
        "blocks, the published network has 0.",
    )
    whitening: bool = Field(
        default=True,
        description="Whether the stem's filters whiten the 2x2 patches of the training images and stay so; false: they "
        "are drawn and trained as any convolution's.",
    )
    whiten_bias_epochs: int = Field(
        default=3, ge=0, description="Epochs after which the bias of a whitening stem is frozen too."
    )
    dirac_init: bool = Field(
        default=True,
        description="Whether the 3x3 convolutions start by handing their input on: as many of their filters as there "
        "are input channels are the identity, the others are drawn.",
    )
    logit_scale: float = Field(
        default=1 / 9, gt=0, le=100, description="Factor of the features on their way into the classifier."
    )
    activation: Activation = Field(
        default="gelu", description="Non-linearity after the stem and each normalisation; identity: none."
    )
    norm: Norm = Field(
        default="batch",
        description="Normalisation after each 3x3 convolution, a batch norm with a gain that stays 1; with none, these "
        "convolutions get a bias instead and the head has no batch norm.",
    )
    head: Head = Field(default=Head(), description="The classifier on the largest value of each of the last maps.")

    def scaled(self, factor: float) -> dict[str, Any]:
        """Every block's and hidden layer's width times `factor`."""
        return {
            "widths": scale_widths(self.widths, factor),
            "head.hidden": scale_widths(self.head.hidden, factor),
        }
