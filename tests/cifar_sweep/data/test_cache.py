"""The cache of decoded images: its content, its keys, and workers that share it."""

from __future__ import annotations

import multiprocessing
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cifar_sweep.data import cache
from cifar_sweep.data.cache import load_images
from cifar_sweep.data.formats import Images, read_images
from cifar_sweep.recipe import DataRecipe, Recipe
from cifar_sweep.training.trainer import Trainer
from sweeps.workload import Run
from tests.cifar_sweep.artificial_data import make_folder
from tests.sweeps.support import clean

CIFAR10 = DataRecipe(name="cifar10")


def decoded(data_dir: Path) -> list[Path]:
    return sorted((data_dir / cache.FOLDER).iterdir())


def test_pixels_are_those_of_the_files_with_an_empty_fourth_byte(cifar10_dir: Path):
    images, raw = load_images(CIFAR10, cifar10_dir, "train"), read_images(CIFAR10, cifar10_dir, "train")
    assert images.pixels.shape == (200, 32, 32, 4)
    assert np.array_equal(images.pixels[..., :3], raw.pixels)
    assert not images.pixels[..., 3].any()
    assert np.array_equal(images.labels, raw.labels)
    assert images.labels.dtype == np.int64


def test_pixels_are_mapped_from_one_file_and_writing_to_them_does_not_reach_it(cifar10_dir: Path):
    first = load_images(CIFAR10, cifar10_dir, "train").pixels
    assert isinstance(first, np.memmap)
    first[0] = 1
    assert not np.array_equal(load_images(CIFAR10, cifar10_dir, "train").pixels[0], first[0])
    assert len(decoded(cifar10_dir)) == 1


def test_the_second_load_reads_no_pickle(cifar10_dir: Path, monkeypatch: pytest.MonkeyPatch):
    expected = load_images(CIFAR10, cifar10_dir, "train").pixels.copy()
    monkeypatch.setattr(cache, "read_images", None)
    assert np.array_equal(load_images(CIFAR10, cifar10_dir, "train").pixels, expected)


def test_changed_files_are_decoded_anew(cifar10_dir: Path):
    before = load_images(CIFAR10, cifar10_dir, "train").pixels.copy()
    folder = cifar10_dir / "cifar-10-batches-py"
    shutil.copyfile(folder / "test_batch", folder / "data_batch_1")
    after = load_images(CIFAR10, cifar10_dir, "train").pixels
    assert not np.array_equal(before[:40], after[:40])
    assert np.array_equal(before[40:], after[40:])


def test_the_same_files_with_another_description_are_decoded_anew(tmp_path: Path):
    np.savez(tmp_path / "own.npz", x_train=np.zeros((2, 4, 4), np.uint8), y_train=[0, 2])
    data = DataRecipe(name="npz", path="own.npz", size=4, channels=1, classes=3)
    load_images(data, tmp_path, "train")
    with pytest.raises(ValueError, match="labels must be 0 to 1"):
        load_images(data.model_copy(update={"classes": 2}), tmp_path, "train")


def test_a_folder_cropped_from_another_size_is_decoded_anew(tmp_path: Path):
    make_folder(tmp_path / "made", classes=2, size=64)
    data = DataRecipe(name="folder", path="made", channels=3, classes=2, resize=60, center_crop=40)
    closer = data.model_copy(update={"resize": 48})
    first, second = (load_images(recipe, tmp_path, "train").pixels for recipe in (data, closer))
    assert first.shape == second.shape
    assert not np.array_equal(first, second)


def test_without_a_writable_cache_the_images_are_decoded_in_memory(cifar10_dir: Path):
    (cifar10_dir / cache.FOLDER).write_text("in the way")
    images = load_images(CIFAR10, cifar10_dir, "train")
    assert images.pixels.shape == (200, 32, 32, 4)
    assert not isinstance(images.pixels, np.memmap)


def test_a_write_that_fails_leaves_nothing_behind(cifar10_dir: Path, monkeypatch: pytest.MonkeyPatch):
    def fill_the_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache.os, "fsync", fill_the_disk)
    assert load_images(CIFAR10, cifar10_dir, "train").pixels.shape == (200, 32, 32, 4)
    assert decoded(cifar10_dir) == []


def test_a_slower_worker_keeps_what_a_faster_one_wrote(tmp_path: Path):
    folder = tmp_path / "decoded" / "x"
    faster, slower = (Images(np.full((1, 2, 2, 1), v, np.uint8), np.zeros(1, np.int64)) for v in (1, 2))
    cache._write(faster, None, folder)
    cache._write(slower, None, folder)
    assert np.load(folder / "pixels.npy")[0, 0, 0, 0] == 1
    assert decoded_names(folder) == ["x"]


def decoded_names(folder: Path) -> list[str]:
    return [path.name for path in folder.parent.iterdir()]


def total(data_dir: Path) -> int:
    return int(load_images(CIFAR10, data_dir, "train").pixels.sum(dtype=np.int64))


def test_workers_that_start_together_see_the_same_images(cifar10_dir: Path):
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        totals = pool.map(total, [cifar10_dir] * 6)
    assert set(totals) == {total(cifar10_dir)}
    assert len(decoded(cifar10_dir)) == 1


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="no /proc/self/smaps on this system")
def test_a_training_makes_no_private_copy_of_the_pixels(cifar10_dir: Path, tmp_path: Path):
    recipe = Recipe(data=CIFAR10.model_copy(update={"validation": 40}), batch_size=40, epochs=1)
    access = frozenset({"train", "validation"})
    run = Run(seed=0, split_seed=0, device="cpu", data_dir=cifar10_dir, folder=tmp_path, access=access)
    trainer = Trainer.start(recipe, run)
    trainer.run_epoch()
    maps = Path("/proc/self/smaps").read_text().split(str(cifar10_dir.resolve() / cache.FOLDER))
    mapped = maps[1].partition("VmFlags")[0]  # the lines of this mapping alone
    kibibytes = dict(re.findall(r"(\w+): +(\d+) kB", mapped))
    assert int(kibibytes["Rss"]) >= 200 * 32 * 32 * 4 // 1024  # all pixels have been read
    assert (kibibytes["Private_Dirty"], kibibytes["Anonymous"]) == ("0", "0")


WAIT = """
import sys
from pathlib import Path
from cifar_sweep.data.temporary import temporary_folder
with temporary_folder(Path(sys.argv[1]), ".partial-"):
    print("written", flush=True)
    sys.stdin.read()
"""


def test_what_a_killed_worker_left_is_removed_and_what_a_living_one_writes_is_kept(cifar10_dir: Path):
    place = cifar10_dir / cache.FOLDER
    place.mkdir()
    words, pipes = [sys.executable, "-c", WAIT, str(place)], {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(words, env=clean({}), text=True, **pipes) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "written\n"
        load_images(CIFAR10, cifar10_dir, "train")
        assert len(list(place.glob(".partial-*"))) == 1
        worker.kill()
    load_images(CIFAR10, cifar10_dir, "test")
    assert not list(place.glob(".partial-*"))
