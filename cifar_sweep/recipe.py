"""The recipe: everything that decides how an image classifier is trained, with defaults for CIFAR-10."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator, model_validator

from cifar_sweep.models import ModelRecipe
from cifar_sweep.models.recipes import ResNetRecipe
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


class AugmentRecipe(Section):
    """What happens to the pixels on their way into the network."""

    crop: int = Field(
        default=4, ge=0, description="Pixels of zero padding that a random crop may shift by; 0: no crop."
    )
    flip: bool = Field(default=True, description="Whether half of the training images are mirrored at random.")
    normalise: bool = Field(
        default=True, description="Whether each channel is brought to mean 0 and deviation 1 of the training images."
    )


class OptimizerRecipe(Section):
    """The optimizer. Settings that the named one does not have are ignored."""

    name: Literal["sgd", "adam", "adamw"] = Field(default="sgd", description="The optimizer.")
    lr: float = Field(default=0.1, gt=0, description="Peak learning rate.")
    momentum: float = Field(default=0.9, ge=0, lt=1, description="Momentum of sgd.")
    nesterov: bool = Field(default=True, description="Whether sgd's momentum is Nesterov's.")
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = Field(
        default=(0.9, 0.999),
        strict=False,
        description="Decay of the running means of gradient and square: adam, adamw.",
    )
    weight_decay: float = Field(
        default=5e-4, ge=0, description="Weight decay of convolution and linear weights; biases and gains have none."
    )

    @model_validator(mode="after")
    def _nesterov_has_momentum(self) -> OptimizerRecipe:
        if self.name == "sgd" and self.nesterov and self.momentum == 0:
            raise ValueError("nesterov is true but momentum is 0: set nesterov to false")
        return self


class ScheduleRecipe(Section):
    """The learning rate over the steps: a linear warm-up, then the named decay."""

    name: Literal["cosine", "step", "constant"] = Field(
        default="cosine", description="cosine: to zero at the end; step: times gamma every step_epochs; constant."
    )
    warmup_epochs: int = Field(default=1, ge=0, description="Epochs of linear warm-up to the peak learning rate.")
    step_epochs: int = Field(
        default=10, ge=1, description="Epochs between two drops of step, counted after the warm-up."
    )
    gamma: float = Field(default=0.1, gt=0, le=1, description="Factor of each drop of step.")


class RegularizationRecipe(Section):
    """What keeps the network from fitting too hard, besides weight decay, dropout and augmentation."""

    label_smoothing: float = Field(default=0.0, ge=0, lt=1, description="Share of the target spread over all classes.")
    grad_clip: float | None = Field(
        default=None, gt=0, description="Largest norm of a step's gradient; null: no clipping."
    )


class Recipe(Section):
    """How one image classifier is trained. The defaults train a ResNet of 2.8 million parameters on CIFAR-10."""

    data: DataRecipe = Field(default=DataRecipe(), description="Which images.")
    augment: AugmentRecipe = Field(default=AugmentRecipe(), description="What happens to the pixels.")
    model: ModelRecipe = Field(default=ResNetRecipe(), description="The network.")
    optimizer: OptimizerRecipe = Field(default=OptimizerRecipe(), description="The optimizer.")
    schedule: ScheduleRecipe = Field(default=ScheduleRecipe(), description="The learning rate over the steps.")
    regularization: RegularizationRecipe = Field(default=RegularizationRecipe(), description="Against overfitting.")
    epochs: int = Field(default=30, ge=1, description="Passes over the training images.")
    batch_size: int = Field(default=128, ge=1, description="Images per step; a last incomplete batch is left out.")
    precision: Literal["auto", "fp32", "bf16"] = Field(
        default="auto", description="Arithmetic of the network; auto: bf16 where the device computes in it, else fp32."
    )
    draws: int = Field(
        default=0,
        ge=0,
        description="Which stream of random numbers the seed stands for: another value draws initial weights, order, "
        "augmentation, dropout and label noise anew, but not the split. A null component to check an ablation with.",
    )

    @model_validator(mode="after")
    def _parts_agree(self) -> Recipe:
        limit, shape = self.data.train_limit, self.data.shape
        if self.schedule.warmup_epochs > self.epochs:
            raise ValueError(f"schedule.warmup_epochs is {self.schedule.warmup_epochs} but epochs is {self.epochs}")
        if limit is not None and self.batch_size > limit:
            raise ValueError(f"batch_size is {self.batch_size} but data.train_limit is {limit}")
        if self.batch_size == 1 and self.model.norm == "batch":
            raise ValueError("batch_size is 1 but model.norm is batch, which needs 2 images or more")
        if self.augment.crop >= shape.size:
            raise ValueError(f"augment.crop is {self.augment.crop} but the images have {shape.size} pixels a side")
        return self
