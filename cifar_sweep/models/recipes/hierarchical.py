"""The settings of a classifier in two levels, and the coarse classes of CIFAR-100."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, WrapValidator, model_validator

from cifar_sweep.models.recipes.network import NetworkRecipe
from cifar_sweep.models.recipes.resnet import ResNetRecipe
from cifar_sweep.models.recipes.single import SingleRecipe

AUTO = "auto"
ClassIndex = Annotated[int, Field(ge=0)]
Group = Annotated[tuple[ClassIndex, ...], Field(min_length=2)]
Classes = tuple[tuple[int, ...], ...]  # the classes of each group


def _groups(value: Any, inner: object) -> str | Classes:
    """Return the validated groups. In place of the type's own validation, whose errors list every union member."""
    if value == AUTO:
        return AUTO
    groups = value if isinstance(value, list | tuple) else ()
    if len(groups) < 2 or not all(map(_is_group, groups)):
        raise ValueError(f"give {AUTO}, or two or more groups of two or more class indices, as [[0, 1], [2, 3, 4]]")
    return tuple(map(tuple, groups))


def _is_group(value: Any) -> bool:
    """Whether `value` is a list of two or more class indices."""
    is_list = isinstance(value, list | tuple) and len(value) >= 2
    return is_list and all(type(index) is int and index >= 0 for index in value)


# A wrapping validator, not a plain one: the serializer and the JSON schema stay those of the type.
Groups = Annotated[
    Literal["auto"] | Annotated[tuple[Group, ...], Field(min_length=2)],
    WrapValidator(_groups),
]

# The fine classes of each of CIFAR-100's coarse classes, both in the order of the official labels.
CIFAR100_GROUPS: Classes = (
    (4, 30, 55, 72, 95),
    (1, 32, 67, 73, 91),
    (54, 62, 70, 82, 92),
    (9, 10, 16, 28, 61),
    (0, 51, 53, 57, 83),
    (22, 39, 40, 86, 87),
    (5, 20, 25, 84, 94),
    (6, 7, 14, 18, 24),
    (3, 42, 43, 88, 97),
    (12, 17, 37, 68, 76),
    (23, 33, 49, 60, 71),
    (15, 19, 21, 31, 38),
    (34, 63, 64, 66, 75),
    (26, 45, 77, 79, 99),
    (2, 11, 35, 46, 98),
    (27, 29, 44, 78, 93),
    (36, 50, 65, 74, 80),
    (47, 52, 56, 59, 96),
    (8, 13, 48, 58, 90),
    (41, 69, 81, 85, 89),
)


class HierarchicalRecipe(NetworkRecipe):
    """A coarse classifier of groups of classes and, for each group, a fine classifier of the classes in it.

    Each is a separate network, trained separately with the settings of the recipe, the fine ones on the images of their
    group. The probability of a class is that of its group times that of the class within the group.
    """

    name: Literal["hierarchical"] = Field(default="hierarchical", description="The model's name.")
    coarse: SingleRecipe = Field(default=ResNetRecipe(), description="The network that classifies the groups.")
    fine: SingleRecipe = Field(
        default=ResNetRecipe(), description="The network of each group, which classifies within it."
    )
    groups: Groups = Field(
        default="auto",
        description="The classes of each group, by index from 0: [[0, 1], [2, 3, 4]]. Each class is in exactly one "
        "group, each group has two or more; auto: the 20 coarse classes of cifar100.",
    )

    @property
    def batch_statistics(self) -> bool:
        """Whether one of the networks normalises over the batch in training."""
        return self.coarse.batch_statistics or self.fine.batch_statistics

    def scaled(self, factor: float) -> dict[str, Any]:
        """Return the widths of both levels' networks times `factor`, by dotted key."""
        levels = (("coarse", self.coarse), ("fine", self.fine))
        return {f"{level}.{key}": value for level, recipe in levels for key, value in recipe.scaled(factor).items()}

    def groups_of(self, classes: int) -> Classes:
        """Return the groups, for a number of classes. Raises ValueError unless each class is in exactly one of them."""
        groups = CIFAR100_GROUPS if isinstance(self.groups, str) else self.groups
        counts = Counter(index for group in groups for index in group)
        for index in sorted({*range(classes), *counts}):
            if index >= classes:
                raise ValueError(f"model.groups has class {index}, but the data has only classes 0 to {classes - 1}")
            if counts[index] != 1:
                raise ValueError(f"model.groups must name each class once, but class {index} is in {counts[index]}")
        return groups

    def check(self, data: str, classes: int) -> None:
        """Raise ValueError where the groups do not fit the data set named `data` with this number of classes."""
        if self.groups == AUTO and (data, classes) != ("cifar100", 100):
            raise ValueError(
                f"model.groups is auto, the coarse classes of all 100 of cifar100, but the data is {data} with "
                f"{classes} classes: give the groups as lists of class indices"
            )
        self.groups_of(classes)

    def refuse(self, techniques: Mapping[str, object]) -> None:
        """Raise ValueError where a technique is on that needs a single head.

        Args:
            techniques: The settings of such techniques, by dotted key; None where they are off.
        """
        for key, value in techniques.items():
            if value is not None:
                raise ValueError(
                    f"model.name is hierarchical: its levels are trained separately, so {key} must be null"
                )

    @model_validator(mode="after")
    def _levels_have_no_text(self) -> HierarchicalRecipe:
        for level, recipe in (("coarse", self.coarse), ("fine", self.fine)):
            if recipe.head.text is not None:
                raise ValueError(
                    f"{level}.head.text is set but the levels of a hierarchical model take none: set it to null"
                )
        return self
