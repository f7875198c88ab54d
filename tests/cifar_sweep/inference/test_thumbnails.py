"""Images for the report: those that the indices of the predictions mean."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cifar_sweep import workload
from cifar_sweep.data.cache import load_images
from cifar_sweep.data.corruptions import corrupt
from cifar_sweep.recipe import Recipe
from sweeps.workload import Site


@pytest.fixture
def coloured(make_recipe: Callable[..., Recipe], cifar10_dir: Path) -> tuple[Recipe, Site]:
    recipe = make_recipe(data={"name": "cifar10", "validation": 40, "train_limit": 100})
    loaded = load_images(recipe.data, cifar10_dir, "test")
    np.savez(cifar10_dir / "dark.npz", x_test=loaded.pixels[..., :3] // 2, y_test=loaded.labels)
    entries = ("noise:3", {"name": "dark", "data": {"name": "npz", "path": "dark.npz"}})
    return recipe, Site(cifar10_dir, "cpu", evaluate=entries)


def test_images_are_those_of_the_part_that_a_set_means(coloured: tuple[Recipe, Site]) -> None:
    recipe, site = coloured
    train, test = (load_images(recipe.data, site.data_dir, part).pixels[..., :3] for part in ("train", "test"))
    expected = {"validation": train, "test": test, "noise 3": corrupt(test, "noise", 3), "dark": test // 2}
    for name, pixels in expected.items():
        shown = workload.thumbnails(recipe, site, name, [7, 3])
        assert shown.shape == (2, 32, 32, 3)
        np.testing.assert_array_equal(shown, pixels[[7, 3]])


def test_grey_images_have_three_equal_channels(make_recipe: Callable[..., Recipe], data_dir: Path) -> None:
    shown = workload.thumbnails(make_recipe(), Site(data_dir, "cpu"), "test", [0])
    assert shown.shape == (1, 8, 8, 3)
    assert (shown[..., 0] == shown[..., 2]).all()


@pytest.mark.parametrize(("name", "index", "message"), [
    ("blur 1", 0, "there is no set 'blur 1', only validation, test, noise 3, dark"),
    ("test", 40, "test has 40 images but number 40 is asked for"),
])  # fmt: skip
def test_set_or_image_that_does_not_exist_is_refused(
    coloured: tuple[Recipe, Site], name: str, index: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        workload.thumbnails(*coloured, name, [index])
