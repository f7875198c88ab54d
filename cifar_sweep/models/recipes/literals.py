"""Types of settings that several models share."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

Activation = Literal["relu", "gelu", "silu", "leaky_relu", "identity"]
Squashing = Literal["tanh", "sigmoid", "relu", "gelu", "silu", "leaky_relu", "identity"]
Norm = Literal["batch", "group", "none"]
Blocks = Annotated[int, Field(ge=1, le=1000)]
Width = Annotated[int, Field(ge=1, le=8192)]
Stride = Annotated[int, Field(ge=1, le=4)]
Kernel = Literal[1, 3, 5, 7]
Residual = Annotated[bool, Field(description="Whether each block adds its input to its output.")]
StochasticDepth = Annotated[
    float,
    Field(
        ge=0,
        lt=1,
        description="Probability that a training image skips the last block's convolutions; it grows linearly from the "
        "first block to the last. Without residual nothing is skipped.",
    ),
]
