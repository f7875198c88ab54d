"""Operations that change each pixel by itself: jitter, brightness and contrast, shifts, greys, full contrast."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from cifar_sweep.augment.operations.base import Draws, beside, per_image, uniform
from cifar_sweep.recipe import transforms

LUMA = (0.2989, 0.587, 0.114)  # how much of red, green and blue is in their grey (ITU-R BT.601)


def grey(images: Tensor) -> Tensor:
    """(B, 1, size, size): the grey of the images; a single channel is its own."""
    if images.shape[1] == 1:
        return images
    red, green, blue = images[:, 0:1], images[:, 1:2], images[:, 2:3]
    return (red * LUMA[0]).add_(green, alpha=LUMA[1]).add_(blue, alpha=LUMA[2])


def full_contrast(images: Tensor) -> Tensor:
    """Each channel of each image stretched to 0..1; a constant one stays."""
    darkest, lightest = images.amin((2, 3), keepdim=True), images.amax((2, 3), keepdim=True)
    flat = darkest == lightest
    darkest, room = torch.where(flat, 0, darkest), torch.where(flat, 1, lightest - darkest)
    return ((images - darkest) / room).clamp_(0, 1)


def blend(images: Tensor, towards: Tensor, factor: Tensor) -> Tensor:
    """`factor` (B,) of the images and the rest of `towards`, clipped; a factor above 1 leads away from it."""
    return torch.lerp(towards, images, per_image(factor, images)).clamp_(0, 1)


def brightness(images: Tensor, factor: Tensor) -> Tensor:
    """Pixels times `factor` (B,), clipped."""
    return (images * per_image(factor, images)).clamp_(0, 1)


def contrast(images: Tensor, factor: Tensor) -> Tensor:
    """Distances to the mean grey of each image times `factor` (B,), clipped."""
    mean = grey(images).mean((1, 2, 3), keepdim=True)
    return blend(images, mean.expand_as(images), factor)


def saturation(images: Tensor, factor: Tensor) -> Tensor:
    """Distances of colours to their grey times `factor` (B,), clipped. A single channel has no colour."""
    return blend(images, grey(images).expand_as(images), factor)


def turn_hue(images: Tensor, turn: Tensor) -> Tensor:
    """The hue circle turned by `turn`, in turns, (B, 1, 1) or (B, size, size); lightness and saturation stay."""
    largest, place = images.max(1)
    chroma = largest - images.amin(1)
    red, green, blue = images.unbind(1)
    sixth = torch.stack([green - blue, blue - red, red - green], 1).gather(1, place[:, None])[:, 0]
    hue = sixth / chroma.clamp(min=1e-8) + 2 * place + 6 * turn
    side = torch.arange(5.0, 0.0, -2.0, device=images.device).view(3, 1, 1)  # made there: 5, 3, 1
    position = (side + hue[:, None]).remainder(6)
    return largest[:, None] - chroma[:, None] * torch.minimum(position, 4 - position).clamp_(0, 1)


@dataclass(frozen=True)
class ColorJitter:
    """Brightness, contrast, saturation and hue. In this order: torchvision's order is drawn for each image."""

    settings: transforms.ColorJitter

    def draw(self, count: int, generator: np.random.Generator) -> Draws:
        """`brightness`, `contrast`, `saturation`: factors; `hue`: turns."""
        s = self.settings
        return {
            "brightness": uniform(generator, count, (1 - s.brightness, 1 + s.brightness)),
            "contrast": uniform(generator, count, (1 - s.contrast, 1 + s.contrast)),
            "saturation": uniform(generator, count, (1 - s.saturation, 1 + s.saturation)),
            "hue": uniform(generator, count, (-s.hue, s.hue)),
        }

    def apply(self, images: Tensor, drawn: Draws, noise: torch.Generator) -> Tensor:
        """The images in other light; a part that is off costs nothing."""
        if self.settings.brightness:
            images = brightness(images, drawn["brightness"])
        if self.settings.contrast:
            images = contrast(images, drawn["contrast"])
        if self.settings.saturation:
            images = saturation(images, drawn["saturation"])
        if self.settings.hue:
            images = turn_hue(images, beside(drawn["hue"], images).view(-1, 1, 1))
        return images


@dataclass(frozen=True)
class BrightnessContrast:
    """Pixels times a contrast plus a brightness."""

    settings: transforms.BrightnessContrast

    def draw(self, count: int, generator: np.random.Generator) -> Draws:
        """`contrast`, a factor, and `brightness`, added."""
        s = self.settings
        return {
            "contrast": uniform(generator, count, (1 - s.contrast, 1 + s.contrast)),
            "brightness": uniform(generator, count, (-s.brightness, s.brightness)),
        }

    def apply(self, images: Tensor, drawn: Draws, noise: torch.Generator) -> Tensor:
        """The images in other light."""
        changed = images * per_image(drawn["contrast"], images) + per_image(drawn["brightness"], images)
        return changed.clamp_(0, 1)


@dataclass(frozen=True)
class RgbShift:
    """Each colour shifted by itself."""

    settings: transforms.RgbShift

    def draw(self, count: int, generator: np.random.Generator) -> Draws:
        """`shift` (count, 3)."""
        shift = self.settings.shift
        return {"shift": uniform(generator, 3 * count, (-shift, shift)).view(count, 3)}

    def apply(self, images: Tensor, drawn: Draws, noise: torch.Generator) -> Tensor:
        """The images in other colours."""
        return (images + beside(drawn["shift"], images)[:, :, None, None]).clamp_(0, 1)


@dataclass(frozen=True)
class Grayscale:
    """Without colour."""

    settings: transforms.Grayscale

    def draw(self, count: int, generator: np.random.Generator) -> Draws:
        """Nothing."""
        return {}

    def apply(self, images: Tensor, drawn: Draws, noise: torch.Generator) -> Tensor:
        """Grey, in three equal channels."""
        return grey(images).expand_as(images).contiguous()


@dataclass(frozen=True)
class AutoContrast:
    """Each channel stretched to 0..1."""

    settings: transforms.AutoContrast

    def draw(self, count: int, generator: np.random.Generator) -> Draws:
        """Nothing."""
        return {}

    def apply(self, images: Tensor, drawn: Draws, noise: torch.Generator) -> Tensor:
        """The images at full contrast; a constant channel stays."""
        return full_contrast(images)
