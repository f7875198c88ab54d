"""Crop, flip and scaling, beside torchvision."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torchvision.transforms import functional

from cifar_sweep.augment import Scaling, Source, Views, draw_views, gather


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def some_pixels(channels: int, count: int = 12, size: int = 9) -> Tensor:
    """(count, size, size, channels) random bytes; a fourth channel is empty, as it is stored."""
    pixels = torch.randint(0, 256, (count, size, size, channels), dtype=torch.uint8, generator=generator())
    if channels == 4:
        pixels[..., 3] = 0
    return pixels


def cut_by_torchvision(
    image: Tensor, crop: int, row: int, column: int, mirrored: bool, padding: str = "constant"
) -> Tensor:
    """(size, size, channels) -> the same, through torchvision's own padding, crop and flip."""
    size = image.shape[0]
    padded = functional.pad(image.permute(2, 0, 1), [crop], padding_mode=padding)
    cropped = functional.crop(padded, row + crop, column + crop, size, size)
    return (functional.hflip(cropped) if mirrored else cropped).permute(1, 2, 0)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("crop", [0, 1, 4, 8])
@pytest.mark.parametrize("padding", ["constant", "reflect"])
def test_views_are_what_torchvision_cuts_at_the_same_offsets(channels: int, crop: int, padding: str):
    pixels, index = some_pixels(channels), torch.tensor([3, 3, 0, 11, 7, 1, 2, 5])
    views = draw_views(len(index), crop, True, generator(1), reflect=padding == "reflect")
    assert 0 < views.mirrored.sum() < len(index)
    cut = gather(pixels, index, views)
    for position, image in enumerate(index):
        row, column, mirrored = (int(v[position]) for v in (views.rows, views.columns, views.mirrored))
        assert torch.equal(cut[position], cut_by_torchvision(pixels[image], crop, row, column, bool(mirrored), padding))


@pytest.mark.parametrize("channels", [1, 3])
def test_scaling_is_torchvisions_normalize(channels: int):
    pixels, index = some_pixels(4 if channels == 3 else 1), torch.arange(10)
    measured = pixels[index][..., :channels].double()
    mean, deviation = measured.mean((0, 1, 2)), measured.std((0, 1, 2), correction=0)
    as_tensors = pixels[..., :channels].permute(0, 3, 1, 2).float() / 255
    expected = functional.normalize(as_tensors, (mean / 255).tolist(), (deviation / 255).tolist())
    torch.testing.assert_close(Scaling.measured(pixels, index, channels)(pixels), expected, rtol=1e-5, atol=1e-6)


def test_scaling_brings_the_measured_images_to_mean_0_and_deviation_1():
    pixels = some_pixels(4, count=450)
    scaled = Scaling.measured(pixels, torch.arange(450), 3)(pixels)
    torch.testing.assert_close(scaled.mean((0, 2, 3)), torch.zeros(3), rtol=0, atol=1e-5)
    torch.testing.assert_close(scaled.std((0, 2, 3)), torch.ones(3), rtol=0, atol=1e-4)


def test_a_constant_channel_becomes_zero():
    pixels = torch.full((4, 5, 5, 1), 77, dtype=torch.uint8)
    assert Scaling.measured(pixels, torch.arange(4), 1)(pixels).abs().max() < 1e-5


def test_without_normalisation_pixels_become_fractions():
    pixels = some_pixels(4)
    expected = pixels[..., :3].permute(0, 3, 1, 2).float() / 255
    torch.testing.assert_close(Scaling.to_unit(3, torch.device("cpu"))(pixels), expected)


def test_batches_are_channels_last_and_come_with_their_labels():
    pixels, index = some_pixels(4), torch.tensor([4, 2])
    images, labels = Source(pixels, torch.arange(12) * 10, Scaling.to_unit(3, torch.device("cpu"))).batch(index)
    assert images.shape == (2, 3, 9, 9)
    assert images.is_contiguous(memory_format=torch.channels_last)
    assert labels.tolist() == [40, 20]
    torch.testing.assert_close(images[0, 2], pixels[4, :, :, 2] / 255)


@pytest.mark.parametrize("crop", [0, 1, 4])
def test_shifts_are_uniform_and_half_of_the_images_are_mirrored(crop: int):
    count = 40_000
    views = draw_views(count, crop, True, generator())
    for shifts in (views.rows, views.columns):
        seen = torch.bincount(shifts + crop, minlength=2 * crop + 1)
        assert len(seen) == 2 * crop + 1
        assert (seen - count / len(seen)).abs().max() < 5 * (count / len(seen)) ** 0.5
    assert abs(int(views.mirrored.sum()) - count / 2) < 5 * (count / 4) ** 0.5
    both = torch.corrcoef(torch.stack([views.rows, views.columns, views.mirrored]).float())
    assert crop == 0 or (both - torch.eye(3)).abs().max() < 0.03


def test_switching_one_augmentation_off_leaves_the_draws_of_the_other():
    both, no_flip, no_crop = (
        draw_views(500, *switches, generator()) for switches in ((4, True), (4, False), (0, True))
    )
    assert torch.equal(both.rows, no_flip.rows)
    assert torch.equal(both.columns, no_flip.columns)
    assert torch.equal(both.mirrored, no_crop.mirrored)
    assert not no_flip.mirrored.any()
    assert not no_crop.rows.any()
    assert not no_crop.columns.any()


def test_a_slice_of_views_is_that_of_each_part():
    views = Views(torch.arange(5), torch.arange(5) + 10, torch.arange(5) > 2)[2:4]
    assert (views.rows.tolist(), views.columns.tolist(), views.mirrored.tolist()) == ([2, 3], [12, 13], [False, True])
