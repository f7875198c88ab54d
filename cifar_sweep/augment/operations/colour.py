"""Operations that change each pixel by itself: jitter, brightness and contrast, shifts, greys, full contrast."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from cifar_sweep.augment.operations.base import Draws, Noise, Operation, per_image, uniform
from cifar_sweep.recipe import transforms

LUMA = (0.2989, 0.587, 0.114)  # the weights of red, green and blue in their grey (ITU-R BT.601), as in torchvision


def grey(images: Tensor) -> Tensor:
    """Return the grey of the images, (B, 1, size, size); images of a single channel are returned themselves."""
    if images.shape[1] == 1:
        return images
    red, green, blue = images[:, 0:1], images[:, 1:2], images[:, 2:3]
    return (red * LUMA[0]).add_(green, alpha=LUMA[1]).add_(blue, alpha=LUMA[2])


def full_contrast(images: Tensor) -> Tensor:
    """Stretch each channel of each image (B, C, size, size) to 0..1; a constant channel stays as it is."""
    darkest, lightest = images.amin((2, 3), keepdim=True), images.amax((2, 3), keepdim=True)
    flat = darkest == lightest
    spread = (lightest - darkest).masked_fill_(flat, 1)
    return (images - darkest.masked_fill_(flat, 0)).div_(spread).clamp_(0, 1)


def blend(images: Tensor, towards: Tensor, factor: Tensor) -> Tensor:
    """Return `factor` (B,) of the images plus 1 - `factor` of `towards`, clipped; factors above 1 lead away from it."""
    return torch.lerp(towards, images, per_image(factor)).clamp_(0, 1)


def brightness(images: Tensor, factor: Tensor) -> Tensor:
    """Multiply pixels by `factor` (B,), clipped."""
    return (images * per_image(factor)).clamp_(0, 1)


def contrast(images: Tensor, factor: Tensor) -> Tensor:
    """Multiply the distances to each image's mean grey by `factor` (B,), clipped."""
    mean = grey(images).mean((1, 2, 3), keepdim=True)
    return blend(images, mean.expand_as(images), factor)


def saturation(images: Tensor, factor: Tensor) -> Tensor:
    """Multiply the distances of colours to their grey by `factor` (B,), clipped. A single channel stays as it is."""
    return blend(images, grey(images).expand_as(images), factor)


def rotate_hue(images: Tensor, turn: Tensor) -> Tensor:
    """Rotate the hue circle, with lightness and saturation kept.

    Args:
        images: (B, 3, size, size).
        turn: (B, 1, 1) or (B, size, size), in whole turns of the circle.
    """
    largest, place = images.max(1)
    chroma = largest - images.amin(1)
    red, green, blue = images.unbind(1)
    sixth = torch.stack([green - blue, blue - red, red - green], 1).gather(1, place[:, None])[:, 0]
    # In sixths of the circle; a grey pixel, whose chroma is 0, gets any hue.
    hue = sixth / chroma.clamp(min=1e-8) + 2 * place + 6 * turn
    # 5, 3 and 1: where each channel's trapezoid starts. Made on the device, because a copy would wait for it.
    side = torch.arange(5.0, 0.0, -2.0, device=images.device).view(3, 1, 1)
    position = (side + hue[:, None]).remainder(6)
    return largest[:, None] - chroma[:, None] * torch.minimum(position, 4 - position).clamp_(0, 1)


@dataclass(frozen=True)
class ColorJitter(Operation):
    """Brightness, contrast, saturation and hue, always in this order; torchvision draws the order for each image."""

    settings: transforms.ColorJitter

    def draw(self, count: int, generator: np.random.Generator) -> Draws:
        """Draw the factors `brightness`, `contrast` and `saturation`, and `hue` in turns, (count,) each."""
        s = self.settings
        return {
            "brightness": uniform(generator, count, (1 - s.brightness, 1 + s.brightness)),
            "contrast": uniform(generator, count, (1 - s.contrast, 1 + s.contrast)),
            "saturation": uniform(generator, count, (1 - s.saturation, 1 + s.saturation)),
            "hue": uniform(generator, count, (-s.hue, s.hue)),
        }

    def apply(self, images: Tensor, drawn: Draws, noise: Noise) -> Tensor:
        """Return the images in other colours; a part that is off costs nothing."""
        if self.settings.brightness:
            images = brightness(images, drawn["brightness"])
        if self.settings.contrast:
            images = contrast(images, drawn["contrast"])
        if self.settings.saturation:
            images = saturation(images, drawn["saturation"])
        if self.settings.hue:
            images = rotate_hue(images, drawn["hue"].view(-1, 1, 1))
        return images


@dataclass(frozen=True)
class BrightnessContrast(Operation):
    """Pixels times a contrast plus a brightness, as in Albumentations."""

    settings: transforms.BrightnessContrast

    def draw(self, count: int, generator: np.random.Generator) -> Draws:
        """Draw `contrast`, a factor, and `brightness`, an addend, (count,) each."""
        s = self.settings
        return {
            "contrast": uniform(generator, count, (1 - s.contrast, 1 + s.contrast)),
            "brightness": uniform(generator, count, (-s.brightness, s.brightness)),
        }

    def apply(self, images: Tensor, drawn: Draws, noise: Noise) -> Tensor:
        """Return the images at another contrast and brightness, clipped."""
        changed = images * per_image(drawn["contrast"]) + per_image(drawn["brightness"])
        return changed.clamp_(0, 1)


@dataclass(frozen=True)
class RgbShift(Operation):
    """A shift of each colour by itself."""

    settings: transforms.RgbShift

    def draw(self, count: int, generator: np.random.Generator) -> Draws:
        """Draw `shift` (count, 3)."""
        shift = self.settings.shift
        return {"shift": uniform(generator, 3 * count, (-shift, shift)).view(count, 3)}

    def apply(self, images: Tensor, drawn: Draws, noise: Noise) -> Tensor:
        """Return the images with shifted colours, clipped."""
        return (images + drawn["shift"][:, :, None, None]).clamp_(0, 1)


@dataclass(frozen=True)
class Grayscale(Operation):
    """Colour images made grey."""

    settings: transforms.Grayscale

    def draw(self, count: int, generator: np.random.Generator) -> Draws:
        """Draw nothing."""
        return {}

    def apply(self, images: Tensor, drawn: Draws, noise: Noise) -> Tensor:
        """Return the images in grey, in three equal channels."""
        return grey(images).expand_as(images).contiguous()


@dataclass(frozen=True)
class AutoContrast(Operation):
    """Each channel stretched to 0..1."""

    settings: transforms.AutoContrast

    def draw(self, count: int, generator: np.random.Generator) -> Draws:
        """Draw nothing."""
        return {}

    def apply(self, images: Tensor, drawn: Draws, noise: Noise) -> Tensor:
        """Return the images at full contrast; a constant channel stays as it is."""
        return full_contrast(images)
