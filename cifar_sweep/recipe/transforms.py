"""Settings of each image operation: `p`, the probability that an image is changed, and how strongly.

Defaults are those of torchvision or Albumentations (version 1) where they have the operation. Lengths are in pixels
unless a description says that they are shares of the image's side. Intensities are shares of the range of a pixel, 0
(black) to 1 (white).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field

from cifar_sweep.schema import Section

T = TypeVar("T", bound=float)


def _ordered(ends: tuple[T, T]) -> tuple[T, T]:
    if ends[0] > ends[1]:
        raise ValueError(f"a range goes from its smaller to its larger end, as [{ends[1]:g}, {ends[0]:g}]")
    return ends


def _angles(value: Any) -> float | tuple[float, float]:
    ends = tuple(value) if isinstance(value, list | tuple) else (value,)
    if not 1 <= len(ends) <= 2 or any(isinstance(end, bool) or not isinstance(end, int | float) for end in ends):
        raise ValueError("give one number of degrees, meaning -degrees to degrees, or a range such as [30, 60]")
    if any(not -180 <= end <= 180 for end in ends) or (len(ends) == 1 and ends[0] < 0):
        raise ValueError("degrees lie between 0 and 180, those of a range between -180 and 180")
    if len(ends) == 1:
        return float(ends[0])
    return _ordered((float(ends[0]), float(ends[1])))


Share = Annotated[float, Field(ge=0, le=1)]
SomeShare = Annotated[float, Field(gt=0, le=1)]
Positive = Annotated[float, Field(gt=0, le=100)]
Quality = Annotated[int, Field(ge=1, le=100)]
Range = Annotated[tuple[T, T], Field(strict=False), AfterValidator(_ordered)]
Angles = Annotated[float | tuple[float, float], BeforeValidator(_angles)]
Fill = Annotated[float, Field(ge=0, le=1)] | Literal["mean", "random"]


def probability(default: float) -> Any:
    """Return the field `p` with a default."""
    return Field(default=default, ge=0, le=1, description="Probability that an image is changed; 0: none is.")


class VerticalFlip(Section):
    """A vertical flip."""

    p: float = probability(0.5)


class ResizedCrop(Section):
    """A part of random area and shape, enlarged to the whole image (Szegedy et al. 2014, arXiv:1409.4842)."""

    p: float = probability(1.0)
    scale: Range[SomeShare] = Field(default=(0.08, 1.0), description="Range of the part's area, as a share.")
    ratio: Range[Positive] = Field(default=(0.75, 1.3333), description="Range of the part's width over its height.")


class Rotation(Section):
    """A rotation about the centre; corners that come in are black."""

    p: float = probability(1.0)
    degrees: Angles = Field(
        default=15.0,
        description="Angle, counter-clockwise: uniform in -degrees..degrees, or in a range such as [30, 60].",
    )


class Affine(Section):
    """Rotation, translation, scaling and shear at once; pixels from outside the image are black."""

    p: float = probability(1.0)
    degrees: Angles = Field(
        default=15.0, description="Angle, clockwise: uniform in -degrees..degrees, or in a range such as [30, 60]."
    )
    translate: float = Field(
        default=0.1, ge=0, le=1, description="Largest shift along each side, as a share of the side; 0: none."
    )
    scale: Range[Positive] = Field(default=(0.9, 1.1), description="Range of the enlargement; [1, 1]: none.")
    shear: float = Field(
        default=0.0, ge=0, le=80, description="Largest angle of the horizontal shear, in degrees; 0: none."
    )


class Perspective(Section):
    """A change of perspective: each corner moves inwards; pixels from outside the image are black."""

    p: float = probability(0.5)
    distortion: float = Field(
        default=0.5, ge=0, le=1, description="How far a corner may move, as a share of half the side; 0: not at all."
    )


class ColorJitter(Section):
    """Brightness, contrast, saturation and hue, in this order, each drawn independently."""

    p: float = probability(1.0)
    brightness: float = Field(default=0.2, ge=0, le=1, description="Factor uniform in 1 - this .. 1 + this; 0: off.")
    contrast: float = Field(default=0.2, ge=0, le=1, description="Factor uniform in 1 - this .. 1 + this; 0: off.")
    saturation: float = Field(
        default=0.2, ge=0, le=1, description="Factor uniform in 1 - this .. 1 + this; 0: off. Colour images only."
    )
    hue: float = Field(
        default=0.0, ge=0, le=0.5, description="Largest turn of the hue circle, in turns; 0: off. Colour images only."
    )


class BrightnessContrast(Section):
    """Pixels multiplied by a contrast and shifted by a brightness, as in Albumentations."""

    p: float = probability(0.5)
    brightness: float = Field(
        default=0.2, ge=0, le=1, description="Largest shift of brightness, a share of the range of a pixel; 0: none."
    )
    contrast: float = Field(default=0.2, ge=0, le=1, description="Factor uniform in 1 - this .. 1 + this; 0: off.")


class RgbShift(Section):
    """Each colour made brighter or darker independently. Colour images only."""

    p: float = probability(0.5)
    shift: float = Field(
        default=20 / 255, ge=0, le=1, description="Largest shift of a colour, a share of the range of a pixel."
    )


class Grayscale(Section):
    """Conversion to grey. Colour images only."""

    p: float = probability(0.1)


class AutoContrast(Section):
    """Each channel stretched over the full range of a pixel."""

    p: float = probability(0.5)


class Blur(Section):
    """A Gaussian blur."""

    p: float = probability(0.5)
    sigma: Range[Positive] = Field(default=(0.1, 2.0), description="Range of the kernel's deviation, in pixels.")


class MotionBlur(Section):
    """A blur along a line of random direction."""

    p: float = probability(0.5)
    length: Range[Positive] = Field(default=(3.0, 7.0), description="Range of the line's length, in pixels.")


class IsoNoise(Section):
    """Noise of a camera at high sensitivity: in the hue and, by a Poisson law, in the lightness. Colour images only."""

    p: float = probability(0.5)
    color_shift: Range[Share] = Field(
        default=(0.01, 0.05),
        description="Range of the hue noise's deviation, in turns of the hue circle at intensity 1.",
    )
    intensity: Range[Share] = Field(default=(0.1, 0.5), description="Range of the noise's strength; 0: no noise.")


class GaussianNoise(Section):
    """Independent normal noise on every pixel and channel, clipped to the range of a pixel."""

    p: float = probability(0.5)
    std: float = Field(
        default=0.1, ge=0, le=1, description="Deviation of the noise, a share of the range of a pixel; 0: none."
    )


class Jpeg(Section):
    """JPEG compression (on the CPU, image by image: the slowest operation)."""

    p: float = probability(0.5)
    quality: Range[Quality] = Field(default=(50, 100), description="Range of the quality, 1 (worst) to 100.")


class Erasing(Section):
    """A rectangle of random area and shape painted over (Zhong et al. 2017, arXiv:1708.04896)."""

    p: float = probability(0.5)
    scale: Range[SomeShare] = Field(default=(0.02, 0.33), description="Range of the rectangle's area, as a share.")
    ratio: Range[Positive] = Field(default=(0.3, 3.3), description="Range of its height over its width.")
    value: Fill = Field(
        default="mean",
        description="The paint: an intensity from 0 (black) to 1, mean (the image's own mean colour) or "
        "random (noise).",
    )


class Cutout(Section):
    """A square centred anywhere in the image painted over, clipped at the border (arXiv:1708.04552)."""

    p: float = probability(1.0)
    size: int = Field(
        default=8, ge=0, le=512, description="Side of the square, in pixels; 0: none. CIFAR-10: 16, CIFAR-100: 8."
    )
    value: Fill = Field(
        default="mean",
        description="The paint: an intensity from 0 (black) to 1, mean (the image's own mean colour) or "
        "random (noise).",
    )


class RandAugment(Section):
    """Operations drawn from 14, each at one magnitude (Cubuk et al. 2019, arXiv:1909.13719)."""

    p: float = probability(1.0)
    operations: int = Field(default=2, ge=0, le=14, description="Operations per image, one after another; 0: none.")
    magnitude: int = Field(default=9, ge=0, le=30, description="Strength of all of them, 0 (hardly any) to 30.")


class TrivialAugment(Section):
    """One operation per image at a random magnitude, in wide ranges (arXiv:2103.10158)."""

    p: float = probability(1.0)


class AugMix(Section):
    """Several chains of operations blended with the image (Hendrycks et al. 2019, arXiv:1912.02781), without its
    consistency loss.
    """

    p: float = probability(1.0)
    severity: int = Field(default=3, ge=1, le=10, description="Largest strength of an operation, of 10.")
    width: int = Field(default=3, ge=1, le=10, description="Chains per image.")
    depth: int = Field(default=-1, ge=-1, le=10, description="Operations per chain; -1: 1 to 3, drawn for each chain.")
    alpha: float = Field(
        default=1.0,
        gt=0,
        le=100,
        description="Concentration of the blend; small: one chain dominates; large: all weigh alike.",
    )


class Mix(Section):
    """Pairs of training images and their labels blended. With both above 0, one of them is drawn per batch."""

    p: float = Field(default=1.0, ge=0, le=1, description="Probability that a batch is mixed.")
    mixup: float = Field(
        default=0.0,
        ge=0,
        le=100,
        description="MixUp (arXiv:1710.09412): the share of an image is drawn from Beta(this, this); 0: off.",
    )
    cutmix: float = Field(
        default=0.0,
        ge=0,
        le=100,
        description="CutMix (arXiv:1905.04899): the share of the area is drawn from Beta(this, this); 0: off.",
    )
