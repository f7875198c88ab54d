"""The settings of the networks without shortcuts: fully connected and plain convolutional ones."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from cifar_sweep.models.recipes.head import Head
from cifar_sweep.models.recipes.literals import Activation, Kernel, Norm, Squashing, Width
from cifar_sweep.models.recipes.network import NetworkRecipe, scale_widths
from cifar_sweep.schema import Section

NORM_AFTER_CONVOLUTION = (
    "Normalisation after each convolution; none: convolutions get a bias instead and the head has no batch norm."
)


class TwoLayerRecipe(NetworkRecipe):
    """Fully connected layers on the pixels."""

    name: Literal["two_layer"] = Field(default="two_layer", description="The model's name.")
    hidden: tuple[Width, ...] = Field(
        default=(512,), strict=False, min_length=1, description="Widths of the layers before the classifier."
    )
    activation: Activation = Field(default="relu", description="Non-linearity after each layer; identity: none.")
    dropout: float = Field(default=0.0, ge=0, lt=1, description="Dropout probability after each layer.")
    head: Head = Field(default=Head(), description="The classifier on the last hidden layer.")

    def scaled(self, factor: float) -> dict[str, Any]:
        """Return the widths of all hidden layers times `factor`."""
        return {"hidden": scale_widths(self.hidden, factor)}


class _Convolutional(NetworkRecipe):
    """Base of the networks with `widths` and a head; both scale together."""

    def scaled(self, factor: float) -> dict[str, Any]:
        """Return the widths of all convolutions and hidden layers times `factor`."""
        widths, head = getattr(self, "widths"), getattr(self, "head")  # noqa: B009
        return {"widths": scale_widths(widths, factor), "head.hidden": scale_widths(head.hidden, factor)}


class SimpleCnnRecipe(_Convolutional):
    """3x3 convolutions, each with an activation and a 2x2 max-pool, then fully connected layers on the flat maps."""

    name: Literal["simple_cnn"] = Field(default="simple_cnn", description="The model's name.")
    widths: tuple[Width, ...] = Field(
        default=(32, 64, 128), strict=False, min_length=1, description="Channels per convolution."
    )
    activation: Activation = Field(default="relu", description="Non-linearity after each convolution; identity: none.")
    norm: Norm = Field(default="none", description=NORM_AFTER_CONVOLUTION)
    head: Head = Field(default=Head(hidden=(256,)), description="The classifier on the flattened maps.")


class LeNet5Recipe(_Convolutional):
    """LeNet-5 (LeCun et al. 1998) with all maps connected and a linear last layer; its modern form has relu and max."""

    name: Literal["lenet5"] = Field(default="lenet5", description="The model's name.")
    widths: tuple[Width, Width] = Field(default=(6, 16), strict=False, description="Maps of the two 5x5 convolutions.")
    activation: Squashing = Field(default="tanh", description="Non-linearity after each layer; identity: none.")
    pool: Literal["avg", "max"] = Field(
        default="avg",
        description="Pooling of 2x2 pixels after each convolution: their mean (avg) or their maximum (max).",
    )
    head: Head = Field(
        default=Head(hidden=(120, 84)), description="The classifier on the flattened maps: the paper's C5, F6, output."
    )


class PlainStem(Section):
    """The first convolution of a plain network."""

    kernel: Kernel = Field(default=3, description="Side of the first convolution's kernel, in pixels.")
    stride: int = Field(default=3, ge=1, le=4, description="Stride of the first convolution.")
    padding: int = Field(default=0, ge=0, le=3, description="Zeros around the image, in pixels.")

    @model_validator(mode="after")
    def _padding_is_inside_the_kernel(self) -> PlainStem:
        if self.padding >= self.kernel:
            raise ValueError(f"padding must be below kernel but is {self.padding}, and kernel is {self.kernel}")
        return self


class ConvNetRecipe(_Convolutional):
    """A plain network: a strided first convolution, convolutions with max-pools, the mean of each of the last maps."""

    name: Literal["convnet"] = Field(default="convnet", description="The model's name.")
    widths: tuple[Width, ...] = Field(
        default=(64, 128, 256, 512, 1024),
        strict=False,
        min_length=2,
        description="Channels per convolution, the first one's included. A 2x2 max-pool follows each but the first and "
        "the last.",
    )
    kernels: tuple[Kernel, ...] = Field(
        default=(5, 3, 3, 3),
        strict=False,
        description="Side of the kernel of each convolution after the first, in pixels.",
    )
    stem: PlainStem = Field(default=PlainStem(), description="The first convolution.")
    activation: Activation = Field(default="relu", description="Non-linearity after each convolution; identity: none.")
    norm: Norm = Field(default="batch", description=NORM_AFTER_CONVOLUTION)
    head: Head = Field(
        default=Head(hidden=(512, 512), dropout=0.5), description="The classifier on the means of the last maps."
    )

    @model_validator(mode="after")
    def _a_kernel_per_convolution(self) -> ConvNetRecipe:
        if len(self.kernels) != len(self.widths) - 1:
            raise ValueError(
                f"kernels must have one value per width after the first ({len(self.widths) - 1}) "
                f"but has {len(self.kernels)}: {list(self.kernels)} against {list(self.widths)}"
            )
        return self


class CbamCnnRecipe(_Convolutional):
    """A plain network with one max-pool and a convolutional block attention module (CBAM, arXiv:1807.06521)."""

    name: Literal["cbam_cnn"] = Field(default="cbam_cnn", description="The model's name.")
    widths: tuple[Width, ...] = Field(
        default=(64, 128, 256, 512),
        strict=False,
        min_length=2,
        description="Channels per 3x3 convolution. The max-pool follows the second.",
    )
    attention: Literal["none", "channel", "spatial", "both"] = Field(
        default="both", description="The parts of CBAM that are on; both: channel attention, then spatial attention."
    )
    reduction: int = Field(
        default=16, ge=1, le=1024, description="Channels divided by the width of channel attention's hidden layer."
    )
    activation: Activation = Field(
        default="relu",
        description="Non-linearity after each convolution and in channel attention's hidden layer; identity: none.",
    )
    norm: Norm = Field(default="batch", description=NORM_AFTER_CONVOLUTION)
    head: Head = Field(default=Head(hidden=(256,)), description="The classifier on the means of the last maps.")
