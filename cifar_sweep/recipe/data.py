"""Which images, and how they are divided."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator, model_validator

from cifar_sweep.section import Section, Shape

SHAPES = {
    "digits": Shape(channels=1, size=8, classes=10),
    "cifar10": Shape(channels=3, size=32, classes=10),
    "cifar100": Shape(channels=3, size=32, classes=100),
}


def _validation(value: Any) -> int | float:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    if isinstance(value, float) and 0 < value < 1:
        return value
    raise ValueError("give a count of images (1 or more) or a fraction between 0 and 1")


Validation = Annotated[int | float, PlainValidator(_validation, json_schema_input_type=int | float)]


class DataRecipe(Section):
    """Which images, and how their training part is divided."""

    name: Literal["digits", "cifar10", "cifar100", "npz", "folder"] = Field(
        default="cifar10",
        description="The data set. digits comes with scikit-learn; npz: arrays x_train, y_train, x_test, y_test; "
        "folder: train/ and test/ with one sub-folder of images per class.",
    )
    path: str | None = Field(
        default=None, description="Where npz or folder is: absolute, or below the data folder. Not for the other names."
    )
    size: int | None = Field(
        default=None, ge=1, description="Side of the images of npz or folder, in pixels; a folder's are resized to it."
    )
    channels: Literal[1, 3] | None = Field(default=None, description="Channels of the images of npz or folder: 1 or 3.")
    classes: int | None = Field(default=None, ge=2, description="How many classes npz or folder has.")
    validation: Validation = Field(
        default=0.1, description="Training images held out for validation, stratified: a count, or a fraction below 1."
    )
    train_limit: int | None = Field(
        default=None, ge=1, description="Train on this many of the training images (after the split), stratified."
    )
    label_noise: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Share of the training labels replaced by another class at random; "
        "those of validation and test stay.",
    )

    @property
    def shape(self) -> Shape:
        """The images' shape and number of classes."""
        if self.name in SHAPES:
            return SHAPES[self.name]
        described = self.channels, self.size, self.classes
        return Shape(*(number or 0 for number in described))  # the validator has seen to it that none is missing

    @model_validator(mode="after")
    def _own_data_is_described(self) -> DataRecipe:
        for key in ("path", "size", "channels", "classes"):
            given = getattr(self, key) is not None
            if self.name in SHAPES and given:
                value = getattr(self, key)
                raise ValueError(f"{key} is {value!r} but name is {self.name}: only npz and folder take it")
            if self.name not in SHAPES and not given:
                raise ValueError(f"name is {self.name} but {key} is missing")
        return self
