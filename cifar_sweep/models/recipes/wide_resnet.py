"""The settings of the wide residual network."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from cifar_sweep.models.recipes.head import Head
from cifar_sweep.models.recipes.literals import Activation, Norm, Residual, StochasticDepth
from cifar_sweep.models.recipes.network import NetworkRecipe, scale_widths
from cifar_sweep.models.recipes.resnet import Stem


class WideResNetRecipe(NetworkRecipe):
    """A pre-activation residual network, wide rather than deep (Zagoruyko & Komodakis 2016, arXiv:1605.07146)."""

    name: Literal["wide_resnet"] = Field(default="wide_resnet", description="The model's name.")
    depth: int = Field(
        default=16, ge=10, le=1000, description="Layers as the paper counts them: 6n + 4 for n blocks in each stage."
    )
    widen: int = Field(
        default=4,
        ge=1,
        le=512,
        description="Widening factor: the stages have 1, 2 and 4 times width times this many channels.",
    )
    width: int = Field(default=16, ge=1, le=512, description="Channels of the stem; the paper's is 16.")
    stem: Stem = Field(default=Stem(), description="The first convolution.")
    activation: Activation = Field(
        default="relu", description="Non-linearity after each normalisation; identity: none."
    )
    norm: Norm = Field(
        default="batch",
        description="Normalisation before each activation; none: convolutions get a bias instead and the head has no "
        "batch norm.",
    )
    residual: Residual = True
    dropout: float = Field(
        default=0.0, ge=0, lt=1, description="Dropout probability between a block's two convolutions."
    )
    stochastic_depth: StochasticDepth = 0.0
    head: Head = Field(default=Head(), description="The classifier on the pooled features.")

    @property
    def blocks(self) -> int:
        """Blocks per stage."""
        return (self.depth - 4) // 6

    @property
    def widths(self) -> tuple[int, int, int]:
        """Channels per stage."""
        wide = self.width * self.widen
        return wide, 2 * wide, 4 * wide

    def scaled(self, factor: float) -> dict[str, Any]:
        """Return the width of the stem, and with it of every stage, times `factor`."""
        return {"width": scale_widths([self.width], factor)[0]}

    @model_validator(mode="after")
    def _depth_fits_the_stages(self) -> WideResNetRecipe:
        if (self.depth - 4) % 6:
            below = 6 * self.blocks + 4
            raise ValueError(f"depth must be 6n + 4 (10, 16, 22, 28, ...) but is {self.depth}: {below} or {below + 6}")
        return self
