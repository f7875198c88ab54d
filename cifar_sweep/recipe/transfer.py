"""Transfer settings: the weights to start from, and which parameters are trained."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, WrapValidator, model_validator

from cifar_sweep.schema import Section

WEIGHTS_SUFFIXES = (".pt", ".pth", ".pth.tar", ".ckpt", ".safetensors")
_NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]*"  # the engine's rule for names of studies and stages
_TRIAL = re.compile(rf"{_NAME}:(?:{_NAME}/)?[0-9]+")
_ENUM = re.compile(r"(?:\w+_Weights\.)?[A-Z][A-Z0-9_]*")

Count = Annotated[int, Field(ge=1)]
Patterns = Annotated[tuple[str, ...], Field(min_length=1)]
Selected = str | int | tuple[str, ...]


def weights_kind(weights: str) -> Literal["file", "trial", "torchvision"] | None:
    """Return the kind of weights that a name stands for, by its form alone (see `TransferRecipe.weights`).

    Returns:
        The kind; None where the name has none of these forms.
    """
    if weights.endswith(WEIGHTS_SUFFIXES):
        return "file"
    if _TRIAL.fullmatch(weights):
        return "trial"
    return "torchvision" if _ENUM.fullmatch(weights) else None


def _reference(value: str) -> str:
    if weights_kind(value) != "trial":
        raise ValueError("give a trial as study:7 or study:final/0")
    return value


def _weights(value: str) -> str:
    if weights_kind(value) is None:
        raise ValueError(
            "give torchvision weights (IMAGENET1K_V1, DEFAULT, ResNet50_Weights.IMAGENET1K_V2), a trial "
            f"(study:7, study:final/0) or a file of weights ({', '.join(WEIGHTS_SUFFIXES)})"
        )
    return value


def _selected(keyword: str, value: Any) -> Selected:
    """Return a selection of parameters: the keyword, a count, or patterns of names. Raises ValueError for others."""
    if value == keyword:
        return keyword
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    if isinstance(value, Sequence) and not isinstance(value, str) and value and all(isinstance(p, str) for p in value):
        return tuple(value)
    raise ValueError(f'give "{keyword}", a count of parameter tensors (1 or more) or a list of patterns of their names')


def _frozen(value: Any, inner: object) -> Selected | None:
    return None if value is None else _selected("body", value)


def _thawed(value: Any, inner: object) -> Selected:
    return _selected("all", value)


# Wrap validators, not plain ones, keep the serializer and the JSON schema of the type.
Frozen = Annotated[Literal["body"] | Count | Patterns | None, WrapValidator(_frozen)]
Thawed = Annotated[Literal["all"] | Count | Patterns, WrapValidator(_thawed)]
Reference = Annotated[str, AfterValidator(_reference)]
Weights = Annotated[str, AfterValidator(_weights)]


class Unfreeze(Section):
    """Frozen parameters that are trained from an epoch on."""

    epoch: int = Field(ge=1, description="Number of finished epochs after which these parameters are trained.")
    parameters: Thawed = Field(
        default="all",
        description="Which parameters. all; a count: that many of the network's last parameter tensors; or a list of "
        "patterns of their names, such as [body.layer4.*].",
    )


class TransferRecipe(Section):
    """The weights to start from, and which parameters are trained."""

    weights: Weights | None = Field(
        default=None,
        description="Initial weights; null: drawn at random. The name of torchvision weights for model.name "
        "torchvision: IMAGENET1K_V1, DEFAULT, ResNet50_Weights.IMAGENET1K_V2. A trial of a study in the same runs "
        "folder: study:7, study:final/0. A file of weights, absolute or below the data folder, with the suffix .pt, "
        ".pth, .pth.tar, .ckpt or .safetensors.",
    )
    head: Literal["new", "keep"] = Field(
        default="new",
        description="new: the classifier is initialised anew; keep: it is taken from the weights too, which "
        "must have the same classes. The classifier of torchvision's weights cannot be kept.",
    )
    freeze: Frozen = Field(
        default=None,
        description="Which parameters are not trained. null: none; body: all but the head; a count: all but that many "
        "of the network's last parameter tensors; or a list of patterns of their names, such as [body.layer1.*]. "
        "Normalisation layers with frozen parameters use their running statistics.",
    )
    unfreeze: tuple[Unfreeze, ...] = Field(
        default=(), strict=False, description="Which frozen parameters are trained from which epoch on."
    )
    head_lr: float = Field(default=1.0, gt=0, description="The head's learning rate, as a multiple of the body's.")

    @model_validator(mode="after")
    def _parts_agree(self) -> TransferRecipe:
        if self.head == "keep" and (self.weights is None or weights_kind(self.weights) == "torchvision"):
            raise ValueError(f"head is keep but weights is {self.weights}: only a trial or a file brings a head along")
        if self.unfreeze and self.freeze is None:
            raise ValueError("unfreeze is given but freeze is null: name what is frozen until then")
        return self
