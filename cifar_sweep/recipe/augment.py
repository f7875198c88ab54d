"""Augmentation settings: which operations, in which order, in which epochs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from cifar_sweep.recipe import transforms
from cifar_sweep.schema import Section, Shape

POLICIES = ("rand_augment", "trivial_augment", "aug_mix")
TestTimeAugmentation = Literal["none", "mirror", "mirror_translate"]


class Transforms(Section):
    """The operations on a training image, in this order. An operation that is null is off; `{}` is on with defaults."""

    crop: int = Field(default=4, ge=0, description="Largest shift of a random crop, in pixels of padding; 0: no crop.")
    crop_padding: Literal["zero", "reflect"] = Field(
        default="zero",
        description="The padding of a crop. zero: black; reflect: the image mirrored at its outermost pixels.",
    )
    flip: bool | Literal["alternating"] = Field(
        default=True,
        description="Whether half of the training images are flipped left to right at random. alternating: each image "
        "is flipped at random in the first epoch, and in every other epoch from then on.",
    )
    vertical_flip: transforms.VerticalFlip | None = Field(default=None, description="Vertical flip; null: off.")
    resized_crop: transforms.ResizedCrop | None = Field(default=None, description="Random resized crop; null: off.")
    rotation: transforms.Rotation | None = Field(default=None, description="Random rotation; null: off.")
    affine: transforms.Affine | None = Field(
        default=None, description="Rotation, translation, scaling and shear; null: off."
    )
    perspective: transforms.Perspective | None = Field(default=None, description="Random perspective; null: off.")
    rand_augment: transforms.RandAugment | None = Field(
        default=None, description="RandAugment; null: off. At most one of the three policies."
    )
    trivial_augment: transforms.TrivialAugment | None = Field(
        default=None, description="TrivialAugment; null: off. At most one of the three policies."
    )
    aug_mix: transforms.AugMix | None = Field(
        default=None, description="AugMix; null: off. At most one of the three policies."
    )
    color_jitter: transforms.ColorJitter | None = Field(
        default=None, description="Random brightness, contrast, saturation and hue; null: off."
    )
    brightness_contrast: transforms.BrightnessContrast | None = Field(
        default=None, description="Random brightness and contrast; null: off."
    )
    rgb_shift: transforms.RgbShift | None = Field(default=None, description="Random shift of each colour; null: off.")
    grayscale: transforms.Grayscale | None = Field(default=None, description="Without colour; null: off.")
    auto_contrast: transforms.AutoContrast | None = Field(
        default=None, description="Contrast stretched to the full range; null: off."
    )
    blur: transforms.Blur | None = Field(default=None, description="Gaussian blur; null: off.")
    motion_blur: transforms.MotionBlur | None = Field(default=None, description="Motion blur; null: off.")
    iso_noise: transforms.IsoNoise | None = Field(default=None, description="Noise of a camera; null: off.")
    gaussian_noise: transforms.GaussianNoise | None = Field(default=None, description="Gaussian noise; null: off.")
    jpeg: transforms.Jpeg | None = Field(default=None, description="JPEG compression; null: off.")
    erasing: transforms.Erasing | None = Field(default=None, description="Random erasing; null: off.")
    cutout: transforms.Cutout | None = Field(default=None, description="Cutout; null: off.")
    mix: transforms.Mix | None = Field(default=None, description="MixUp and CutMix; null: off.")

    @model_validator(mode="after")
    def _one_policy(self) -> Transforms:
        policies = [name for name in POLICIES if getattr(self, name) is not None]
        if len(policies) > 1:
            raise ValueError(f"{' and '.join(policies)} are both set: keep one policy and set the others to null")
        return self


class Phase(Transforms):
    """The settings of some epochs at the beginning. They are complete: a setting that is not named has its default."""

    epochs: int = Field(ge=1, description="How many epochs the phase lasts.")


class AugmentRecipe(Transforms):
    """The augmentation and normalisation of images."""

    normalise: bool = Field(
        default=True, description="Whether each channel is scaled to mean 0 and deviation 1 over the training images."
    )
    phases: Annotated[tuple[Phase, ...], Field(strict=False)] = Field(
        default=(),
        description="Phases that come before the settings beside this one apply, in order, each with settings of its "
        "own: [{epochs: 30, crop: 4, flip: true}] trains 30 epochs with crop and flip alone.",
    )

    def during(self, epoch: int) -> Transforms:
        """Return the settings of an epoch, counted from 0."""
        for phase in self.phases:
            if epoch < phase.epochs:
                return phase
            epoch -= phase.epochs
        return self


def check(augment: AugmentRecipe, shape: Shape) -> None:
    """Raise ValueError, naming the key, if the settings do not fit images of this shape."""
    _check_transforms(augment, shape, "augment")
    for number, phase in enumerate(augment.phases):
        _check_transforms(phase, shape, f"augment.phases.{number}")


def _check_transforms(settings: Transforms, shape: Shape, key: str) -> None:
    if settings.crop >= shape.size:
        raise ValueError(f"{key}.crop is {settings.crop} but the images have {shape.size} pixels a side")
    if settings.motion_blur is not None and settings.motion_blur.length[1] > shape.size:
        longest = settings.motion_blur.length[1]
        raise ValueError(
            f"{key}.motion_blur.length goes up to {longest:g} but the images have {shape.size} pixels a side"
        )
    for name in () if shape.channels == 3 else _coloured(settings):
        raise ValueError(
            f"{key}.{name} needs images of 3 channels, but these have {shape.channels}: set it to null or 0"
        )


def _coloured(settings: Transforms) -> list[str]:
    """Return the keys that are on and need colour images."""
    operations = [name for name in ("rgb_shift", "grayscale", "iso_noise") if getattr(settings, name) is not None]
    jitter = settings.color_jitter
    parts = ("saturation", "hue") if jitter is not None else ()
    return [*(f"color_jitter.{name}" for name in parts if getattr(jitter, name) > 0), *operations]
