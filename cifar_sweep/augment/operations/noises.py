"""Operations that degrade what a camera saw: ISO noise, Gaussian noise, JPEG compression."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from cifar_sweep.augment.operations.base import Draws, per_image, uniform
from cifar_sweep.augment.operations.colour import turn_hue
from cifar_sweep.recipe import transforms


@dataclass(frozen=True)
class IsoNoise:
    """A camera's noise at high sensitivity, after Albumentations' model of it."""

    settings: transforms.IsoNoise

    def draw(self, count: int, generator: np.random.Generator) -> Draws:
        """`color_shift` in turns of the hue circle, and `intensity`."""
        return {
            "color_shift": uniform(generator, count, self.settings.color_shift),
            "intensity": uniform(generator, count, self.settings.intensity),
        }

    def apply(self, images: Tensor, drawn: Draws, noise: torch.Generator) -> Tensor:
        """Per pixel: a normal turn of the hue, and bytes of lightness by a Poisson law, more where the image is dark.

        The mean of the Poisson law grows with the deviation of the image's lightness. Saturation (HLS) is kept.
        """
        count, _, size, _ = images.shape
        intensity = per_image(drawn["intensity"], images)[:, 0]
        turn = torch.randn((count, size, size), generator=noise, device=images.device)
        images = turn_hue(images, turn * intensity * per_image(drawn["color_shift"], images)[:, 0])
        lightness = (images.amax(1) + images.amin(1)) / 2
        deviation = lightness.std((1, 2), correction=0, keepdim=True)
        grains = torch.poisson((deviation * intensity * 255).expand_as(lightness).contiguous(), generator=noise) / 255
        return _with_lightness(images, lightness, (lightness + grains * (1 - lightness)).clamp(0, 1))


def _with_lightness(images: Tensor, lightness: Tensor, wanted: Tensor) -> Tensor:
    """The colours of another lightness (B, size, size), their hue and saturation kept."""
    room, wanted_room = (1 - (2 * each - 1).abs() for each in (lightness, wanted))
    shrink = torch.where(room > 1e-6, wanted_room / room.clamp(min=1e-6), 0)
    return (wanted[:, None] + (images - lightness[:, None]) * shrink[:, None]).clamp_(0, 1)


@dataclass(frozen=True)
class GaussianNoise:
    """Independent normal noise."""

    settings: transforms.GaussianNoise

    def draw(self, count: int, generator: np.random.Generator) -> Draws:
        """Nothing: all is drawn per pixel."""
        return {}

    def apply(self, images: Tensor, drawn: Draws, noise: torch.Generator) -> Tensor:
        """The images with noise, clipped."""
        normal = torch.randn(images.shape, generator=noise, device=images.device)
        return normal.mul_(self.settings.std).add_(images).clamp_(0, 1)


@dataclass(frozen=True)
class Jpeg:
    """Compressed and read again, image by image on the CPU."""

    settings: transforms.Jpeg

    def draw(self, count: int, generator: np.random.Generator) -> Draws:
        """`quality`, an integer."""
        worst, best = self.settings.quality
        return {"quality": torch.from_numpy(generator.integers(worst, best, count, endpoint=True))}

    def apply(self, images: Tensor, drawn: Draws, noise: torch.Generator) -> Tensor:
        """What is left of the images."""
        pixels = (images * 255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
        read = [_through_jpeg(image, quality) for image, quality in zip(pixels, drawn["quality"].tolist(), strict=True)]
        return torch.from_numpy(np.stack(read)).to(images.device).permute(0, 3, 1, 2).float().div_(255)


def _through_jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    written = io.BytesIO()
    Image.fromarray(image.squeeze(-1) if image.shape[-1] == 1 else image).save(written, "JPEG", quality=quality)
    with Image.open(written) as read:
        return np.asarray(read).reshape(image.shape)
