"""Each operation beside torchvision's, image by image, on the same draws. Tolerances are shares of a pixel's range."""

from __future__ import annotations

import colorsys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from scipy.ndimage import convolve
from torch import Tensor
from torchvision.transforms import InterpolationMode, v2
from torchvision.transforms.v2 import functional

from cifar_sweep.augment.operations import grouped
from cifar_sweep.augment.operations.blurs import line_kernels
from cifar_sweep.augment.operations.colour import rotate_hue
from cifar_sweep.augment.operations.geometric import place_spans
from cifar_sweep.augment.operations.grouped import IDENTITY, Levels
from cifar_sweep.augment.operations.primitives import MAPS, PIXEL_CHANGES
from cifar_sweep.augment.operations.registry import OPERATIONS
from cifar_sweep.augment.policies import AUG_MIX, RAND_AUGMENT, TRIVIAL_AUGMENT
from tests.cifar_sweep.augment.support import changed_by, drawn, operation
from tests.cifar_sweep.real_images import digits, photos

pytestmark = pytest.mark.filterwarnings("ignore:.*TorchVision are deprecated")  # of its JPEG codec

BILINEAR = InterpolationMode.BILINEAR
Draw = Mapping[str, Any]


def resized_crop(image: Tensor, draw: Draw) -> Tensor:
    size = image.shape[-1]
    (left, width), (top, height) = (
        place_spans(draw[length][None], draw[place][None], size)
        for length, place in (("width", "left"), ("height", "top"))
    )
    box = [int(edge) for edge in (top, left, height, width)]
    return functional.resized_crop(image, *box, [size, size], BILINEAR)


def affine(image: Tensor, draw: Draw) -> Tensor:
    shift = (draw["shift"] * image.shape[-1]).tolist()
    shear = [float(draw["shear"]), 0.0]
    return functional.affine(image, float(draw["degrees"]), shift, float(draw["scale"]), shear, BILINEAR)


def perspective(image: Tensor, draw: Draw) -> Tensor:
    last = image.shape[-1] - 1
    corners = [[0, 0], [last, 0], [last, last], [0, last]]
    inwards = (draw["inwards"] * image.shape[-1]).tolist()
    signs = [(1, 1), (-1, 1), (-1, -1), (1, -1)]
    moved = [
        [x + right * dx, y + down * dy] for (x, y), (right, down), (dx, dy) in zip(corners, signs, inwards, strict=True)
    ]
    return functional.perspective(image, corners, moved, BILINEAR)


def color_jitter(image: Tensor, draw: Draw) -> Tensor:
    image = functional.adjust_brightness(image, float(draw["brightness"]))
    image = functional.adjust_contrast(image, float(draw["contrast"]))
    image = functional.adjust_saturation(image, float(draw["saturation"]))
    return functional.adjust_hue(image, float(draw["hue"]))


def jpeg(image: Tensor, draw: Draw) -> Tensor:
    return functional.jpeg((image * 255).round().to(torch.uint8), int(draw["quality"])) / 255


def erased(image: Tensor, draw: Draw) -> Tensor:
    size = image.shape[-1]
    (top, height), (left, width) = (
        place_spans(draw[length][None], draw[place][None], size)
        for length, place in (("height", "top"), ("width", "left"))
    )
    box = [int(edge) for edge in (top, left, height, width)]
    return functional.erase(image, *box, torch.tensor(0.25))


def cut_out(image: Tensor, draw: Draw) -> Tensor:
    top, left = (int(draw[name] * image.shape[-1]) - 5 for name in ("row", "column"))
    image = image.clone()
    image[:, max(0, top) : top + 10, max(0, left) : left + 10] = 0.5
    return image


JITTER = {"brightness": 0.4, "contrast": 0.5, "saturation": 0.6, "hue": 0.5}
SHARP = {"degrees": 40, "translate": 0.2, "scale": [0.6, 1.5], "shear": 20.0}
# name of the case: key, settings, reference for one image, tolerance
REFERENCES: Mapping[str, tuple[str, Mapping[str, Any], Callable[[Tensor, Draw], Tensor], float]] = {
    "vertical_flip": ("vertical_flip", {}, lambda image, draw: functional.vertical_flip(image), 0),
    "resized_crop": ("resized_crop", {}, resized_crop, 1e-4),
    "rotation": (
        "rotation",
        {"degrees": 180},
        lambda image, draw: functional.rotate(image, float(draw["degrees"]), BILINEAR),
        1e-4,
    ),
    "affine": ("affine", SHARP, affine, 1e-4),
    "perspective": ("perspective", {}, perspective, 2e-3),  # torchvision solves for its coefficients in float32
    "color_jitter": ("color_jitter", JITTER, color_jitter, 1e-5),
    "brightness_contrast": (
        "brightness_contrast",
        {"brightness": 0.5, "contrast": 0.5},
        lambda image, draw: (image * draw["contrast"] + draw["brightness"]).clamp(0, 1),
        1e-6,
    ),
    "rgb_shift": (
        "rgb_shift",
        {"shift": 0.4},
        lambda image, draw: (image + draw["shift"].view(3, 1, 1)).clamp(0, 1),
        1e-6,
    ),
    "grayscale": ("grayscale", {}, lambda image, draw: functional.rgb_to_grayscale(image, 3), 1e-6),
    "auto_contrast": ("auto_contrast", {}, lambda image, draw: functional.autocontrast(image), 1e-6),
    "blur": (
        "blur",
        {"sigma": [0.3, 3.0]},
        lambda image, draw: functional.gaussian_blur(image, [19, 19], [float(draw["sigma"])]),
        1e-5,
    ),
    "jpeg": ("jpeg", {"quality": [5, 100]}, jpeg, 0.02),  # another build of the codec may round otherwise
    "erasing": ("erasing", {"value": 0.25}, erased, 0),
    "cutout": ("cutout", {"size": 10, "value": 0.5}, cut_out, 0),
}


@pytest.mark.parametrize("case", REFERENCES)
def test_operation_is_torchvisions_on_the_same_draws(case: str):
    key, settings, reference, tolerance = REFERENCES[case]
    applied, images = operation(key, **settings), photos()
    draws = drawn(applied, len(images))
    changed = changed_by(applied, images, draws)
    assert not torch.equal(changed, images)
    for number, image in enumerate(images):
        expected = reference(image, {name: values[number] for name, values in draws.items()})
        torch.testing.assert_close(changed[number], expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("key", ["resized_crop", "rotation", "affine", "perspective", "auto_contrast", "erasing"])
def test_operation_is_torchvisions_on_one_channel_of_8_pixels(key: str):
    _, settings, reference, tolerance = REFERENCES[key]
    applied, images = operation(key, **settings), digits(8)
    draws = drawn(applied, len(images))
    changed = changed_by(applied, images, draws)
    for number, image in enumerate(images):
        expected = reference(image, {name: values[number] for name, values in draws.items()})
        torch.testing.assert_close(changed[number], expected, rtol=0, atol=max(tolerance, 1e-6))


def test_operation_is_torchvisions_on_cifar(unpacked: Callable[[str], Any]):
    from cifar_sweep.data.cache import load_images
    from cifar_sweep.recipe.data import DataRecipe

    images = load_images(DataRecipe(name="cifar10"), unpacked("cifar10-mini"), "train")
    some = torch.from_numpy(np.array(images.pixels[:8, :, :, :3])).permute(0, 3, 1, 2).float() / 255
    for key in ("affine", "color_jitter", "blur", "jpeg"):
        _, settings, reference, tolerance = REFERENCES[key]
        applied = operation(key, **settings)
        draws = drawn(applied, len(some))
        changed = changed_by(applied, some, draws)
        for number, image in enumerate(some):
            expected = reference(image, {name: values[number] for name, values in draws.items()})
            torch.testing.assert_close(changed[number], expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("turn", [0.25, -0.4, 0.5])
def test_a_rotated_hue_is_that_of_the_colour_circle(turn: float):
    image = photos(1, 8)
    turned = rotate_hue(image, torch.tensor(turn).view(1, 1, 1))
    for before, after in zip(image[0].flatten(1).T.tolist(), turned[0].flatten(1).T.tolist(), strict=True):
        hue, lightness, saturation = colorsys.rgb_to_hls(*before)
        assert after == pytest.approx(colorsys.hls_to_rgb((hue + turn) % 1, lightness, saturation), abs=1e-5)


def test_iso_noise_keeps_saturation_and_never_darkens():
    image, applied = photos(1, 16), operation("iso_noise", color_shift=[0.05, 0.05], intensity=[0.5, 0.5])
    noisy = changed_by(applied, image, drawn(applied, 1))
    before, after = (
        np.array([colorsys.rgb_to_hls(*pixel) for pixel in images[0].flatten(1).T.tolist()])
        for images in (image, noisy)
    )
    lit = (before[:, 1] > 0.02) & (after[:, 1] < 0.98) & (before[:, 2] > 0.05)  # elsewhere the hue is ill-conditioned
    np.testing.assert_allclose(after[lit, 2], before[lit, 2], atol=1e-3)
    assert (after[:, 1] >= before[:, 1] - 1e-6).all()
    turned = (after[lit, 0] - before[lit, 0] + 0.5) % 1 - 0.5
    assert 0.015 < turned.std() < 0.035  # 0.05 turns at intensity 0.5


def test_iso_noise_adds_lightness_by_its_poisson_law():
    image, applied = photos(2, 32), operation("iso_noise", color_shift=[0, 0], intensity=[0.4, 0.4])
    noisy = changed_by(applied, image, drawn(applied, 2))
    before, after = ((images.amax(1) + images.amin(1)) / 2 for images in (image, noisy))
    for number in range(2):
        grains = 255 * (after - before)[number] / (1 - before[number]).clamp(min=0.01)
        rate = 0.4 * 255 * before[number].std(correction=0)
        seen = grains[before[number] < 0.9]
        assert abs(seen.mean() - rate) < 5 * (rate / len(seen)) ** 0.5 + 0.02
        assert seen.var() == pytest.approx(float(rate), rel=0.2)  # of a Poisson law, the variance is the mean


def test_a_horizontal_motion_blur_of_3_pixels_is_a_running_mean():
    kernel = line_kernels(torch.tensor([3.0]), torch.tensor([0.0]), 3)[0]
    expected = torch.zeros(7, 7)
    expected[3, 2:5] = 1 / 3
    torch.testing.assert_close(kernel, expected)


def test_motion_blur_is_the_convolution_with_its_line():
    images, applied = photos(4), operation("motion_blur", length=[2.0, 9.0])
    draws = drawn(applied, 4)
    blurred = changed_by(applied, images, draws)
    kernels = line_kernels(draws["length"], draws["angle"], 5)
    for image, kernel, ours in zip(images, kernels, blurred, strict=True):
        theirs = np.stack([convolve(plane, kernel.numpy(), mode="mirror") for plane in image.numpy()])
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def sheared(image: Tensor, x: float, y: float) -> Tensor:
    degrees = [float(np.degrees(np.arctan(slope))) for slope in (x, y)]
    return functional.affine(image, 0.0, [0, 0], 1.0, degrees, BILINEAR, center=[0, 0])


def moved(image: Tensor, x: float, y: float) -> Tensor:
    size = image.shape[-1]
    return functional.affine(image, 0.0, [x * size, y * size], 1.0, [0.0, 0.0], BILINEAR)


def in_bytes(change: Callable[..., Tensor]) -> Callable[[Tensor, float], Tensor]:
    """An operation of torchvision that takes bytes, for images in 0..1."""
    return lambda image, strength: change((image * 255).round().to(torch.uint8), strength) / 255


# name: strength, reference
STRENGTHS: Mapping[str, tuple[float, Callable[[Tensor, float], Tensor]]] = {
    "identity": (0.0, lambda image, _: image),
    "shear_x": (0.25, lambda image, m: sheared(image, m, 0)),
    "shear_y": (-0.25, lambda image, m: sheared(image, 0, m)),
    "translate_x": (0.25, lambda image, m: moved(image, m, 0)),
    "translate_y": (-0.375, lambda image, m: moved(image, 0, m)),
    "rotate": (27.0, lambda image, m: functional.rotate(image, m, BILINEAR)),
    "brightness": (-0.5, lambda image, m: functional.adjust_brightness(image, 1 + m)),
    "color": (0.8, lambda image, m: functional.adjust_saturation(image, 1 + m)),
    "contrast": (0.7, lambda image, m: functional.adjust_contrast(image, 1 + m)),
    "sharpness": (0.9, lambda image, m: functional.adjust_sharpness(image, 1 + m)),
    "posterize": (3.0, in_bytes(lambda image, m: functional.posterize(image, int(m)))),
    "solarize": (0.5, lambda image, m: functional.solarize(image, m)),
    "auto_contrast": (0.0, lambda image, _: functional.autocontrast(image)),
    "equalize": (0.0, in_bytes(lambda image, _: functional.equalize(image))),
}


def primitive(name: str, images: Tensor, strength: float) -> Tensor:
    """The images after one operation of the policies, at one strength."""
    operation, level = torch.zeros(len(images), dtype=torch.long), torch.zeros(len(images))
    draws = grouped.prepare({name: Levels(strength)}, operation, level, level, images.shape[-1])
    return grouped.apply(images.clone(), draws)


def test_the_references_are_those_of_all_operations():
    assert set(STRENGTHS) == {*MAPS, *PIXEL_CHANGES, IDENTITY} == set(RAND_AUGMENT)


@pytest.mark.parametrize("name", STRENGTHS)
def test_primitive_is_torchvisions(name: str):
    strength, reference = STRENGTHS[name]
    images = photos(4)
    changed = primitive(name, images, strength)
    for image, ours in zip(images, changed, strict=True):
        torch.testing.assert_close(ours, reference(image, strength), rtol=0, atol=1e-4)


TORCHVISION = {
    "identity": "Identity",
    "shear_x": "ShearX",
    "shear_y": "ShearY",
    "translate_x": "TranslateX",
    "translate_y": "TranslateY",
    "rotate": "Rotate",
    "brightness": "Brightness",
    "color": "Color",
    "contrast": "Contrast",
    "sharpness": "Sharpness",
    "posterize": "Posterize",
    "solarize": "Solarize",
    "auto_contrast": "AutoContrast",
    "equalize": "Equalize",
}
TABLES = {
    "rand_augment": (RAND_AUGMENT, v2.RandAugment()._AUGMENTATION_SPACE, 31),
    "trivial_augment": (TRIVIAL_AUGMENT, v2.TrivialAugmentWide()._AUGMENTATION_SPACE, 31),
    "aug_mix": (AUG_MIX, v2.AugMix._PARTIAL_AUGMENTATION_SPACE, 10),
}


@pytest.mark.parametrize("policy", TABLES)
@pytest.mark.parametrize("size", [32, 224])
def test_the_table_of_a_policy_is_torchvisions(policy: str, size: int):
    table, space, bins = TABLES[policy]
    assert {TORCHVISION[name] for name in table} == set(space) - ({"Identity"} if policy == "aug_mix" else set())
    level = torch.arange(bins) / (bins - 1)
    for name, levels in table.items():
        magnitudes, signed = space[TORCHVISION[name]]
        expected = magnitudes(bins, size, size)
        ours = levels.strength(level, torch.ones(bins), size)
        if name.startswith("translate"):
            ours = ours * size
        assert levels.signed == signed
        if expected is not None:
            ours = ours.round() if name == "posterize" else ours
            torch.testing.assert_close(ours, torch.as_tensor(expected).float(), rtol=1e-4, atol=1e-4)


def test_rand_augment_applies_the_drawn_operations_one_after_another():
    images, applied = photos(), operation("rand_augment", operations=3, magnitude=15)
    draws = drawn(applied, len(images))
    changed = changed_by(applied, images, draws)
    for number, image in enumerate(images):
        expected = image[None]
        for index, sign in zip(draws["operation"][number].tolist(), draws["sign"][number].tolist(), strict=True):
            name, levels = list(RAND_AUGMENT.items())[index]
            strength = levels.strength(torch.tensor([0.5]), torch.tensor([sign]), 32)
            expected = primitive(name, expected, float(strength))
        torch.testing.assert_close(changed[number], expected[0], rtol=0, atol=1e-5)


def test_aug_mix_blends_the_drawn_chains():
    images, applied = photos(6), operation("aug_mix")
    draws = drawn(applied, 6)
    changed = changed_by(applied, images, draws)
    names = list(AUG_MIX)
    for number, image in enumerate(images):
        chains = torch.zeros_like(image)
        for chain in range(3):
            link = image[None]
            for place in range(3):
                index = int(draws["operation"][number, chain, place])
                if index >= 0:
                    level, sign = (draws[name][number, chain, place][None] for name in ("level", "sign"))
                    link = primitive(names[index], link, float(AUG_MIX[names[index]].strength(level, sign, 32)))
            chains += link[0] * draws["weight"][number, chain]
        share = draws["share"][number]
        expected = share * image + (1 - share) * chains
        torch.testing.assert_close(changed[number], expected, rtol=0, atol=1e-5)


def test_a_strength_in_pixels_never_exceeds_a_small_image():
    assert Levels(0, 32, in_pixels=True).strength(torch.ones(1), torch.ones(1), 8) == 1


def test_covered_parts_have_the_mean_of_the_image_or_noise():
    images = photos(4)
    for key in ("erasing", "cutout"):
        for value in ("mean", "random"):
            applied = operation(key, value=value)
            draws = drawn(applied, 4)
            black = changed_by(operation(key, value=0.0), images, draws)
            white = changed_by(operation(key, value=1.0), images, draws)
            covered = black != white
            changed = changed_by(applied, images, draws)
            assert torch.equal(changed[~covered], images[~covered])
            if value == "mean":
                means = images.mean((2, 3), keepdim=True).expand_as(images)
                assert torch.equal(changed[covered], means[covered])
            else:
                assert 0.4 < changed[covered].mean() < 0.6
                assert changed[covered].unique().numel() > 100


OFF: Mapping[str, Mapping[str, Any]] = {
    "resized_crop": {"scale": [1, 1], "ratio": [1, 1]},
    "rotation": {"degrees": 0},
    "affine": {"degrees": 0, "translate": 0, "scale": [1, 1], "shear": 0},
    "perspective": {"distortion": 0},
    "color_jitter": {"brightness": 0, "contrast": 0, "saturation": 0, "hue": 0},
    "brightness_contrast": {"brightness": 0, "contrast": 0},
    "rgb_shift": {"shift": 0},
    "motion_blur": {"length": [1, 1]},
    "blur": {"sigma": [0.1, 0.1]},
    "iso_noise": {"intensity": [0, 0]},
    "gaussian_noise": {"std": 0},
    "cutout": {"size": 0},
    "rand_augment": {"operations": 0},
}


@pytest.mark.parametrize("key", OFF)
def test_without_strength_nothing_changes(key: str):
    images, applied = photos(), operation(key, **OFF[key])
    changed = changed_by(applied, images, drawn(applied, len(images)))
    torch.testing.assert_close(changed, images, rtol=0, atol=1e-5)


@pytest.mark.parametrize("key", OPERATIONS)
@pytest.mark.parametrize("size", [8, 33])
def test_pixels_stay_in_their_range(key: str, size: int):
    images, applied = photos(6, size), operation(key)
    changed = changed_by(applied, images, drawn(applied, 6))
    assert changed.shape == images.shape
    assert changed.min() >= -1e-6
    assert changed.max() <= 1 + 1e-6
