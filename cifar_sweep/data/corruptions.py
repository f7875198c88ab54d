"""Five corruptions of images at five severities each, after Hendrycks & Dietterich 2019 (arXiv:1903.12261).

The strengths are those of CIFAR-10-C. The draws depend on the corruption, the severity and the image's position in its
set alone, so every model is measured on the same corrupted images.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image

from sweeps.workload import stream

BLOCK = 500  # images that share a generator, whatever the batches in which they are read


@dataclass(frozen=True)
class Corruption:
    """A corruption and its strengths.

    Attributes:
        strengths: The strength at each severity, counted from 1; its unit is the corruption's own (see CORRUPTIONS).
        apply: Takes images (B, size, size, channels) float32 in 0..1, a strength and a generator; returns images of the
            same shape, whose values outside 0..1 are clipped afterwards.
    """

    strengths: tuple[float, ...]
    apply: Callable[[np.ndarray, float, np.random.Generator], np.ndarray]


def corrupt(pixels: np.ndarray, kind: str, severity: int) -> np.ndarray:
    """Return the images under a corruption.

    Args:
        pixels: (N, size, size, 1 or 3) uint8, the whole set in its order.
        kind: A key of CORRUPTIONS.
        severity: From 1.

    Returns:
        (N, size, size, 1 or 3) uint8.
    """
    corruption = CORRUPTIONS[kind]
    strength = corruption.strengths[severity - 1]
    changed = np.empty(pixels.shape, np.uint8)
    for number, start in enumerate(range(0, len(pixels), BLOCK)):
        block = slice(start, start + BLOCK)
        generator = np.random.default_rng(stream(0, "corruption", kind, severity, number))
        images = corruption.apply(pixels[block] / np.float32(255), strength, generator)
        changed[block] = _to_bytes(images)
    return changed


def _noise(images: np.ndarray, deviation: float, generator: np.random.Generator) -> np.ndarray:
    """Add independent normal noise."""
    normal: np.ndarray = generator.standard_normal(images.shape, dtype=np.float32)
    return images + np.float32(deviation) * normal


def _blur(images: np.ndarray, deviation: float, generator: np.random.Generator) -> np.ndarray:
    """Blur with a Gaussian kernel."""
    from scipy.ndimage import gaussian_filter

    # In proportion for larger images; below 32 pixels a narrower kernel would have no weight beside its centre.
    pixels = deviation * max(1.0, images.shape[1] / 32)
    blurred: np.ndarray = gaussian_filter(images, (0, pixels, pixels, 0), mode="nearest")
    return blurred


def _contrast(images: np.ndarray, factor: float, generator: np.random.Generator) -> np.ndarray:
    """Multiply the distances to the mean of each channel of each image."""
    means: np.ndarray = images.mean(axis=(1, 2), keepdims=True)
    flatter: np.ndarray = means + (images - means) * np.float32(factor)
    return flatter


def _jpeg(images: np.ndarray, quality: float, generator: np.random.Generator) -> np.ndarray:
    """Compress as JPEG and decode again."""
    decoded = [_compress(image, round(quality)) for image in _to_bytes(images)]
    return np.stack(decoded).astype(np.float32) / 255


def _brightness(images: np.ndarray, shift: float, generator: np.random.Generator) -> np.ndarray:
    """Raise the value (HSV) of each pixel."""
    # The value is the largest channel: raising it with hue and saturation kept scales all channels alike.
    value = images.max(axis=-1, keepdims=True)
    raised = np.minimum(value + np.float32(shift), 1)
    brighter: np.ndarray = np.where(value > 0, images * (raised / np.where(value > 0, value, 1)), raised)
    return brighter


def _compress(image: np.ndarray, quality: int) -> np.ndarray:
    """Return an image (size, size, 1 or 3) uint8 after JPEG of this quality."""
    file = io.BytesIO()
    Image.fromarray(image.squeeze(-1) if image.shape[-1] == 1 else image).save(file, "JPEG", quality=quality)
    with Image.open(file) as decoded:
        return np.asarray(decoded).reshape(image.shape)


def _to_bytes(images: np.ndarray) -> np.ndarray:
    """Return images in 0..1 as uint8, rounded and clipped."""
    rounded: np.ndarray = np.rint(images.clip(0, 1) * 255)
    return rounded.astype(np.uint8)


CORRUPTIONS: Mapping[str, Corruption] = {
    "noise": Corruption((0.04, 0.06, 0.08, 0.09, 0.10), _noise),  # standard deviation, a share of the range of a pixel
    "blur": Corruption((0.4, 0.6, 0.7, 0.8, 1.0), _blur),  # deviation of the kernel, in pixels of a 32-pixel image
    "contrast": Corruption((0.75, 0.5, 0.4, 0.3, 0.15), _contrast),  # factor of the distances to the mean
    "jpeg": Corruption((80, 65, 58, 50, 40), _jpeg),  # quality
    "brightness": Corruption((0.05, 0.1, 0.15, 0.2, 0.3), _brightness),  # added to the value, a share of its range
}
