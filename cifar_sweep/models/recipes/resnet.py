"""The settings of the residual networks."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from cifar_sweep.models.recipes.head import Head
from cifar_sweep.models.recipes.literals import (
    Activation,
    Blocks,
    Kernel,
    Norm,
    Residual,
    StochasticDepth,
    Stride,
    Width,
)
from cifar_sweep.models.recipes.network import NetworkRecipe, scale_widths
from cifar_sweep.schema import Section


class Stem(Section):
    """The first convolution, from pixels to features."""

    kernel: Kernel = Field(default=3, description="Side of the first convolution's kernel, in pixels.")
    stride: int = Field(default=1, ge=1, le=4, description="Stride of the first convolution.")
    pool: bool = Field(default=False, description="Whether a 3x3 max-pool of stride 2 follows the first convolution.")


class ResNetRecipe(NetworkRecipe):
    """A residual network of basic blocks (He et al. 2015, arXiv:1512.03385) with a stem for small images."""

    name: Literal["resnet"] = Field(default="resnet", description="The model's name.")
    blocks: tuple[Blocks, ...] = Field(
        default=(2, 2, 2, 2),
        strict=False,
        min_length=1,
        description="Basic blocks (two 3x3 convolutions each) per stage.",
    )
    widths: tuple[Width, ...] = Field(
        default=(32, 64, 128, 256),
        strict=False,
        min_length=1,
        description="Channels per stage; the stem has those of the first.",
    )
    strides: tuple[Stride, ...] = Field(
        default=(1, 2, 2, 2), strict=False, min_length=1, description="Stride of the first block of each stage."
    )
    stem: Stem = Field(default=Stem(), description="The first convolution.")
    activation: Activation = Field(
        default="relu", description="Non-linearity after each normalisation; identity: none."
    )
    norm: Norm = Field(
        default="batch",
        description="Normalisation after each convolution; none: convolutions get a bias instead and the head has no "
        "batch norm.",
    )
    residual: Residual = True
    stochastic_depth: StochasticDepth = 0.0
    zero_init: bool = Field(
        default=False,
        description="Whether the gain of each residual block's last norm starts at zero (needs norm and residual).",
    )
    head: Head = Field(default=Head(), description="The classifier on the pooled features.")

    def scaled(self, factor: float) -> dict[str, Any]:
        """Return the widths of all stages times `factor`."""
        return {"widths": scale_widths(self.widths, factor)}

    @model_validator(mode="after")
    def _stages_agree(self) -> ResNetRecipe:
        for name, values in (("blocks", self.blocks), ("strides", self.strides)):
            if len(values) != len(self.widths):
                raise ValueError(
                    f"widths has {_stages(self.widths)} but {name} has {len(values)}: "
                    f"{list(self.widths)} against {list(values)}"
                )
        return self


def _stages(values: tuple[int, ...]) -> str:
    """Return the number of stages in words."""
    return f"{len(values)} stage{'s' if len(values) > 1 else ''}"
