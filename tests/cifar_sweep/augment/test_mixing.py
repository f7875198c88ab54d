"""MixUp and CutMix: partners, shares, boxes and frequency."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from cifar_sweep.augment import Mixed
from cifar_sweep.augment.mixing import Box, mix
from cifar_sweep.recipe.transforms import Mix
from tests.cifar_sweep.real_images import photos


def mixed(seed: int, **settings: Any) -> Mixed:
    images = photos().contiguous(memory_format=torch.channels_last)
    return mix(images, torch.arange(len(images)), Mix(**settings), np.random.default_rng(seed))


def many_shares(images: torch.Tensor, count: int, **settings: Any) -> np.ndarray:
    generator, labels = np.random.default_rng(0), torch.arange(len(images))
    batches = (mix(images, labels, Mix(**settings), generator) for _ in range(count))
    return np.array([float(batch.share[0]) for batch in batches if batch.share is not None])


def test_mixup_blends_each_image_with_its_partner_by_the_share_of_its_label():
    images, batch = photos(), mixed(0, mixup=1.0)
    assert batch.share is not None
    assert batch.share.shape == (len(images),)
    assert torch.equal(batch.labels, torch.arange(len(images)))
    assert not (batch.partners == batch.labels).any()
    share = batch.share.view(-1, 1, 1, 1)
    torch.testing.assert_close(batch.images, share * images + (1 - share) * images[batch.partners])


@pytest.mark.parametrize("seed", range(6))
def test_cutmix_takes_one_rectangle_and_the_share_is_the_remaining_area(seed: int):
    images, batch = photos(), mixed(seed, cutmix=1.0)
    kept, theirs = (batch.images == images).all(1), (batch.images == images[batch.partners]).all(1)
    assert (kept | theirs).all()
    taken = (~kept).any(0)  # over the batch, because single pixels may be equal in both images
    assert batch.share is not None
    assert float(batch.share[0]) == pytest.approx(1 - float(taken.float().mean()), abs=1e-6)
    rows, columns = taken.any(1).nonzero().squeeze(1), taken.any(0).nonzero().squeeze(1)
    assert int(taken.sum()) == len(rows) * len(columns)
    assert len(rows) == 0 or int(rows[-1] - rows[0]) + 1 == len(rows)


@pytest.mark.parametrize("alpha", [0.2, 1.0, 3.0])
def test_mixup_shares_are_drawn_from_beta(alpha: float):
    shares = many_shares(torch.zeros(2, 1, 4, 4), 3000, mixup=alpha)
    assert stats.kstest(shares, "beta", (alpha, alpha)).pvalue > 1e-3


def test_cutmix_boxes_have_the_area_of_their_share_unless_the_border_cuts_them_off():
    generator = np.random.default_rng(0)
    shares = generator.beta(1, 1, 3000)
    boxes = [Box.drawn(share, 64, generator) for share in shares]
    for share, box in zip(shares, boxes, strict=True):
        side = 64 * (1 - share) ** 0.5
        clipped = box.top == 0 or box.left == 0 or box.bottom == 64 or box.right == 64
        assert box.area <= (side + 1.5) ** 2
        assert clipped or box.area >= (side - 1.5) ** 2
    centred = np.array([(box.top + box.bottom) / 2 for box in boxes if box.area])
    assert abs(centred.mean() - 32) < 1


def test_torchvision_draws_boxes_of_the_same_areas():
    from torchvision.transforms.v2 import CutMix

    torch.manual_seed(0)
    image = [torch.zeros(2, 1, 256, 256)]  # large: torchvision rounds the sides of its boxes to even numbers
    transform, generator = CutMix(num_classes=2), np.random.default_rng(0)
    theirs = [transform.make_params(image)["lam_adjusted"] for _ in range(1500)]
    boxes = [Box.drawn(share, 256, generator) for share in generator.beta(1, 1, 1500)]
    assert stats.ks_2samp([1 - box.area / 256**2 for box in boxes], theirs).pvalue > 1e-3


def test_with_both_on_each_is_used_for_half_of_the_batches():
    images, generator = torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(0)), np.random.default_rng(0)
    both = Mix(mixup=100.0, cutmix=100.0)  # shares near a half: a blend equals neither of its parents
    cutmix_batches = 0
    for _ in range(1000):
        batch = mix(images, torch.arange(4), both, generator)
        cutmix_batches += bool((batch.images == images).any())
    assert abs(cutmix_batches - 500) < 4 * 250**0.5


def test_the_share_of_batches_mixed_is_p():
    shares = many_shares(torch.zeros(2, 1, 4, 4), 2000, mixup=1.0, p=0.3)
    assert abs(len(shares) - 600) < 4 * (2000 * 0.3 * 0.7) ** 0.5


@pytest.mark.parametrize("settings", [None, Mix(), Mix(mixup=1.0, p=0.0)])
def test_without_mixing_the_batch_is_returned_unchanged(settings: Mix | None):
    images, labels = photos(), torch.arange(12)
    batch = mix(images, labels, settings, np.random.default_rng(0))
    assert batch.images is images
    assert batch.partners is labels
    assert batch.share is None


@pytest.mark.parametrize("settings", [{"mixup": 1.0}, {"cutmix": 1.0}])
def test_mixing_leaves_its_input_unchanged_and_keeps_the_memory_order(settings: dict[str, float]):
    images = photos().contiguous(memory_format=torch.channels_last)
    before = images.clone()
    batch = mix(images, torch.arange(12), Mix(**settings), np.random.default_rng(1))
    assert torch.equal(images, before)
    assert batch.images.is_contiguous(memory_format=torch.channels_last)
