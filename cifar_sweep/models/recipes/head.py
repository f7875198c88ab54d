"""The settings of the classifier on a network's features."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from cifar_sweep.models.recipes.literals import Squashing, Width
from cifar_sweep.schema import Section

TEXT_DIMENSIONS = {"words": 256, "clip": 512}  # of the embeddings of each encoder that fixes them


class TextHead(Section):
    """Logits as similarities of the features to text embeddings of the class names (CLIP, arXiv:2103.00020)."""

    encoder: Literal["words", "clip", "file"] = Field(
        default="words",
        description="Encoder of the class names. words: the mean of a vector of 256 numbers per word piece (extra "
        "text); clip: CLIP's text encoder, 512 numbers (extra clip); file: embeddings made elsewhere.",
    )
    path: str | None = Field(
        default=None,
        description="The .npz of encoder file: absolute, or below the data folder; null for the other encoders.",
    )
    dimensions: int | None = Field(
        default=None,
        ge=1,
        le=65536,
        description="Numbers per embedding: required for encoder file; null for the others, which have 256 and 512.",
    )
    temperature: float = Field(
        default=0.07,
        ge=0.01,
        le=1000,
        description="Divisor of the similarities (-1 to 1) at the start; it is learned, and never below 0.01.",
    )

    @property
    def width(self) -> int:
        """Numbers per embedding."""
        return TEXT_DIMENSIONS.get(self.encoder) or self.dimensions or 0  # never 0: the validator requires one of them

    @model_validator(mode="after")
    def _file_is_described(self) -> TextHead:
        for key in ("path", "dimensions"):
            value = getattr(self, key)
            if self.encoder == "file" and value is None:
                raise ValueError(f"encoder is file but {key} is missing: give {key}, or encoder words or clip")
            if self.encoder != "file" and value is not None:
                raise ValueError(f"{key} is {value!r} but encoder is {self.encoder}: only file takes it; remove it")
        return self


class Head(Section):
    """The classifier: hidden layers, dropout, batch norm, a last linear layer, batch norm of the scores, in this order.

    Dropout + linear, dropout + BatchNorm1d + linear and multi-layer heads are special cases.
    """

    hidden: tuple[Width, ...] = Field(
        default=(),
        strict=False,
        description="Widths of fully connected layers, each with an activation, before the last one; []: none.",
    )
    dropout: float = Field(
        default=0.0, ge=0, lt=1, description="Dropout probability just before the last linear layer."
    )
    dropout_hidden: float = Field(
        default=0.0, ge=0, lt=1, description="Dropout probability after each hidden layer except the last."
    )
    batch_norm: bool = Field(
        default=False, description="Whether a BatchNorm1d stands between the dropout and the last linear layer."
    )
    batch_norm_logits: bool = Field(default=False, description="Whether a BatchNorm1d follows the last linear layer.")
    activation: Squashing | None = Field(
        default=None, description="Non-linearity of the hidden layers; null: the network's own, relu where it has none."
    )
    text: TextHead | None = Field(
        default=None,
        description="Compare features with embeddings of the class names; null: with one learned vector per class.",
    )
