"""Five corruptions of images at five severities each, after Hendrycks & Dietterich 2019 (arXiv:1903.12261).

The strengths are those of CIFAR-10-C. What is drawn depends on the corruption, the severity and the image's place in
its set alone, so every model is shown the same corrupted images.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image

from sweeps.workload import stream

BLOCK = 500  # images that share a generator; whoever looks at them in other batches sees the same images


@dataclass(frozen=True)
class Corruption:
    """A change of images (B, size, size, channels) float32 in 0..1, with its strength at each severity from 1.

    `apply` may return values outside 0..1, which are clipped.
    """

    strengths: tuple[float, ...]
    apply: Callable[[np.ndarray, float, np.random.Generator], np.ndarray]


def corrupt(pixels: np.ndarray, kind: str, severity: int) -> np.ndarray:
    """The images `pixels` (N, size, size, 1 or 3) uint8 under the corruption `kind`, in the same shape and type.

    `kind` is a key of CORRUPTIONS and `severity` counts from 1.
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
    drawn: np.ndarray = generator.standard_normal(images.shape, dtype=np.float32)
    return images + np.float32(deviation) * drawn


def _blur(images: np.ndarray, deviation: float, generator: np.random.Generator) -> np.ndarray:
    from scipy.ndimage import gaussian_filter

    # In proportion for larger images; below 32 pixels a narrower kernel would have no weight beside its centre.
    pixels = deviation * max(1.0, images.shape[1] / 32)
    blurred: np.ndarray = gaussian_filter(images, (0, pixels, pixels, 0), mode="nearest")
    return blurred


def _contrast(images: np.ndarray, factor: float, generator: np.random.Generator) -> np.ndarray:
    means: np.ndarray = images.mean(axis=(1, 2), keepdims=True)
    flatter: np.ndarray = means + (images - means) * np.float32(factor)
    return flatter


def _jpeg(images: np.ndarray, quality: float, generator: np.random.Generator) -> np.ndarray:
    stored = [_through_jpeg(image, round(quality)) for image in _to_bytes(images)]
    return np.stack(stored).astype(np.float32) / 255


def _brightness(images: np.ndarray, shift: float, generator: np.random.Generator) -> np.ndarray:
    # The value of HSV is the largest channel: raised, with hue and saturation kept, it scales all channels alike.
    value = images.max(axis=-1, keepdims=True)
    raised = np.minimum(value + np.float32(shift), 1)
    brighter: np.ndarray = np.where(value > 0, images * (raised / np.where(value > 0, value, 1)), raised)
    return brighter


def _through_jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    written = io.BytesIO()
    Image.fromarray(image.squeeze(-1) if image.shape[-1] == 1 else image).save(written, "JPEG", quality=quality)
    with Image.open(written) as read:
        return np.asarray(read).reshape(image.shape)


def _to_bytes(images: np.ndarray) -> np.ndarray:
    rounded: np.ndarray = np.rint(images.clip(0, 1) * 255)
    return rounded.astype(np.uint8)


CORRUPTIONS: Mapping[str, Corruption] = {
    "noise": Corruption((0.04, 0.06, 0.08, 0.09, 0.10), _noise),  # deviation, as a share of the range of a pixel
    "blur": Corruption((0.4, 0.6, 0.7, 0.8, 1.0), _blur),  # deviation of the kernel, in pixels of a 32-pixel image
    "contrast": Corruption((0.75, 0.5, 0.4, 0.3, 0.15), _contrast),  # what is left of the distance to the mean
    "jpeg": Corruption((80, 65, 58, 50, 40), _jpeg),  # quality
    "brightness": Corruption((0.05, 0.1, 0.15, 0.2, 0.3), _brightness),  # added to the value, a share of its range
}
