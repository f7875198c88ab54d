"""The augmentation of an epoch as a whole: pairing, resuming, phases, and the recipe."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from cifar_sweep.augment import Augmentation, Source, draw_views
from cifar_sweep.augment.operations.registry import OPERATIONS
from cifar_sweep.recipe.augment import AugmentRecipe, Transforms, check
from cifar_sweep.schema import Shape
from sweeps.workload import stream
from tests.cifar_sweep.real_images import digits, photos, source_of

COLOUR = Shape(channels=3, size=32, classes=10)
DIGITS = Shape(channels=1, size=8, classes=10)
CPU = torch.device("cpu")
ALL = {name: {} for name in OPERATIONS if name not in ("trivial_augment", "aug_mix")}


def augmentation(epoch: int = 0, shape: Shape = COLOUR, count: int = 24, **settings: Any) -> Augmentation:
    return Augmentation.drawn(AugmentRecipe.model_validate(settings), shape, count, 7, epoch, CPU)


def batches(source: Source, drawn: Augmentation, size: int = 12) -> list[Tensor]:
    """The batches of an epoch that goes through the source's images in order, repeatedly."""
    images = []
    for start in range(0, len(drawn.views.rows), size):
        index = torch.arange(start, start + size) % len(source.labels)
        images.append(drawn.batch(source, index, slice(start, start + size))[0])
    return images


def test_crop_and_flip_are_the_draws_of_draw_views():
    drawn = augmentation(epoch=3, count=500)
    views = draw_views(500, 4, True, torch.Generator().manual_seed(stream(7, "augment", 3)))
    assert torch.equal(drawn.views.rows, views.rows)
    assert torch.equal(drawn.views.columns, views.columns)
    assert torch.equal(drawn.views.mirrored, views.mirrored)
    source = source_of(photos())
    images, labels = drawn.batch(source, torch.arange(12), slice(0, 12))
    expected, _ = source.batch(torch.arange(12), views[0:12])
    assert torch.equal(images, expected)
    assert labels.tolist() == list(range(12))


def mirrored_by_image(epoch: int, seed: int = 7, images: int = 400, **settings: Any) -> Tensor:
    """Which images are mirrored, by their index, in an epoch in random order."""
    order = torch.randperm(images, generator=torch.Generator().manual_seed(epoch))
    recipe = AugmentRecipe.model_validate({"flip": "alternating", **settings})
    drawn = Augmentation.drawn(recipe, COLOUR, images, seed, epoch, CPU, order)
    return drawn.views.mirrored[order.argsort()]


def test_an_alternating_flip_is_drawn_once_per_image_and_then_alternates():
    first = mirrored_by_image(0)
    assert 150 < int(first.sum()) < 250
    for epoch in range(1, 6):
        assert torch.equal(mirrored_by_image(epoch), first if epoch % 2 == 0 else ~first), epoch
    assert not torch.equal(mirrored_by_image(0, seed=8), first)
    assert torch.equal(mirrored_by_image(0, images=300), first[:300])  # each image has its own draw


def test_an_alternating_flip_changes_neither_crops_nor_phases():
    random, alternating = augmentation(epoch=2), augmentation(epoch=2, flip="alternating")
    assert torch.equal(random.views.rows, alternating.views.rows)
    assert torch.equal(random.views.columns, alternating.views.columns)
    phases = [{"epochs": 2, "flip": False}]
    assert not mirrored_by_image(1, phases=phases).any()
    assert torch.equal(mirrored_by_image(3, phases=phases), mirrored_by_image(3))


def test_a_crop_pads_as_the_recipe_says():
    source, index = source_of(photos()), torch.arange(12)
    black, mirror = (augmentation(count=12, crop=8, crop_padding=padding) for padding in ("zero", "reflect"))
    cut = [drawn.batch(source, index, slice(0, 12))[0] for drawn in (black, mirror)]
    expected, _ = source.batch(
        index, draw_views(12, 8, True, torch.Generator().manual_seed(stream(7, "augment", 0)), True)
    )
    assert torch.equal(cut[1], expected)
    assert not torch.equal(cut[0], cut[1])


@pytest.mark.parametrize("name", OPERATIONS)
def test_only_the_images_that_are_drawn_change(name: str):
    source = source_of(photos())
    drawn = augmentation(**{name: {"p": 0.4}})
    [step] = drawn.steps
    plain = batches(source, augmentation())
    for position, (before, after) in enumerate(zip(plain, batches(source, drawn), strict=True)):
        touched = step.touched[12 * position : 12 * position + 12]
        assert 0 < int(touched.sum()) < 12
        torch.testing.assert_close(after[~touched], before[~touched], rtol=0, atol=2e-6)
        changed = (after - before).abs().amax((1, 2, 3))[touched] > 1e-3
        assert changed.any()


def test_everything_at_once_gives_finite_batches_in_channels_last_order():
    drawn = augmentation(**ALL, mix={"mixup": 0.2, "cutmix": 1.0})
    assert len(drawn.steps) == len(ALL)
    for number, images in enumerate(batches(source_of(photos()), drawn)):
        batch = drawn.mix(images, torch.arange(12), slice(12 * number, 12 * number + 12))
        assert images.dtype == torch.float32
        assert images.isfinite().all()
        assert images.is_contiguous(memory_format=torch.channels_last)
        assert batch.share is not None


@pytest.mark.parametrize("name", sorted(set(OPERATIONS) - {"rgb_shift", "grayscale", "iso_noise", "color_jitter"}))
def test_digits_of_one_channel_and_8_pixels_go_through(name: str):
    images = batches(source_of(digits(12)), augmentation(shape=DIGITS, crop=1, **{name: {"p": 1.0}}))
    assert images[0].shape == (12, 1, 8, 8)
    assert torch.cat(images).isfinite().all()


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_draws_of_an_operation_do_not_depend_on_the_others(name: str):
    others = {key: {} for key in ALL if key not in ("rand_augment", name)}
    [alone] = augmentation(**{name: {}}).steps
    [among] = [step for step in augmentation(crop=0, flip=False, **{name: {}}, **others).steps if step.name == name]
    assert torch.equal(alone.touched, among.touched)
    assert alone.seed == among.seed
    assert all(torch.equal(values, among.drawn[key]) for key, values in alone.drawn.items())


def test_the_crops_and_the_mixing_do_not_depend_on_the_operations():
    plain, busy = augmentation(mix={"mixup": 1.0}), augmentation(mix={"mixup": 1.0}, **ALL)
    images, labels = photos(), torch.arange(12)
    assert torch.equal(plain.views.rows, busy.views.rows)
    first, second = (drawn.mix(images, labels, slice(12, 24)) for drawn in (plain, busy))
    assert torch.equal(first.images, second.images)


def test_a_repeated_epoch_gives_the_same_images_and_another_epoch_others():
    source, settings = source_of(photos()), {**ALL, "mix": {"mixup": 0.4, "cutmix": 1.0}}
    first, again, other = (augmentation(epoch, **settings) for epoch in (4, 4, 5))
    for one, same, different in zip(*(batches(source, drawn) for drawn in (first, again, other)), strict=True):
        assert torch.equal(one, same)
        assert not torch.equal(one, different)
    mixed, same, different = (
        drawn.mix(photos(), torch.arange(12), slice(12, 24)).images for drawn in (first, again, other)
    )
    assert torch.equal(mixed, same)
    assert not torch.equal(mixed, different)


def test_the_batches_of_an_epoch_differ_in_their_noise_and_their_mixing():
    source = source_of(photos())
    drawn = augmentation(crop=0, flip=False, gaussian_noise={"p": 1.0}, mix={"mixup": 1.0})
    first, second = batches(source, drawn)
    assert not torch.allclose(first, second, atol=1e-3)
    shares = [drawn.mix(first, torch.arange(12), slice(start, start + 12)).share for start in (0, 12)]
    assert shares[0] is not None
    assert shares[1] is not None
    assert shares[0][0] != shares[1][0]


def test_each_phase_holds_for_its_epochs_and_then_the_settings_beside_it():
    phases = [{"epochs": 2, "crop": 2}, {"epochs": 3, "rotation": {"degrees": 30}}]
    settings = {"crop": 0, "cutout": {"size": 8}, "mix": {"mixup": 0.2}, "phases": phases}
    on = []
    for epoch in range(7):
        drawn = augmentation(epoch, **settings)
        on.append((int(drawn.views.rows.abs().max()), [step.name for step in drawn.steps], drawn.mixing is not None))
    assert on[:2] == [(2, [], False)] * 2
    assert on[2:5] == [(4, ["rotation"], False)] * 3  # unnamed settings have their defaults
    assert on[5:] == [(0, ["cutout"], True)] * 2


def test_a_phase_draws_what_the_settings_draw_without_phases():
    [phased] = augmentation(1, phases=[{"epochs": 5, "rotation": {}}]).steps
    [plain] = augmentation(1, rotation={}).steps
    assert torch.equal(phased.drawn["inverse"], plain.drawn["inverse"])


def test_every_operation_of_the_recipe_is_registered_in_its_order():
    sections = [name for name in Transforms.model_fields if name not in ("crop", "crop_padding", "flip", "mix")]
    assert sections == list(OPERATIONS)


def test_every_setting_has_a_description_and_survives_json():
    recipe = AugmentRecipe.model_validate(
        {**ALL, "rotation": {"degrees": [30, 60]}, "mix": {}, "phases": [{"epochs": 3, "blur": {}}]}
    )
    assert AugmentRecipe.model_validate(recipe.model_dump(mode="json")) == recipe
    sections = [recipe, recipe.phases[0], *(getattr(recipe, name) for name in (*ALL, "mix"))]
    for section in sections:
        for name, field in type(section).model_fields.items():
            assert field.description, (section, name)


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        ({"rotation": {"degrees": [60, 30]}}, r"rotation.degrees.*as \[30, 60\]"),
        ({"rotation": {"degrees": 200}}, "rotation.degrees.*between 0 and 180"),
        ({"rotation": {"degrees": "15"}}, "rotation.degrees.*number of degrees"),
        ({"resized_crop": {"scale": [0.5, 0.2]}}, r"resized_crop.scale.*as \[0.2, 0.5\]"),
        ({"resized_crop": {"scale": [0.0, 1.0]}}, "resized_crop.scale.0.*greater than 0"),
        ({"jpeg": {"quality": [0, 50]}}, "jpeg.quality.0.*greater than or equal to 1"),
        ({"rand_augment": {"magnitude": 31}}, "rand_augment.magnitude.*less than or equal to 30"),
        ({"color_jitter": {"hue": 0.6}}, "color_jitter.hue.*less than or equal to 0.5"),
        ({"erasing": {"p": 1.5}}, "erasing.p.*less than or equal to 1"),
        ({"rand_augment": {}, "aug_mix": {}}, "rand_augment and aug_mix are both set: keep one policy"),
        ({"phases": [{"crop": 4}]}, "phases.0.epochs.*required"),
        ({"blurr": {}}, "blurr.*not permitted"),
    ],
)
def test_invalid_settings_are_refused_by_their_key(settings: dict[str, Any], rule: str):
    with pytest.raises(ValidationError, match=f"(?s){rule}"):
        AugmentRecipe.model_validate(settings)


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        ({"crop": 8}, "augment.crop is 8 but the images have 8 pixels a side"),
        ({"grayscale": {}}, "augment.grayscale needs images of 3 channels, but these have 1: set it to null"),
        ({"rgb_shift": {}}, "augment.rgb_shift needs"),
        ({"iso_noise": {}}, "augment.iso_noise needs"),
        ({"color_jitter": {}}, "augment.color_jitter.saturation needs"),
        ({"color_jitter": {"saturation": 0, "hue": 0.1}}, "augment.color_jitter.hue needs"),
        ({"motion_blur": {"length": [3, 9]}}, "augment.motion_blur.length goes up to 9"),
        ({"phases": [{"epochs": 1, "crop": 9}]}, "augment.phases.0.crop is 9"),
    ],
)
def test_settings_that_do_not_fit_the_images_are_refused_by_their_key(settings: dict[str, Any], rule: str):
    with pytest.raises(ValueError, match=rule):
        check(AugmentRecipe.model_validate({"crop": 1, **settings}), DIGITS)
    check(AugmentRecipe.model_validate({"crop": 1, "color_jitter": {"saturation": 0}}), DIGITS)
