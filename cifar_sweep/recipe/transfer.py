"""Where a training starts from, and which of its parameters move."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, WrapValidator, model_validator

from cifar_sweep.schema import Section

WEIGHTS_SUFFIXES = (".pt", ".pth", ".safetensors")
_NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]*"  # of a study or a stage, as the engine has them
_TRIAL = re.compile(rf"{_NAME}:(?:{_NAME}/)?[0-9]+")
_ENUM = re.compile(r"(?:\w+_Weights\.)?[A-Z][A-Z0-9_]*")

Count = Annotated[int, Field(ge=1)]
Patterns = Annotated[tuple[str, ...], Field(min_length=1)]
Selected = str | int | tuple[str, ...]


def weights_kind(weights: str) -> Literal["file", "trial", "torchvision"] | None:
    """What `weights` names, told by its form alone: see `TransferRecipe.weights`. None when it is none of these."""
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


def _selected(word: str, value: Any) -> Selected:
    if value == word:
        return word
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    if isinstance(value, Sequence) and not isinstance(value, str) and value and all(isinstance(p, str) for p in value):
        return tuple(value)
    raise ValueError(f'give "{word}", a count of parameter tensors (1 or more) or a list of patterns of their names')


def _frozen(value: Any, inner: object) -> Selected | None:
    return None if value is None else _selected("body", value)


def _thawed(value: Any, inner: object) -> Selected:
    return _selected("all", value)


# Wrapped, not plain: the serializer and the JSON schema stay those of the type.
Frozen = Annotated[Literal["body"] | Count | Patterns | None, WrapValidator(_frozen)]
Thawed = Annotated[Literal["all"] | Count | Patterns, WrapValidator(_thawed)]
Reference = Annotated[str, AfterValidator(_reference)]
Weights = Annotated[str, AfterValidator(_weights)]


class Unfreeze(Section):
    """From an epoch on, more of the frozen parameters are trained."""

    epoch: int = Field(ge=1, description="After how many finished epochs these parameters begin to be trained.")
    parameters: Thawed = Field(
        default="all",
        description="Which parameters: all; a count: the last so many parameter tensors of the network; or a list of "
        "patterns of their names, such as [body.layer4.*].",
    )


class TransferRecipe(Section):
    """Where the weights come from at the start, and which of them are trained."""

    weights: Weights | None = Field(
        default=None,
        description="Initial weights; null: drawn at random. The name of torchvision weights for model.name "
        "torchvision: IMAGENET1K_V1, DEFAULT, ResNet50_Weights.IMAGENET1K_V2. A trial of a study in the same runs "
        "folder: study:7, study:final/0. A file of weights, absolute or below the data folder, known by its ending "
        ".pt, .pth or .safetensors.",
    )
    head: Literal["new", "keep"] = Field(
        default="new",
        description="new: the classifier starts anew, whatever the weights hold; keep: it is taken from the weights "
        "too, which must have the same classes. Torchvision's weights cannot keep theirs.",
    )
    freeze: Frozen = Field(
        default=None,
        description="Which parameters are not trained. null: none; body: all but the head; a count: all but the last "
        "so many parameter tensors of the network; or a list of patterns of their names, such as [body.layer1.*]. "
        "Normalisation layers of frozen parameters use their running statistics.",
    )
    unfreeze: tuple[Unfreeze, ...] = Field(
        default=(), strict=False, description="At which epochs frozen parameters begin to be trained."
    )
    head_lr: float = Field(default=1.0, gt=0, description="The head's learning rate, as a multiple of the body's.")

    @model_validator(mode="after")
    def _parts_agree(self) -> TransferRecipe:
        if self.head == "keep" and (self.weights is None or weights_kind(self.weights) == "torchvision"):
            raise ValueError(f"head is keep but weights is {self.weights}: only a trial or a file brings a head along")
        if self.unfreeze and self.freeze is None:
            raise ValueError("unfreeze is given but freeze is null: name what is frozen until then")
        return self
