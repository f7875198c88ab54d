"""Data settings: which images, at which size, and how they are divided."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator, SerializerFunctionWrapHandler, model_serializer, model_validator

from cifar_sweep.recipe.datasets import CLASS_NAMES, SHAPES, TRAINING_IMAGES, chosen_classes
from cifar_sweep.schema import Section, Shape

__all__ = ["FIRST_READING", "READING", "SHAPES", "DataRecipe", "Fit", "UnlabelledRecipe"]

# Versions of the rules by which image files are found and decoded (`cifar_sweep.data.formats.reading`).
FIRST_READING = 1  # of recipes recorded before the rules had a version
READING = 2  # of studies that begin now


def _validation(value: Any) -> int | float:
    # bool is a subclass of int: `validation: true` would otherwise be 1.
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    if isinstance(value, float) and 0 < value < 1:
        return value
    raise ValueError("give a count of images (1 or more) or a fraction between 0 and 1")


Validation = Annotated[int | float, PlainValidator(_validation, json_schema_input_type=int | float)]


def _class(value: Any) -> int | str:
    if isinstance(value, int | str) and not isinstance(value, bool):
        return value
    raise ValueError("give the name of a class or its index from 0")


Class = Annotated[int | str, PlainValidator(_class, json_schema_input_type=int | str)]
Subset = Annotated[tuple[Class, ...], Field(strict=False, min_length=2)]


@dataclass(frozen=True)
class Fit:
    """The steps from a stored image to the network's size.

    Attributes:
        resize: Side to resize to, in pixels; None leaves the step out.
        crop: Side of the middle part that is then kept, in pixels; None keeps the whole.
    """

    resize: int | None
    crop: int | None


class UnlabelledRecipe(Section):
    """The images without labels: a collection of their own, or training images whose labels are hidden."""

    path: str | None = Field(
        default=None,
        description="A pickle, .npz, .npy, image folder or STL-10's unlabeled_X.bin; absolute, or below the data "
        "folder. Instead of share.",
    )
    share: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="Share of the training images (after the split and train_limit), stratified, whose labels are "
        "hidden from training. Instead of path.",
    )

    @model_validator(mode="after")
    def _one_source(self) -> UnlabelledRecipe:
        if (self.path is None) == (self.share is None):
            raise ValueError(f"give either path or share; path is {self.path!r} and share is {self.share}")
        return self


class DataRecipe(Section):
    """The data set, the size of its images, and the division of its training part."""

    name: Literal["digits", "cifar10", "cifar100", "stl10", "npz", "folder"] = Field(
        default="cifar10",
        description="The data set. digits comes with scikit-learn; npz: arrays x_train, y_train, x_test, y_test and, "
        "if wanted, class_names; folder: train/ and test/ with one sub-folder of images per class.",
    )
    path: str | None = Field(
        default=None, description="Path of npz or folder; absolute, or below the data folder. Only for these two."
    )
    size: int | None = Field(
        default=None,
        ge=1,
        description="Side of the images of npz or folder, in pixels; a folder's are resized to it. A folder with "
        "resize needs none: its images are then decoded straight to that side.",
    )
    channels: Literal[1, 3] | None = Field(default=None, description="Channels of the images of npz or folder: 1 or 3.")
    classes: int | None = Field(
        default=None, ge=2, description="Number of classes of npz or folder, before any subset is taken."
    )
    subset: Subset | None = Field(
        default=None,
        description="Only these classes, by name or by index from 0, relabelled 0, 1, ... in the order given; "
        "null: all of them.",
    )
    resize: int | None = Field(
        default=None,
        ge=1,
        le=4096,
        description="Resize the images to this many pixels a side (bilinear, antialiased) before anything else; "
        "null: no resizing.",
    )
    center_crop: int | None = Field(
        default=None,
        ge=1,
        le=4096,
        description="Keep only the middle of each image, this many pixels a side, after resize; a folder decoded "
        "straight to resize then keeps its proportions. null: the whole image.",
    )
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
        "labels of validation and test stay.",
    )
    unlabelled: UnlabelledRecipe | None = Field(
        default=None, description="Images without labels, for techniques that learn from them; null: none."
    )
    reading: int | None = Field(
        default=None,
        ge=FIRST_READING,
        le=READING,
        description="Version of the rules by which image files are found and decoded, for a folder and for "
        "unlabelled images. 1: those of 0.1.0; 2: more suffixes, EXIF orientation, no hidden folders. null: the newest "
        "at the study's beginning, which it keeps to its end.",
    )
    duplicates: Literal["keep", "drop", "refuse"] | None = Field(
        default=None,
        description="What becomes of training images that are test images too, or near duplicates of them. keep: they "
        "are trained on; drop: they are left out of training and validation; refuse: the study does not begin. In each "
        "case duplicates within the training images stay on one side of every split. null: keep for the official data "
        "sets and refuse for npz and folder, settled at the study's beginning.",
    )

    @property
    def reads_files(self) -> bool:
        """Whether a training may decode image files, so that `reading` matters to it."""
        return self.name == "folder" or (self.unlabelled is not None and self.unlabelled.path is not None)

    @property
    def reading_version(self) -> int:
        """The version of the rules by which image files are read: `reading`, or what its absence stands for.

        A study whose training reads image files settles `reading` when it begins. A recipe of such a study without it
        was recorded before the rules had a version.
        """
        return self.reading or (FIRST_READING if self.reads_files else READING)

    @property
    def stored(self) -> Shape:
        """The shape of the images as they are read, with all classes; `shape` is what the network sees."""
        if self.name in SHAPES:
            return SHAPES[self.name]
        size = self.size or self.center_crop or self.resize
        numbers = self.channels, size, self.classes
        return Shape(*(number or 0 for number in numbers))  # the validator requires them all

    @property
    def shape(self) -> Shape:
        """The shape of the images after `resize` and `center_crop`, with the classes of `subset`."""
        stored = self.stored
        size = self.center_crop or self.resize or stored.size
        return Shape(stored.channels, size, len(self.subset) if self.subset else stored.classes)

    @property
    def fit(self) -> Fit | None:
        """The steps from a stored image to the network's size; None where it has that size."""
        decoded_to_size = self.name == "folder" and self.size is None
        resize = self.resize if self.resize != self.stored.size else None
        crop = self.center_crop if self.center_crop != (self.resize or self.stored.size) else None
        return None if decoded_to_size or (resize is None and crop is None) else Fit(resize, crop)

    @property
    def most_training_images(self) -> int | None:
        """The most images that the split can leave to train on; None where only the files tell."""
        images = TRAINING_IMAGES.get(self.name)
        if images is None:
            return None
        held_out = self.validation if isinstance(self.validation, int) else max(1, round(self.validation * images))
        return images - held_out

    @model_serializer(mode="wrap")
    def _without_absent_settings(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out settings of later versions where they are not set: recipes recorded before keep their digests."""
        content: dict[str, Any] = serialize(self)
        for key in ("reading", "duplicates"):
            if getattr(self, key) is None:
                content.pop(key, None)
        return content

    @model_validator(mode="after")
    def _own_data_is_described(self) -> DataRecipe:
        for key in ("path", "size", "channels", "classes"):
            is_given = getattr(self, key) is not None
            if self.name in SHAPES and is_given:
                value = getattr(self, key)
                raise ValueError(f"{key} is {value!r} but name is {self.name}: only npz and folder take it")
            decoded_to_size = key == "size" and self.name == "folder" and self.resize is not None
            if self.name not in SHAPES and not is_given and not decoded_to_size:
                raise ValueError(f"name is {self.name} but {key} is missing")
        return self

    @model_validator(mode="after")
    def _the_crop_fits(self) -> DataRecipe:
        side = self.resize or self.stored.size
        if self.center_crop is not None and self.center_crop > side:
            raise ValueError(f"center_crop is {self.center_crop} but the images have {side} pixels a side")
        return self

    @model_validator(mode="after")
    def _the_subset_is_there(self) -> DataRecipe:
        if self.subset is not None:
            names = CLASS_NAMES.get(self.name, ())
            # The class names of npz and folder are known only once they are read: names are checked then.
            checkable = [entry for entry in self.subset if names or isinstance(entry, int)]
            chosen_classes(checkable, names, self.stored.classes)
        return self
