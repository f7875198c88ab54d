"""Operations that imitate a camera's defects: ISO noise, Gaussian noise, JPEG compression."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from cifar_sweep.augment.operations.base import Draws, Noise, Operation, per_image, uniform
from cifar_sweep.augment.operations.colour import rotate_hue
from cifar_sweep.recipe import transforms


@dataclass(frozen=True)
class IsoNoise(Operation):
    """A camera's noise at high sensitivity, by the model of Albumentations."""

    settings: transforms.IsoNoise

    def draw(self, count: int, generator: np.random.Generator) -> Draws:
        """Draw `color_shift`, in turns of the hue circle, and `intensity`, (count,) each."""
        return {
            "color_shift": uniform(generator, count, self.settings.color_shift),
            "intensity": uniform(generator, count, self.settings.intensity),
        }

    def apply(self, images: Tensor, drawn: Draws, noise: Noise) -> Tensor:
        """Rotate each pixel's hue by a normal angle and add Poisson noise to its lightness, more where it is dark.

        The mean of the Poisson law grows with the standard deviation of the image's lightness. Saturation (HLS) stays.
        """
        intensity, color_shift = (per_image(drawn[name])[:, 0] for name in ("intensity", "color_shift"))
        turn = noise.normal(*images.shape[2:])
        images = rotate_hue(images, turn * intensity * color_shift)
        lightness = (images.amax(1) + images.amin(1)) / 2
        deviation = lightness.std((1, 2), correction=0, keepdim=True)
        grains = noise.poisson((deviation * intensity * 255).expand_as(lightness).contiguous()) / 255
        return _set_lightness(images, lightness, (lightness + grains * (1 - lightness)).clamp(0, 1))


def _set_lightness(images: Tensor, lightness: Tensor, target: Tensor) -> Tensor:
    """Return the images, whose lightness is `lightness` (B, size, size), at the lightness `target`.

    Hue and saturation (HLS) are kept.
    """
    # A colour of lightness L has a chroma of at most 1 - |2L - 1|; saturation is its share of that.
    chroma_limit, target_limit = (1 - (2 * values - 1).abs() for values in (lightness, target))
    # Black and white have no hue to keep: they become grey, without a division by zero.
    shrink = (target_limit / chroma_limit.clamp(min=1e-6)).masked_fill_(chroma_limit <= 1e-6, 0)
    return (target[:, None] + (images - lightness[:, None]) * shrink[:, None]).clamp_(0, 1)


@dataclass(frozen=True)
class GaussianNoise(Operation):
    """Independent normal noise."""

    settings: transforms.GaussianNoise

    def draw(self, count: int, generator: np.random.Generator) -> Draws:
        """Draw nothing: the noise is drawn per pixel."""
        return {}

    def apply(self, images: Tensor, drawn: Draws, noise: Noise) -> Tensor:
        """Return the images plus noise, clipped."""
        return noise.normal(*images.shape[1:]).mul_(self.settings.std).add_(images).clamp_(0, 1)


@dataclass(frozen=True)
class Jpeg(Operation):
    """JPEG compression, image by image on the CPU."""

    settings: transforms.Jpeg
    on_cpu = frozenset({"quality"})

    def draw(self, count: int, generator: np.random.Generator) -> Draws:
        """Draw `quality` (count,), an integer from 1 to 100."""
        worst, best = self.settings.quality
        return {"quality": torch.from_numpy(generator.integers(worst, best, count, endpoint=True))}

    def apply(self, images: Tensor, drawn: Draws, noise: Noise) -> Tensor:
        """Return the images, compressed and decoded again."""
        pixels = (images * 255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
        decoded = [_compress(image, quality) for image, quality in zip(pixels, drawn["quality"].tolist(), strict=True)]
        return torch.from_numpy(np.stack(decoded)).to(images.device).permute(0, 3, 1, 2).float().div_(255)


def _compress(image: np.ndarray, quality: int) -> np.ndarray:
    """Return an image (size, size, 1 or 3) uint8 after JPEG of this quality."""
    file = io.BytesIO()
    Image.fromarray(image.squeeze(-1) if image.shape[-1] == 1 else image).save(file, "JPEG", quality=quality)
    with Image.open(file) as decoded:
        return np.asarray(decoded).reshape(image.shape)
