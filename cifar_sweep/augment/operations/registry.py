"""The registry of image operations: recipe key -> class, in the order in which they are applied."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cifar_sweep.augment import policies
from cifar_sweep.augment.operations import blurs, colour, erasing, geometric, noises
from cifar_sweep.augment.operations.base import Operation

# Geometry first, then the policies, colours, what a camera adds, and at last what covers the image: nothing is blurred,
# compressed or recoloured over an erased part.
OPERATIONS: Mapping[str, Callable[[Any], Operation]] = {
    "vertical_flip": geometric.VerticalFlip,
    "resized_crop": geometric.ResizedCrop,
    "rotation": geometric.Rotation,
    "affine": geometric.Affine,
    "perspective": geometric.Perspective,
    "rand_augment": policies.RandAugment,
    "trivial_augment": policies.TrivialAugment,
    "aug_mix": policies.AugMix,
    "color_jitter": colour.ColorJitter,
    "brightness_contrast": colour.BrightnessContrast,
    "rgb_shift": colour.RgbShift,
    "grayscale": colour.Grayscale,
    "auto_contrast": colour.AutoContrast,
    "blur": blurs.Blur,
    "motion_blur": blurs.MotionBlur,
    "iso_noise": noises.IsoNoise,
    "gaussian_noise": noises.GaussianNoise,
    "jpeg": noises.Jpeg,
    "erasing": erasing.Erasing,
    "cutout": erasing.Cutout,
}
